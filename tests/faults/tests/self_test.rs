//! The shim really stands between programs and their files, and what it tells is what they did.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use faults::{
    Action, Class, CrashPoints, Disk, Errno, Fault, Names, Node, Operation, Session, Survival, TraceError,
    control_of_this_process, mark, this_test, workload_folder,
};

/// Does a little of everything, in Rust.
fn busy(folder: &Path) {
    fs::create_dir(folder.join("new")).unwrap();
    let mut file = File::create(folder.join("new/draft")).unwrap();
    file.write_all(b"first").unwrap();
    file.sync_all().unwrap();
    let twin = file.try_clone().unwrap();
    twin.write_all_at(b"F", 0).unwrap();
    mark(b"written").unwrap();
    file.set_len(3).unwrap();
    file.sync_data().unwrap();
    fs::rename(folder.join("new/draft"), folder.join("final")).unwrap();
    fs::hard_link(folder.join("final"), folder.join("second")).unwrap();
    std::os::unix::fs::symlink("final", folder.join("link")).unwrap();
    fs::remove_file(folder.join("second")).unwrap();
    fs::remove_dir(folder.join("new")).unwrap();
    File::options().append(true).open(folder.join("final")).unwrap().write_all(b"!").unwrap();
    fs::copy(folder.join("final"), folder.join("copy")).unwrap();
    fs::write(folder.join("copy"), b"overwritten").unwrap();
    File::open(folder).unwrap().sync_all().unwrap();
}

fn succeeds(session: &Session, command: &mut Command) {
    let status = session.run(command).unwrap();
    assert!(status.success(), "the workload ended with {status}");
}

/// Writes an operation without what differs from run to run.
fn line(operation: &Operation) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match operation {
        Operation::Create { path, .. } => format!("create {}", path.display()),
        Operation::Write { path, offset, bytes, .. } => {
            format!("write {} at {offset}: {}", path.display(), text(bytes))
        }
        Operation::Truncate { path, length, .. } => format!("truncate {} to {length}", path.display()),
        Operation::Sync { path, .. } => format!("sync {}", path.display()),
        Operation::FailedSync { path, .. } => format!("failed sync {}", path.display()),
        Operation::Rename { from, to } => format!("rename {} to {}", from.display(), to.display()),
        Operation::Link { from, to } => format!("link {} as {}", from.display(), to.display()),
        Operation::Unlink { path } => format!("unlink {}", path.display()),
        Operation::MakeFolder { path, .. } => format!("make folder {}", path.display()),
        Operation::RemoveFolder { path } => format!("remove folder {}", path.display()),
        Operation::Symlink { path, target } => format!("symlink {} to {}", path.display(), target.display()),
        Operation::Mark(said) => format!("said {}", text(said)),
    }
}

