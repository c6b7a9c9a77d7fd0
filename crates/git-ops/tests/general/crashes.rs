//! Power cuts at every moment, and every operation failing or being the last one of its process.

use faults::{Action, Class, CrashPoints, Disk, Errno, Fault, Names, Session, this_test};

use crate::store::{check, make, temporary_folder};

const CHANGES: [Class; 5] = [Class::Open, Class::Write, Class::Sync, Class::Truncate, Class::Name];
/// Of the operations one in so many is made to fail in each run, beginning with another one for each seed.
const ONE_IN: u64 = 4;

fn seed() -> u64 {
    std::env::var("SUPER_PLANNER_TEST_SEED").map_or(1, |text| text.parse().unwrap())
}

/// Returns how far apart the operations are that are met: all of them in a soak.
fn step() -> u64 {
    let scale: f64 = std::env::var("SUPER_PLANNER_TEST_SCALE").map_or(1.0, |text| text.parse().unwrap());
    if scale >= 4.0 { 1 } else { ONE_IN }
}

pub(crate) fn power_can_fail_at_every_moment() {
    let folder = temporary_folder();
    make(folder.path());
    let before = Disk::capture(folder.path()).unwrap();
    let session = Session::recording(folder.path()).unwrap();
    assert!(session.run(&mut this_test("general_run")).unwrap().success());
    let trace = session.trace().unwrap();
    assert!(trace.marks_before(trace.operations.len()).len() > 40, "the workload did not do its work");
    let threads = 2;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (before, trace) = (before.clone(), &trace);
            scope.spawn(move || {
                let points = CrashPoints::new(before, trace, Names::Strict, seed()).images_each(3);
                for point in points.share(thread, threads) {
                    let point = point.unwrap();
                    let image = temporary_folder();
                    point.image.write_to(image.path()).unwrap();
                    let when = format!("seed {}, power cut: {point}", seed());
                    check(image.path(), &trace.marks_before(point.operations), &when);
                }
            });
        }
    });
}

pub(crate) fn every_operation_can_fail() {
    let actions = [Action::Fail(Errno::IO), Action::Torn(Errno::NOSPC), Action::Fail(Errno::NOSPC)];
    meet_operations(|nth| actions[(nth / step()) as usize % actions.len()]);
}

pub(crate) fn every_operation_can_be_the_last() {
    meet_operations(|_| Action::Kill);
}

/// Lets one operation after another fail in a repository of its own, until there is none that has not been met.
fn meet_operations(action: impl Fn(u64) -> Action) {
    for nth in (1 + seed() % step()..).step_by(usize::try_from(step()).unwrap()) {
        let folder = temporary_folder();
        make(folder.path());
        let session = Session::recording(folder.path()).unwrap();
        let fault = Fault { classes: CHANGES.to_vec(), nth, action: action(nth), is_sticky: false };
        session.control().arm(&fault).unwrap();
        let mut workload = this_test("general_run");
        workload.stdout(std::process::Stdio::null());
        let status = session.run(&mut workload).unwrap();
        let was_met = session.control().spoilt().unwrap() > 0;
        assert!(status.success() || fault.action == Action::Kill, "{fault:?}: {status}");
        session.control().disarm().unwrap();
        let trace = session.trace().unwrap();
        let said = trace.marks_before(trace.operations.len());
        check(folder.path(), &said, &format!("seed {}, {fault:?}", seed()));
        if !was_met {
            assert!(nth > 100, "only {nth} operations were met");
            return;
        }
    }
}
