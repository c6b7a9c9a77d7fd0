//! What is left behind is found exactly. A program of its own with one test, so that nothing else comes and goes.
#![cfg(target_os = "linux")]

use std::sync::mpsc;
use std::time::Duration;

use perf_suite::{Broken, Guard};

#[test]
fn what_is_left_behind_is_found() {
    // Quickly, so that what is still there is not waited for.
    let guard = Guard::begin();
    let (stop, stopped) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || stopped.recv());
    assert_eq!(guard.clone().no_new_threads().check(), Err(Broken::Threads { left: 1, allowed: 0 }));
    assert_eq!(guard.clone().new_threads_up_to(1).check(), Ok(()));
    drop(stop);
    assert!(thread.join().unwrap().is_err());
    assert_eq!(guard.no_new_threads().no_new_files().check(), Ok(()));

    let guard = Guard::begin();
    let file = std::fs::File::open("/proc/self/status").unwrap();
    assert_eq!(guard.clone().no_new_files().check(), Err(Broken::Files { left: 1, allowed: 0 }));
    drop(file);
    guard
        .within(Duration::from_secs(3600))
        .memory_below(16 << 20)
        .no_new_threads()
        .no_new_files()
        .check()
        .unwrap();
}
