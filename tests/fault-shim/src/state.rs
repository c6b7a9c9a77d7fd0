//! What the environment asks of the shim, read once when it is loaded.

use std::ffi::{CStr, CString, c_int};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::control::{Control, Fault};
use crate::kernel;
use crate::place::Root;
use crate::wire::{CONTROL_VARIABLE, Class, ROOT_VARIABLE, RecordKind, TRACE_VARIABLE, encode_record};

/// The shim at work.
pub(crate) struct State {
    pub(crate) root: Root,
    control: Control,
    trace: Option<Trace>,
}

struct Trace {
    descriptor: c_int,
    order: Mutex<()>,
}

static STATE: OnceLock<State> = OnceLock::new();

/// Runs when the library is loaded, before the program.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOADING: extern "C" fn() = load;

extern "C" fn load() {
    let Some(root) = variable(ROOT_VARIABLE) else { return };
    let Some(page) = variable(CONTROL_VARIABLE) else {
        kernel::end_with(c"the fault shim has a root and no control page")
    };
    let page = open(&page, libc::O_RDWR);
    let Some(control) = Control::map(page) else {
        kernel::end_with(c"the fault shim cannot map its control page")
    };
    kernel::close(page);
    let trace = variable(TRACE_VARIABLE).map(|path| Trace {
        descriptor: out_of_the_way(open(&path, libc::O_WRONLY | libc::O_APPEND)),
        order: Mutex::new(()),
    });
    let _ = STATE.set(State { root: Root(root.into_bytes()), control, trace });
}

/// Returns the shim, if it is at work in this process.
pub(crate) fn active() -> Option<&'static State> {
    STATE.get()
}

impl State {
    /// Counts an operation and returns what is to happen to it instead of its being done.
    pub(crate) fn meet(&self, class: Class) -> Option<Fault> {
        self.control.meet(class)
    }

    /// Returns whether a trace is written.
    pub(crate) fn is_recording(&self) -> bool {
        self.trace.is_some()
    }

    /// Keeps other threads from doing and recording operations until the answer is dropped.
    pub(crate) fn order(&self) -> Option<MutexGuard<'static, ()>> {
        let trace = active()?.trace.as_ref()?;
        Some(trace.order.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Appends a record to the trace, if one is written. Ends the process where that fails: a trace has no holes.
    pub(crate) fn record(&self, kind: RecordKind, inode: u64, offset: u64, first: &[u8], second: &[u8]) {
        let Some(trace) = &self.trace else { return };
        let error = kernel::error();
        let record = encode_record(kind, inode, offset, first, second);
        // SAFETY: the bytes are the record's.
        let written = unsafe { kernel::write(trace.descriptor, record.as_ptr().cast(), record.len()) };
        if usize::try_from(written) != Ok(record.len()) {
            kernel::end_with(c"the fault shim cannot write its trace");
        }
        kernel::set_error(error);
    }
}

fn variable(name: &str) -> Option<CString> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends with a zero; no other thread runs yet that could change the environment.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: what is not null is a text that ends with a zero.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_owned())
}

fn open(path: &CStr, flags: c_int) -> c_int {
    // SAFETY: the path ends with a zero.
    let opened = unsafe { kernel::open(libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, 0) };
    if opened < 0 {
        kernel::end_with(c"the fault shim cannot open its control page or its trace");
    }
    opened
}

/// Moves a descriptor to a number that programs do not count on.
fn out_of_the_way(descriptor: c_int) -> c_int {
    // SAFETY: no pointer.
    let moved = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 600) };
    if moved < 0 {
        return descriptor;
    }
    kernel::close(descriptor);
    moved
}
