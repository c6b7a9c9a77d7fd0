//! Every test, after making sure of what they need.

use crate::step::{Step, StepFailed};

pub(crate) fn run(arguments: &[String]) -> Result<(), StepFailed> {
    println!(
        "Runs the examples of super-planner, then every unit, integration and documentation test of the workspace.\n\
         The tests need git, and neither the network nor a service."
    );
    find_or_install_git()?;
    Step::cargo().words("test -p super-planner --examples").run()?;
    Step::cargo().words("test --workspace --no-fail-fast").arguments(arguments).run()
}

/// The tests compare what the project writes with what stock git reads.
fn find_or_install_git() -> Result<(), StepFailed> {
    let has = |program: &str| Step::new(program).words("--version").succeeds_silently();
    if has("git") {
        println!("git is there.");
        return Ok(());
    }
    if !has("apt-get") {
        return Err(StepFailed::Missing {
            program: "git",
            remedy: "install it with the package manager of this system",
        });
    }
    println!("git is missing; installing the Debian package.");
    let as_root = || {
        if has("sudo") { Step::new("sudo").words("apt-get") } else { Step::new("apt-get") }
    };
    as_root().words("update --quiet").run()?;
    as_root().words("install --yes --quiet --no-install-recommends git").run()
}
