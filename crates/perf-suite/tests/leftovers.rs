//! A scenario leaves no thread, task, file or memory behind. A program of its own with one test, so that nothing else comes and goes.
#![cfg(target_os = "linux")]

use std::time::Duration;

use perf_suite::{Guard, Profile, Recorder, Scenario, scenarios};

#[test]
fn scenarios_leave_nothing_behind() {
    let measured: [&dyn Scenario; 4] = [
        &scenarios::Coordination,
        &scenarios::Transitions,
        &scenarios::FileOperations,
        &scenarios::Evaluation,
    ];
    let run = |scenario: &dyn Scenario| {
        scenario.run(Profile::Smoke, &mut Recorder::new(Duration::from_secs(60))).unwrap();
    };
    for scenario in measured {
        // The first run fills what is kept for the whole process, such as thread-local buffers.
        run(scenario);
        let guard = Guard::begin().within(Duration::from_secs(60)).memory_below(64 << 20);
        run(scenario);
        let kept = guard.no_new_threads().no_new_files().check();
        assert_eq!(kept, Ok(()), "{}", scenario.id());
    }
}
