//! Failing files for tests: programs under the fault shim, their traces, and the disks that a crash could leave behind.
//!
//! A test starts a workload, which is mostly itself ([`this_test`]), in a [`Session`]: under the preloaded shim, which
//! acts on the files below one folder and on no others. Then, of three things, one or more:
//!
//! - **Count.** [`Control::count`] says how many operations of each [`Class`] there were.
//! - **Fail.** [`Control::arm`] lets the n-th operation of some classes fail, once or from then on, for the whole run or,
//!   from within the workload, for a part of it.
//! - **Record.** A session with a trace has every change in order, with its bytes, and what the workload said in
//!   between ([`mark`]), such as what it acknowledged. [`CrashPoints`] goes through that [`Trace`]: after each
//!   operation it builds disks that a power cut at that moment could leave, each an [`Image`] to be written to a
//!   folder, opened and checked.
//!
//! # What may be on the disk after a crash
//! - Bytes of a file that was flushed since they were written are there.
//! - Of other writes and cuts, each is there, or not, or, a write, there in part: some of its sectors of 512 bytes or
//!   pages of 4 KiB. They are independent of each other: a later one can be there without an earlier one.
//! - Bytes that were to be flushed by a flush that failed are never sure again, even if a later flush succeeds: Linux
//!   counts such pages as clean (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
//!   Names are tried again.
//! - A name that was made, changed or removed is sure once its folder was flushed ([`Names::Strict`]); until then each
//!   change is there or not, independent of others, each as a whole. A rename counts to the folder it goes to.
//!   With [`Names::DurableAtOnce`] names are sure without that.
//! - A flush of a file makes no name of it sure.
//!
//! # Example
//! ```no_run
//! # use faults::{CrashPoints, Disk, Names, Session};
//! # fn workload(folder: &std::path::Path) {}
//! # fn check(folder: &std::path::Path, acknowledged: &[&[u8]]) {}
//! if let Some(folder) = faults::workload_folder() {
//!     return workload(&folder); // calls faults::mark(b"...") after each thing that it promises
//! }
//! let folder = tempfile::tempdir().unwrap();
//! let before = Disk::capture(folder.path()).unwrap();
//! let session = Session::recording(folder.path()).unwrap();
//! let mut child = faults::this_test("the_name_of_this_test");
//! assert!(session.run(&mut child).unwrap().success());
//! let trace = session.trace().unwrap();
//! for point in CrashPoints::new(before, &trace, Names::Strict, 1) {
//!     let point = point.unwrap();
//!     let image = tempfile::tempdir().unwrap();
//!     point.image.write_to(image.path()).unwrap();
//!     check(image.path(), &trace.marks_before(point.operations));
//! }
//! ```

mod control;
mod crash_points;
mod disk;
mod image;
mod session;
mod shim;
mod trace;
pub mod wire;
mod workload;

pub use control::{Action, Control, Errno, Fault};
pub use crash_points::{CrashPoint, CrashPoints};
pub use disk::{Disk, Names, UnknownFile};
pub use image::{Image, Node, Survival};
pub use session::{Session, temporary_folder};
pub use trace::{Operation, Trace, TraceError};
pub use wire::Class;
pub use workload::{control_of_this_process, mark, this_test, workload_folder};
