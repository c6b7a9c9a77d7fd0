//! The system calls behind the functions that are interposed, and what else is asked of the kernel.
//!
//! Calling the C library's own functions by name would lead back to this library.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};

use libc::{iovec, mode_t, off_t, size_t, ssize_t};

/// Makes a system call as the C library does: -1 and `errno` where it fails.
macro_rules! call {
    ($number:ident $(, $argument:expr)*) => {
        // SAFETY: the caller of the wrapper vouches for the pointers, as it would to the C function of this name.
        unsafe { libc::syscall(libc::$number $(, $argument)*) }
    };
}

pub(crate) unsafe fn open(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    call!(SYS_openat, folder, path, flags, mode as c_uint) as c_int
}

pub(crate) fn close(descriptor: c_int) {
    call!(SYS_close, descriptor);
}

pub(crate) unsafe fn readv(descriptor: c_int, pieces: *const iovec, count: c_int) -> ssize_t {
    call!(SYS_readv, descriptor, pieces, count) as ssize_t
}

pub(crate) unsafe fn read(descriptor: c_int, buffer: *mut c_void, length: size_t) -> ssize_t {
    call!(SYS_read, descriptor, buffer, length) as ssize_t
}

pub(crate) unsafe fn pread(descriptor: c_int, buffer: *mut c_void, length: size_t, at: off_t) -> ssize_t {
    call!(SYS_pread64, descriptor, buffer, length, at) as ssize_t
}

pub(crate) unsafe fn write(descriptor: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
    call!(SYS_write, descriptor, bytes, length) as ssize_t
}

pub(crate) unsafe fn pwrite(descriptor: c_int, bytes: *const c_void, length: size_t, at: off_t) -> ssize_t {
    call!(SYS_pwrite64, descriptor, bytes, length, at) as ssize_t
}

pub(crate) fn fsync(descriptor: c_int) -> c_int {
    call!(SYS_fsync, descriptor) as c_int
}

pub(crate) fn fdatasync(descriptor: c_int) -> c_int {
    call!(SYS_fdatasync, descriptor) as c_int
}

pub(crate) fn ftruncate(descriptor: c_int, length: off_t) -> c_int {
    call!(SYS_ftruncate, descriptor, length) as c_int
}

pub(crate) fn fallocate(descriptor: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    call!(SYS_fallocate, descriptor, mode, offset, length) as c_int
}

pub(crate) unsafe fn rename(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    call!(SYS_renameat2, from_folder, from, to_folder, to, flags) as c_int
}

pub(crate) unsafe fn link(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    call!(SYS_linkat, from_folder, from, to_folder, to, flags) as c_int
}

pub(crate) unsafe fn unlink(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    call!(SYS_unlinkat, folder, path, flags) as c_int
}

pub(crate) unsafe fn mkdir(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    call!(SYS_mkdirat, folder, path, mode as c_uint) as c_int
}

pub(crate) unsafe fn symlink(target: *const c_char, folder: c_int, path: *const c_char) -> c_int {
    call!(SYS_symlinkat, target, folder, path) as c_int
}

pub(crate) unsafe fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    descriptor: c_int,
    offset: off_t,
) -> *mut c_void {
    call!(SYS_mmap, address, length, protection, flags, descriptor, offset) as *mut c_void
}

pub(crate) unsafe fn copy_file_range(
    from: c_int,
    from_offset: *mut off_t,
    to: c_int,
    to_offset: *mut off_t,
    length: size_t,
    flags: c_uint,
) -> ssize_t {
    call!(SYS_copy_file_range, from, from_offset, to, to_offset, length, flags) as ssize_t
}

pub(crate) unsafe fn sendfile(to: c_int, from: c_int, offset: *mut off_t, length: size_t) -> ssize_t {
    call!(SYS_sendfile, to, from, offset, length) as ssize_t
}

/// Ends the process as `kill -9` does.
pub(crate) fn kill_this_process() -> ! {
    // SAFETY: neither call has a pointer.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    end_with(c"the fault shim could not kill its process")
}

/// Ends the process because the shim cannot keep its word, and says why.
pub(crate) fn end_with(reason: &CStr) -> ! {
    let text = reason.to_bytes();
    call!(SYS_write, 2 as c_int, text.as_ptr(), text.len());
    call!(SYS_write, 2 as c_int, c"\n".as_ptr(), 1 as size_t);
    call!(SYS_exit_group, 97 as c_long);
    unreachable!("the process has ended")
}

/// Returns what a descriptor is, or `None` where it is none.
pub(crate) fn status_of(descriptor: c_int) -> Option<libc::stat> {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills the whole structure where it answers 0.
    unsafe { (libc::fstat(descriptor, status.as_mut_ptr()) == 0).then(|| status.assume_init()) }
}

/// Returns where a descriptor reads and writes next.
pub(crate) fn offset_of(descriptor: c_int) -> off_t {
    // SAFETY: no pointer.
    unsafe { libc::lseek(descriptor, 0, libc::SEEK_CUR) }
}

/// Returns whether every write to a descriptor is flushed before it returns.
pub(crate) fn flushes_every_write(descriptor: c_int) -> bool {
    // SAFETY: no pointer.
    let flags = unsafe { libc::fcntl(descriptor, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_DSYNC != 0
}

/// Returns the path of what a descriptor stands for.
pub(crate) fn path_of(descriptor: c_int) -> Option<Vec<u8>> {
    let link = format!("/proc/self/fd/{descriptor}\0");
    let mut path = vec![0_u8; libc::PATH_MAX as usize];
    // SAFETY: the name ends with a zero, and the buffer is as long as is said.
    let length = unsafe { libc::readlink(link.as_ptr().cast(), path.as_mut_ptr().cast(), path.len()) };
    path.truncate(usize::try_from(length).ok()?);
    Some(path)
}

pub(crate) fn set_error(number: c_int) {
    // SAFETY: the C library's pointer to this thread's number is always valid.
    unsafe { *libc::__errno_location() = number };
}

pub(crate) fn error() -> c_int {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}
