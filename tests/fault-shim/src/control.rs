//! The control page: counters, and the fault that is armed. All processes under the shim share it.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::kernel;
use crate::wire::{ActionCode, CONTROL_BYTES, Class, Slot};

const SLOTS: usize = CONTROL_BYTES / 8;

/// What is to happen to an operation instead of its being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails with that error.
    Fail(c_int),
    /// Half of it is done and answered.
    Short,
    /// Half of it is done, and it fails with that error.
    Torn(c_int),
}

/// The page, mapped.
pub(crate) struct Control(&'static [AtomicU64; SLOTS]);

impl Control {
    /// Maps the page that a file holds.
    pub(crate) fn map(descriptor: c_int) -> Option<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new shared mapping of a whole file at a place of the kernel's choice; it stays until the end.
        let page = unsafe {
            kernel::mmap(
                std::ptr::null_mut::<c_void>(),
                CONTROL_BYTES,
                protection,
                libc::MAP_SHARED,
                descriptor,
                0,
            )
        };
        // SAFETY: mappings begin at pages, so numbers in them are aligned; every bit pattern is a number.
        (page != libc::MAP_FAILED).then(|| Self(unsafe { &*page.cast::<[AtomicU64; SLOTS]>() }))
    }

    /// Counts an operation, and returns what the armed fault does to it; does not return where it kills.
    pub(crate) fn meet(&self, class: Class) -> Option<Fault> {
        self.0[Slot::Counts as usize + class as usize].fetch_add(1, Ordering::SeqCst);
        if self.get(Slot::Classes) & (1 << class as u64) == 0 {
            return None;
        }
        let met = self.0[Slot::Met as usize].fetch_add(1, Ordering::SeqCst) + 1;
        let nth = self.get(Slot::Nth);
        let is_spoilt = met == nth || (met > nth && self.get(Slot::IsSticky) != 0);
        if !is_spoilt {
            return None;
        }
        self.0[Slot::Spoilt as usize].fetch_add(1, Ordering::SeqCst);
        let error = self.get(Slot::Error) as c_int;
        match self.get(Slot::Action) {
            code if code == ActionCode::Short as u64 => Some(Fault::Short),
            code if code == ActionCode::Torn as u64 => Some(Fault::Torn(error)),
            code if code == ActionCode::Kill as u64 => kernel::kill_this_process(),
            _ => Some(Fault::Fail(error)),
        }
    }

    fn get(&self, slot: Slot) -> u64 {
        self.0[slot as usize].load(Ordering::SeqCst)
    }
}
