//! Every test, after making sure of what they need.

use crate::postgresql_programs;
use crate::step::{Step, StepFailed};

/// All tests, those of the store in PostgreSQL among them.
const WORKSPACE_TESTS: &str = "test --workspace --features state-store/postgres --no-fail-fast";

/// The proof that the general run of git-ops finds what is planted.
const PLANTED_BUGS_OF_GIT: &str = "test -p git-ops --features planted-bugs --test general planted";

/// The same of the store's harnesses.
const PLANTED_BUGS_OF_STORE: &str = "test -p state-store --features planted-bugs --test faults planted_bugs";

/// The same of the simulation of coordinators.
const PLANTED_BUGS_OF_COORDINATOR: &str =
    "test -p agent-coordinator --features planted-bugs --test simulation planted_bugs";

/// The same of the tests of agents.
const PLANTED_BUGS_OF_AGENTS: &str = "test -p agent-runtime --all-features --lib planted";

/// Models over HTTP and the tools of MCP servers, which are built in on demand only.
const AGENTS_WITH_ALL_FEATURES: &str = "test -p agent-runtime -p super-planner --no-fail-fast --lib --test chat \
     --features agent-runtime/http-models,agent-runtime/mcp,super-planner/http-models,super-planner/mcp";

pub(crate) fn run(arguments: &[String]) -> Result<(), StepFailed> {
    println!(
        "Runs the examples of super-planner, then every unit, integration and documentation test of the workspace,\n\
         then whether the harnesses of git-ops, of the store, of the coordinator and of agents find planted bugs.\n\
         The tests need git and the programs of a PostgreSQL server, which they start and remove themselves;\n\
         they need neither the network nor a service."
    );
    find_or_install_git()?;
    find_or_install_postgresql()?;
    Step::cargo().words("test -p super-planner --examples").run()?;
    Step::cargo().words(WORKSPACE_TESTS).arguments(arguments).run()?;
    Step::cargo().words(AGENTS_WITH_ALL_FEATURES).arguments(arguments).run()?;
    Step::cargo().words(PLANTED_BUGS_OF_GIT).run()?;
    Step::cargo().words(PLANTED_BUGS_OF_STORE).run()?;
    Step::cargo().words(PLANTED_BUGS_OF_COORDINATOR).run()?;
    Step::cargo().words(PLANTED_BUGS_OF_AGENTS).run()
}

/// The tests compare what the project writes with what stock git reads.
fn find_or_install_git() -> Result<(), StepFailed> {
    if is_there("git") {
        println!("git is there.");
        return Ok(());
    }
    install("git", "git")
}

/// The tests start a server of their own.
fn find_or_install_postgresql() -> Result<(), StepFailed> {
    if let Some(folder) = postgresql_programs::find() {
        println!("PostgreSQL's server programs are in {}.", folder.display());
        return Ok(());
    }
    // Debian's package would make and start a server of its own unless it is told not to.
    if is_there("apt-get") {
        println!("Debian's package of PostgreSQL is told to start no server ({CLUSTER_SETTINGS}).");
        let keep_or_write = format!(
            "mkdir -p /etc/postgresql-common; [ -e {CLUSTER_SETTINGS} ] || \
             echo 'create_main_cluster = false' > {CLUSTER_SETTINGS}"
        );
        as_root("sh").arguments(&["-c".to_owned(), keep_or_write]).run()?;
    }
    install("PostgreSQL's server", "postgresql")?;
    let missing = StepFailed::Missing {
        program: "PostgreSQL's server",
        remedy: "the package was installed, and yet initdb, pg_ctl, postgres and psql are not all there",
    };
    postgresql_programs::find().map(drop).ok_or(missing)
}

const CLUSTER_SETTINGS: &str = "/etc/postgresql-common/createcluster.conf";

pub(crate) fn is_there(program: &str) -> bool {
    Step::new(program).words("--version").succeeds_silently()
}

/// Returns the step that runs a program with the rights to install.
fn as_root(program: &str) -> Step {
    if is_there("sudo") { Step::new("sudo").words(program) } else { Step::new(program) }
}

pub(crate) fn install(program: &'static str, package: &str) -> Result<(), StepFailed> {
    if !is_there("apt-get") {
        let remedy = "install it with the package manager of this system";
        return Err(StepFailed::Missing { program, remedy });
    }
    println!("{program} is missing; installing the Debian package `{package}`.");
    let apt = || as_root("env").words("DEBIAN_FRONTEND=noninteractive apt-get");
    apt().words("update --quiet").run()?;
    apt().words("install --yes --quiet --no-install-recommends").words(package).run()
}
