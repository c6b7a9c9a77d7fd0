//! The functions that take the place of the C library's.
//!
//! Each asks whether it acts below the root; if so it counts, fails where it is told to, does the work and records it.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use libc::{AT_FDCWD, iovec, mode_t, off_t, size_t, ssize_t};

use crate::control::Fault;
use crate::kernel;
use crate::place::Opened;
use crate::state::{State, active};
use crate::wire::{Class, RecordKind};

/// Defines functions of the C library, each under all the names that it has. In an `unsafe` one the caller keeps the
/// contract of the C function of its name; a `safe` one has no pointers.
macro_rules! interpose {
    ($($kind:tt fn $($name:ident),+ ($($parameter:ident: $type:ty),*) -> $answer:ty $body:block)+) => {
        $(interpose!(@each $kind [$($name)+] ($($parameter: $type),*) -> $answer $body);)+
    };
    (@each $kind:tt [$($name:ident)+] $parameters:tt -> $answer:ty $body:block) => {
        $(interpose!(@one $kind $name $parameters -> $answer $body);)+
    };
    (@one unsafe $name:ident ($($parameter:ident: $type:ty),*) -> $answer:ty $body:block) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($parameter: $type),*) -> $answer {
            // SAFETY: the caller keeps the contract of the C function of this name.
            unsafe { $body }
        }
    };
    (@one safe $name:ident ($($parameter:ident: $type:ty),*) -> $answer:ty $body:block) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name($($parameter: $type),*) -> $answer $body
    };
}

