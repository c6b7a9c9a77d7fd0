//! Stands between a program and the C library, for tests: records and fails what is done to the files below one folder.
//!
//! It is preloaded (`LD_PRELOAD`) into a program and defines the functions of the C library that open, write, flush,
//! cut, name and remove files, under their own names; so Rust's standard library, SQLite and libgit2, which are
//! linked into the program, call it without knowing. What is not below the folder that `FAULT_SHIM_ROOT` names goes to
//! the kernel as it is. The package `faults` builds it, starts programs under it and reads what it tells.
//!
//! # What it rests on
//! - Everything that it interposes it does by system calls of its own, so it never calls itself.
//! - Which file a descriptor stands for is asked of the kernel each time. There is no table of descriptors that
//!   duplicates, inheritance or a missed `close` could spoil; `close` changes nothing on a disk and is left alone.
//! - While a trace is written, an operation and its record are one step under a lock, so that the order of the
//!   records is the order of the operations of the process. Several processes may append to one trace; between them
//!   the order is that in which operations ended.
//! - What a program does through `FILE *` or a writable mapping cannot be seen. A mapping is recorded, and makes the
//!   trace unusable, unless the file's name ends with `-shm`: SQLite's index of its log, which is made anew after a
//!   crash. `copy_file_range` and `sendfile` say that they are not there; whoever uses them then writes.
//! - `open` and `openat` are variadic in C. On the 64-bit machines that Linux runs on, their third and fourth
//!   arguments arrive as those of a plain function do.
//!
//! # Safety
//! The exported functions have the contracts of the C functions whose names they bear: pointers are valid for what
//! those say. Nothing else of the workspace is unsafe.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("the fault shim speaks to 64-bit Linux");

mod control;
mod interposed;
mod kernel;
mod place;
mod state;
#[path = "../../faults/src/wire.rs"]
pub mod wire;
