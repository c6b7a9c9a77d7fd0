//! States in the file of the plan: written in one piece or not at all, and nothing else with them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use faults::{CrashPoints, Disk, Names, Session};

const PLAN: &str = "\
# what is to be done
name: small   # short
tasks:
  - { id: A, title: First, effort: 1h }

  - id: B       # after the first
    title: Second
    dependencies: [A]
  - { id: C, status: todo, dependencies: [B] }
";
const DONE: &str = "\
# what is to be done
name: small   # short
tasks:
  - { id: A, status: completed, title: First, effort: 1h }

  - id: B       # after the first
    status: completed
    title: Second
    dependencies: [A]
  - { id: C, status: completed, dependencies: [B] }
";

/// A folder with a plan that was carried out, and its state in a folder of its own.
struct Carried {
    plan: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Carried {
    fn out(plan: &str, code: i32) -> Self {
        let carried = Self { plan: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        std::fs::write(carried.path(), plan).unwrap();
        let told = carried.run(&["--quiet"]);
        assert_eq!(told.status.code(), Some(code), "{told:?}");
        carried
    }

    fn path(&self) -> PathBuf {
        self.plan.path().join("plan.yaml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_super-planner"));
        command.env("XDG_CONFIG_HOME", self.state.path()).env_remove("SUPER_PLANNER_CONFIG");
        command
            .current_dir(self.plan.path())
            .args([name, "plan.yaml", "--state"])
            .arg(self.state.path().join("state.db"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let how = ["--landing", "none", "--time-scale", "10000000"];
        self.command("run").args(how).args(arguments).output().unwrap()
    }

    fn sync(&self, arguments: &[&str]) -> Output {
        self.command("sync").args(arguments).output().unwrap()
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn states_are_written_and_nothing_else_is_touched() {
    let carried = Carried::out(PLAN, 0);
    std::fs::set_permissions(carried.path(), PermissionsExt::from_mode(0o640)).unwrap();
    let told = carried.sync(&["--dry-run"]);
    assert_eq!((told.status.code(), carried.text().as_str()), (Some(0), PLAN), "{told:?}");
    let told = carried.sync(&[]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    assert!(String::from_utf8_lossy(&told.stdout).contains("C: todo -> completed"), "{told:?}");
    assert_eq!(carried.text(), DONE);
    assert_eq!(
        names(carried.plan.path()),
        BTreeSet::from(["plan.yaml".to_owned()]),
        "nothing is left beside"
    );
    assert_eq!(std::fs::metadata(carried.path()).unwrap().permissions().mode() & 0o777, 0o640);

    // A second time there is nothing to write, and the file is not even replaced.
    let modified = || std::fs::metadata(carried.path()).unwrap().modified().unwrap();
    let before = modified();
    assert_eq!(carried.sync(&["--json"]).status.code(), Some(0));
    assert_eq!(modified(), before);

    // The plan is still the one that was carried out.
    assert_eq!(carried.run(&["--quiet"]).status.code(), Some(0));
    std::fs::write(carried.path(), DONE.replace("Second", "Other")).unwrap();
    let told = carried.run(&["--quiet"]);
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(1), "{said}");
    assert!(said.contains("~ B: title") && said.contains("Other"), "{said}");
}

#[test]
fn a_link_stays_a_link_and_an_unknown_project_is_told() {
    let carried = Carried::out(PLAN, 0);
    let elsewhere = carried.state.path().join("real.yaml");
    std::fs::rename(carried.path(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, carried.path()).unwrap();
    assert_eq!(carried.sync(&[]).status.code(), Some(0));
    assert!(carried.path().is_symlink());
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), DONE);
    let told = carried.sync(&["--project", "smal"]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    assert!(String::from_utf8_lossy(&told.stderr).contains("did you mean `small`?"), "{told:?}");
}

#[test]
fn what_the_file_says_is_done_is_not_taken_back() {
    let carried = Carried::out("name: small\ntasks: [{id: A, status: on_hold}]\n", 1);
    std::fs::write(carried.path(), "name: small\ntasks: [{id: A, status: done}]\n").unwrap();
    let told = carried.sync(&[]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    assert_eq!(carried.text(), "name: small\ntasks: [{id: A, status: done}]\n");
}

/// After a crash at any moment the file is the old one or the new one, whole; once the command has ended well, the new one.
#[test]
fn a_crash_leaves_the_old_file_or_the_new_one() {
    let carried = Carried::out(PLAN, 0);
    let before = Disk::capture(carried.plan.path()).unwrap();
    let session = Session::recording(carried.plan.path()).unwrap();
    assert!(session.run(&mut carried.command("sync")).unwrap().success());
    let trace = session.trace().unwrap();
    let (mut seen, mut points) = (BTreeSet::new(), 0);
    for point in CrashPoints::new(before, &trace, Names::Strict, 1) {
        let point = point.unwrap();
        let image = tempfile::tempdir().unwrap();
        point.image.write_to(image.path()).unwrap();
        let text = std::fs::read_to_string(image.path().join("plan.yaml")).unwrap();
        assert!(text == PLAN || text == DONE, "{point}: {text}");
        seen.insert(text);
        points += 1;
    }
    assert!(points > 5 && seen.len() == 2, "{points} disks, {} texts", seen.len());
    assert_eq!(carried.text(), DONE);
}