interpose! {
    unsafe fn open, open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        open_at(AT_FDCWD, path, flags, mode)
    }
    unsafe fn openat, openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        open_at(folder, path, flags, mode)
    }
    unsafe fn __open_2, __open64_2(path: *const c_char, flags: c_int) -> c_int {
        open_at(AT_FDCWD, path, flags, 0)
    }
    unsafe fn __openat_2, __openat64_2(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
        open_at(folder, path, flags, 0)
    }
    unsafe fn creat, creat64(path: *const c_char, mode: mode_t) -> c_int {
        open_at(AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode)
    }

    unsafe fn read(descriptor: c_int, buffer: *mut c_void, length: size_t) -> ssize_t {
        if fails_to_read(descriptor) { -1 } else { kernel::read(descriptor, buffer, length) }
    }
    unsafe fn pread, pread64(descriptor: c_int, buffer: *mut c_void, length: size_t, at: off_t) -> ssize_t {
        if fails_to_read(descriptor) { -1 } else { kernel::pread(descriptor, buffer, length, at) }
    }
    unsafe fn readv(descriptor: c_int, pieces: *const iovec, count: c_int) -> ssize_t {
        if fails_to_read(descriptor) { -1 } else { kernel::readv(descriptor, pieces, count) }
    }

    unsafe fn write(descriptor: c_int, bytes: *const c_void, length: size_t) -> ssize_t {
        match below_root(descriptor) {
            None => kernel::write(descriptor, bytes, length),
            Some((state, file)) => {
                let bytes = std::slice::from_raw_parts(bytes.cast(), length);
                write_to(state, &file, descriptor, bytes, None)
            }
        }
    }
    unsafe fn pwrite, pwrite64(descriptor: c_int, bytes: *const c_void, length: size_t, at: off_t) -> ssize_t {
        match below_root(descriptor) {
            None => kernel::pwrite(descriptor, bytes, length, at),
            Some((state, file)) => {
                let bytes = std::slice::from_raw_parts(bytes.cast(), length);
                write_to(state, &file, descriptor, bytes, Some(at))
            }
        }
    }
    unsafe fn writev(descriptor: c_int, pieces: *const iovec, count: c_int) -> ssize_t {
        let bytes = joined(pieces, count);
        match below_root(descriptor) {
            None => kernel::write(descriptor, bytes.as_ptr().cast(), bytes.len()),
            Some((state, file)) => write_to(state, &file, descriptor, &bytes, None),
        }
    }
    unsafe fn pwritev, pwritev64(descriptor: c_int, pieces: *const iovec, count: c_int, at: off_t) -> ssize_t {
        let bytes = joined(pieces, count);
        match below_root(descriptor) {
            None => kernel::pwrite(descriptor, bytes.as_ptr().cast(), bytes.len(), at),
            Some((state, file)) => write_to(state, &file, descriptor, &bytes, Some(at)),
        }
    }

    safe fn fsync(descriptor: c_int) -> c_int {
        flush(descriptor, kernel::fsync)
    }
    safe fn fdatasync(descriptor: c_int) -> c_int {
        flush(descriptor, kernel::fdatasync)
    }

    safe fn ftruncate, ftruncate64(descriptor: c_int, length: off_t) -> c_int {
        set_length(descriptor, length)
    }
    unsafe fn truncate, truncate64(path: *const c_char, length: off_t) -> c_int {
        let opened = kernel::open(AT_FDCWD, path, libc::O_WRONLY | libc::O_CLOEXEC, 0);
        if opened < 0 {
            return -1;
        }
        let answer = set_length(opened, length);
        let error = kernel::error();
        kernel::close(opened);
        kernel::set_error(error);
        answer
    }
    safe fn fallocate, fallocate64(descriptor: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
        allocate(descriptor, mode, offset, length)
    }
    safe fn posix_fallocate, posix_fallocate64(descriptor: c_int, offset: off_t, length: off_t) -> c_int {
        // Unlike the others it answers with the error itself.
        if allocate(descriptor, 0, offset, length) == 0 { 0 } else { kernel::error() }
    }

    unsafe fn rename(from: *const c_char, to: *const c_char) -> c_int {
        rename_at(AT_FDCWD, from, AT_FDCWD, to, 0)
    }
    unsafe fn renameat(from_folder: c_int, from: *const c_char, to_folder: c_int, to: *const c_char) -> c_int {
        rename_at(from_folder, from, to_folder, to, 0)
    }
    unsafe fn renameat2(
        from_folder: c_int, from: *const c_char, to_folder: c_int, to: *const c_char, flags: c_uint
    ) -> c_int {
        rename_at(from_folder, from, to_folder, to, flags)
    }
    unsafe fn link(from: *const c_char, to: *const c_char) -> c_int {
        link_at(AT_FDCWD, from, AT_FDCWD, to, 0)
    }
    unsafe fn linkat(
        from_folder: c_int, from: *const c_char, to_folder: c_int, to: *const c_char, flags: c_int
    ) -> c_int {
        link_at(from_folder, from, to_folder, to, flags)
    }
    unsafe fn unlink(path: *const c_char) -> c_int {
        unlink_at(AT_FDCWD, path, 0)
    }
    unsafe fn rmdir(path: *const c_char) -> c_int {
        unlink_at(AT_FDCWD, path, libc::AT_REMOVEDIR)
    }
    unsafe fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
        unlink_at(folder, path, flags)
    }
    unsafe fn remove(path: *const c_char) -> c_int {
        match unlink_at(AT_FDCWD, path, 0) {
            -1 if kernel::error() == libc::EISDIR => unlink_at(AT_FDCWD, path, libc::AT_REMOVEDIR),
            answer => answer,
        }
    }
    unsafe fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
        make_folder_at(AT_FDCWD, path, mode)
    }
    unsafe fn mkdirat(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
        make_folder_at(folder, path, mode)
    }
    unsafe fn symlink(target: *const c_char, path: *const c_char) -> c_int {
        symlink_at(target, AT_FDCWD, path)
    }
    unsafe fn symlinkat(target: *const c_char, folder: c_int, path: *const c_char) -> c_int {
        symlink_at(target, folder, path)
    }

    unsafe fn mmap, mmap64(
        address: *mut c_void, length: size_t, protection: c_int, flags: c_int, descriptor: c_int, offset: off_t
    ) -> *mut c_void {
        let changes_file = protection & libc::PROT_WRITE != 0 && flags & libc::MAP_SHARED != 0;
        if changes_file
            && let Some((state, file)) = below_root(descriptor)
            && !file.path.ends_with(b"-shm")
        {
            state.record(RecordKind::Mapped, file.inode, 0, &file.path, &[]);
        }
        kernel::mmap(address, length, protection, flags, descriptor, offset)
    }
    unsafe fn copy_file_range(
        from: c_int, from_offset: *mut off_t, to: c_int, to_offset: *mut off_t, length: size_t, flags: c_uint
    ) -> ssize_t {
        if below_root(to).is_some() {
            return fail(libc::ENOSYS) as ssize_t;
        }
        kernel::copy_file_range(from, from_offset, to, to_offset, length, flags)
    }
    unsafe fn sendfile, sendfile64(to: c_int, from: c_int, offset: *mut off_t, length: size_t) -> ssize_t {
        if below_root(to).is_some() {
            return fail(libc::EINVAL) as ssize_t;
        }
        kernel::sendfile(to, from, offset, length)
    }
}

fn fail(error: c_int) -> c_int {
    kernel::set_error(error);
    -1
}

/// Counts an operation that is done or not; returns its error where it is not to be done.
fn refusal(state: &State, class: Class) -> Option<c_int> {
    match state.meet(class)? {
        Fault::Fail(error) | Fault::Torn(error) => Some(error),
        // Half of a name or a flush is none.
        Fault::Short => None,
    }
}

fn below_root(descriptor: c_int) -> Option<(&'static State, Opened)> {
    let state = active()?;
    state.root.opened(descriptor).map(|file| (state, file))
}