#[test]
fn every_change_is_recorded_in_order_with_its_bytes() {
    if let Some(folder) = workload_folder() {
        return busy(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let before = Disk::capture(folder.path()).unwrap();
    let session = Session::recording(folder.path()).unwrap();
    succeeds(&session, &mut this_test("every_change_is_recorded_in_order_with_its_bytes"));
    let trace = session.trace().unwrap();
    let lines: Vec<_> = trace.operations.iter().map(line).collect();
    let expected = [
        "make folder new",
        "create new/draft",
        "write new/draft at 0: first",
        "sync new/draft",
        "write new/draft at 0: F",
        "said written",
        "truncate new/draft to 3",
        "sync new/draft",
        "rename new/draft to final",
        "link final as second",
        "symlink link to final",
        "unlink second",
        "remove folder new",
        "write final at 3: !",
        "create copy",
        "write copy at 0: Fir!",
        "truncate copy to 0",
        "write copy at 0: overwritten",
        "sync ",
    ];
    assert_eq!(lines, expected);
    assert_eq!(trace.marks_before(6), [b"written"]);
    let control = session.control();
    let counts = [Class::Open, Class::Write, Class::Sync, Class::Truncate, Class::Name]
        .map(|class| control.count(class).unwrap());
    assert_eq!(counts, [4, 5, 3, 1, 6]);

    // What the programs left is the image of a crash in which nothing is lost.
    let all = CrashPoints::new(before, &trace, Names::Strict, 1).map(Result::unwrap);
    let last = all.filter(|point| point.survival == Survival::Most).last().unwrap();
    assert_eq!(last.operations, trace.operations.len());
    assert_eq!(last.image.nodes, read(folder.path()));
    let copy = tempfile::tempdir().unwrap();
    last.image.write_to(copy.path()).unwrap();
    assert_eq!(read(copy.path()), read(folder.path()));
}

fn read(folder: &Path) -> std::collections::BTreeMap<PathBuf, Node> {
    let disk = Disk::capture(folder).unwrap();
    disk.image(Survival::Least, &mut planner_core::random::Random::new(0)).nodes
}

#[test]
fn programs_in_c_and_those_that_they_start_are_recorded_too() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::recording(folder.path()).unwrap();
    let script = "printf one > a && mv a b && mkdir d && cp b d/c && ln b e && rm b && sync d/c";
    let mut shell = Command::new("sh");
    succeeds(&session, shell.args(["-c", script]).current_dir(folder.path()));
    let lines: Vec<_> = session.trace().unwrap().operations.iter().map(line).collect();
    let expected = [
        "create a",
        "write a at 0: one",
        "rename a to b",
        "make folder d",
        "create d/c",
        "write d/c at 0: one",
        "link b as e",
        "unlink b",
        "sync d/c",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_lies_elsewhere_is_left_alone() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let session = Session::recording(folder.path()).unwrap();
    let mut shell = Command::new("sh");
    succeeds(&session, shell.args(["-c", "echo one > a; mkdir b; rm a"]).current_dir(elsewhere.path()));
    assert_eq!(session.trace().unwrap().operations, []);
    assert_eq!(session.control().count(Class::Write).unwrap(), 0);
}

#[test]
fn what_cannot_be_followed_is_not_passed_over() {
    let (folder, elsewhere) = (tempfile::tempdir_in("/tmp").unwrap(), tempfile::tempdir_in("/tmp").unwrap());
    fs::write(elsewhere.path().join("a"), b"one").unwrap();
    let session = Session::recording(folder.path()).unwrap();
    let mut shell = Command::new("sh");
    let script = format!("mv {}/a b", elsewhere.path().display());
    succeeds(&session, shell.args(["-c", &script]).current_dir(folder.path()));
    let error = session.trace().unwrap_err();
    assert!(matches!(&error, TraceError::OverBorder { path } if path == Path::new("b")), "{error}");
}

/// Arms faults in itself and tells by its success whether they came.
fn spoilt(folder: &Path) {
    let control = control_of_this_process().unwrap();
    let arm = |class, nth, action, is_sticky| {
        control.arm(&Fault { classes: vec![class], nth, action, is_sticky }).unwrap();
    };
    let error = |result: std::io::Result<()>| result.unwrap_err().raw_os_error().unwrap();
    let mut file = File::create(folder.join("file")).unwrap();

    arm(Class::Sync, 2, Action::Fail(Errno::IO), false);
    file.sync_all().unwrap();
    assert_eq!(error(file.sync_all()), Errno::IO.raw_os_error());
    file.sync_all().unwrap();
    assert_eq!(control.spoilt().unwrap(), 1);

    arm(Class::Write, 1, Action::Fail(Errno::NOSPC), true);
    for _ in 0..3 {
        assert_eq!(error(file.write_all(b"no")), Errno::NOSPC.raw_os_error());
    }
    control.disarm().unwrap();
    file.write_all(b"yes").unwrap();

    arm(Class::Write, 1, Action::Short, false);
    assert_eq!(file.write(b"12345678").unwrap(), 4);
    arm(Class::Write, 1, Action::Torn(Errno::IO), false);
    assert_eq!(error(file.write_all(b"abcdef")), Errno::IO.raw_os_error());
    assert_eq!(fs::read(folder.join("file")).unwrap(), b"yes1234abc");

    arm(Class::Name, 1, Action::Fail(Errno::INTR), false);
    assert_eq!(error(fs::rename(folder.join("file"), folder.join("other"))), Errno::INTR.raw_os_error());
    arm(Class::Read, 1, Action::Fail(Errno::IO), false);
    assert_eq!(error(fs::read(folder.join("file")).map(drop)), Errno::IO.raw_os_error());
    arm(Class::Open, 1, Action::Fail(Errno::MFILE), false);
    assert_eq!(error(File::create(folder.join("x")).map(drop)), Errno::MFILE.raw_os_error());
    arm(Class::Truncate, 1, Action::Fail(Errno::IO), false);
    assert_eq!(error(file.set_len(0)), Errno::IO.raw_os_error());

    mark(b"before the end").unwrap();
    arm(Class::Sync, 1, Action::Kill, false);
    let _ = file.sync_all();
    mark(b"never").unwrap();
}

#[test]
fn an_operation_fails_when_and_how_it_is_told_to() {
    if let Some(folder) = workload_folder() {
        return spoilt(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let session = Session::recording(folder.path()).unwrap();
    let status = session.run(&mut this_test("an_operation_fails_when_and_how_it_is_told_to")).unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(9), "it ended with {status}");
    let lines: Vec<_> = session.trace().unwrap().operations.iter().map(line).collect();
    let expected = [
        "create file",
        "sync file",
        "failed sync file",
        "sync file",
        "write file at 0: yes",
        "write file at 3: 1234",
        "write file at 7: abc",
        "said before the end",
    ];
    assert_eq!(lines, expected);
}