unsafe fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let is_writing =
        flags & libc::O_ACCMODE != libc::O_RDONLY || flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
    // SAFETY: the caller keeps the contract of `openat`.
    let named = || unsafe { active().and_then(|state| Some((state, state.root.named(folder, path)?))) };
    let Some((state, name)) = is_writing.then(named).flatten() else {
        // SAFETY: as above.
        return unsafe { kernel::open(folder, path, flags, mode) };
    };
    if let Some(error) = refusal(state, Class::Open) {
        return fail(error);
    }
    let _order = state.order();
    // SAFETY: as above.
    let (opened, is_new) = unsafe { open_or_make(folder, path, flags, mode) };
    if opened < 0 {
        return -1;
    }
    let inode = kernel::status_of(opened).map_or(0, |status| status.st_ino);
    if is_new {
        state.record(RecordKind::Create, inode, 0, &name, &[]);
    } else if flags & libc::O_TRUNC != 0 {
        state.record(RecordKind::Truncate, inode, 0, &name, &[]);
    }
    opened
}

/// Opens, and tells whether the file was made; whether it was there is seen by asking for one thing, then the other.
unsafe fn open_or_make(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> (c_int, bool) {
    if flags & libc::O_CREAT == 0 || flags & libc::O_EXCL != 0 {
        // SAFETY: the caller keeps the contract of `openat`.
        return (unsafe { kernel::open(folder, path, flags, mode) }, flags & libc::O_CREAT != 0);
    }
    loop {
        // SAFETY: as above.
        let opened = unsafe { kernel::open(folder, path, flags & !libc::O_CREAT, mode) };
        if opened >= 0 || kernel::error() != libc::ENOENT {
            return (opened, false);
        }
        // SAFETY: as above.
        let made = unsafe { kernel::open(folder, path, flags | libc::O_EXCL, mode) };
        if made >= 0 || kernel::error() != libc::EEXIST {
            return (made, true);
        }
    }
}

fn fails_to_read(descriptor: c_int) -> bool {
    let Some((state, _)) = below_root(descriptor) else { return false };
    match state.meet(Class::Read) {
        Some(Fault::Fail(error) | Fault::Torn(error)) => {
            kernel::set_error(error);
            true
        }
        Some(Fault::Short) | None => false,
    }
}

/// Returns the bytes of all pieces one after the other.
unsafe fn joined(pieces: *const iovec, count: c_int) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: the caller keeps the contract of `writev`.
        unsafe {
            let piece = &*pieces.add(number);
            bytes.extend_from_slice(std::slice::from_raw_parts(piece.iov_base.cast::<u8>(), piece.iov_len));
        }
    }
    bytes
}

fn write_to(state: &State, file: &Opened, descriptor: c_int, bytes: &[u8], at: Option<off_t>) -> ssize_t {
    let half = bytes.len().div_ceil(2);
    let (length, error) = match state.meet(Class::Write) {
        None => (bytes.len(), None),
        Some(Fault::Fail(error)) => return fail(error) as ssize_t,
        Some(Fault::Short) => (half, None),
        Some(Fault::Torn(error)) => (half, Some(error)),
    };
    let _order = state.order();
    // SAFETY: the bytes are there.
    let written = unsafe {
        match at {
            Some(at) => kernel::pwrite(descriptor, bytes.as_ptr().cast(), length, at),
            None => kernel::write(descriptor, bytes.as_ptr().cast(), length),
        }
    };
    let Ok(count) = usize::try_from(written) else { return written };
    let offset = at.unwrap_or_else(|| kernel::offset_of(descriptor) - written as off_t);
    state.record(RecordKind::Write, file.inode, offset as u64, &file.path, &bytes[..count]);
    if kernel::flushes_every_write(descriptor) {
        state.record(RecordKind::Sync, file.inode, 0, &file.path, &[]);
    }
    error.map_or(written, |error| fail(error) as ssize_t)
}

fn flush(descriptor: c_int, kernel_flush: fn(c_int) -> c_int) -> c_int {
    let Some((state, file)) = below_root(descriptor) else { return kernel_flush(descriptor) };
    let refusal = refusal(state, Class::Sync);
    let _order = state.order();
    if let Some(error) = refusal {
        state.record(RecordKind::FailedSync, file.inode, 0, &file.path, &[]);
        return fail(error);
    }
    // What is durable is decided by the trace. Where one is written nothing is gained by waiting for the real disk.
    let answer = if state.is_recording() { 0 } else { kernel_flush(descriptor) };
    if answer == 0 {
        state.record(RecordKind::Sync, file.inode, 0, &file.path, &[]);
    }
    answer
}

fn set_length(descriptor: c_int, length: off_t) -> c_int {
    let Some((state, file)) = below_root(descriptor) else { return kernel::ftruncate(descriptor, length) };
    if let Some(error) = refusal(state, Class::Truncate) {
        return fail(error);
    }
    let _order = state.order();
    let answer = kernel::ftruncate(descriptor, length);
    if answer == 0 {
        state.record(RecordKind::Truncate, file.inode, length as u64, &file.path, &[]);
    }
    answer
}

fn allocate(descriptor: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    let Some((state, file)) = below_root(descriptor) else {
        return kernel::fallocate(descriptor, mode, offset, length);
    };
    if let Some(error) = refusal(state, Class::Truncate) {
        return fail(error);
    }
    if mode != 0 {
        return fail(libc::EOPNOTSUPP);
    }
    let _order = state.order();
    let answer = kernel::fallocate(descriptor, mode, offset, length);
    if answer == 0 && offset + length > file.length {
        state.record(RecordKind::Truncate, file.inode, (offset + length) as u64, &file.path, &[]);
    }
    answer
}

unsafe fn rename_at(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    // SAFETY: the caller keeps the contract of `renameat2`.
    let work = || unsafe { kernel::rename(from_folder, from, to_folder, to, flags) };
    // SAFETY: as above.
    let places = unsafe { both_places(from_folder, from, to_folder, to) };
    let Some((state, [from, to])) = places else { return work() };
    if let Some(error) = refusal(state, Class::Name) {
        return fail(error);
    }
    if flags & !libc::RENAME_NOREPLACE != 0 {
        return fail(libc::EINVAL);
    }
    let _order = state.order();
    let answer = work();
    if answer == 0 {
        state.record(RecordKind::Rename, 0, 0, &from, &to);
    }
    answer
}

unsafe fn link_at(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller keeps the contract of `linkat`.
    let work = || unsafe { kernel::link(from_folder, from, to_folder, to, flags) };
    // SAFETY: as above.
    let places = unsafe { both_places(from_folder, from, to_folder, to) };
    let Some((state, [from, to])) = places else { return work() };
    if let Some(error) = refusal(state, Class::Name) {
        return fail(error);
    }
    let _order = state.order();
    let answer = work();
    if answer == 0 {
        state.record(RecordKind::Link, 0, 0, &from, &to);
    }
    answer
}

/// Returns both paths from the root, where either lies below it. What comes from or goes outside is refused by a
/// record that no trace can be read with: a harness that lets files cross its border would lose sight of them.
unsafe fn both_places(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
) -> Option<(&'static State, [Vec<u8>; 2])> {
    let state = active()?;
    // SAFETY: the caller's names end with zeros.
    let places = unsafe { (state.root.named(from_folder, from), state.root.named(to_folder, to)) };
    match places {
        (None, None) => None,
        (from, to) => Some((state, [from.unwrap_or_default(), to.unwrap_or_default()])),
    }
}

unsafe fn unlink_at(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the caller keeps the contract of `unlinkat`.
    let work = || unsafe { kernel::unlink(folder, path, flags) };
    let kind = if flags & libc::AT_REMOVEDIR == 0 { RecordKind::Unlink } else { RecordKind::RemoveFolder };
    // SAFETY: as above.
    unsafe { change_name(folder, path, work, |state, name| state.record(kind, 0, 0, name, &[])) }
}

unsafe fn make_folder_at(folder: c_int, path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller keeps the contract of `mkdirat`.
    let work = || unsafe { kernel::mkdir(folder, path, mode) };
    // SAFETY: as above.
    unsafe {
        change_name(folder, path, work, |state, name| {
            let opened = kernel::open(folder, path, libc::O_PATH | libc::O_CLOEXEC, 0);
            let inode = kernel::status_of(opened).map_or(0, |status| status.st_ino);
            kernel::close(opened);
            state.record(RecordKind::MakeFolder, inode, 0, name, &[]);
        })
    }
}

unsafe fn symlink_at(target: *const c_char, folder: c_int, path: *const c_char) -> c_int {
    // SAFETY: the caller keeps the contract of `symlinkat`.
    let work = || unsafe { kernel::symlink(target, folder, path) };
    // SAFETY: as above.
    unsafe {
        change_name(folder, path, work, |state, name| {
            state.record(RecordKind::Symlink, 0, 0, name, CStr::from_ptr(target).to_bytes());
        })
    }
}

/// Does what concerns one name; counts, fails and records it where that lies below the root.
unsafe fn change_name(
    folder: c_int,
    path: *const c_char,
    work: impl FnOnce() -> c_int,
    record: impl FnOnce(&State, &[u8]),
) -> c_int {
    // SAFETY: the caller's name ends with a zero.
    let named = unsafe { active().and_then(|state| Some((state, state.root.named(folder, path)?))) };
    let Some((state, name)) = named else { return work() };
    if let Some(error) = refusal(state, Class::Name) {
        return fail(error);
    }
    let _order = state.order();
    let answer = work();
    if answer == 0 {
        record(state, &name);
    }
    answer
}
