//! The control page from the side of tests: what was done, and what is to fail.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub use rustix::io::Errno;

use crate::wire::{ActionCode, CONTROL_BYTES, Class, Slot};

/// Which operations fail, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The classes that are met; the others are left alone.
    pub classes: Vec<Class>,
    /// Which operation of these is the first to fail, counted from 1 after arming.
    pub nth: u64,
    /// How it fails.
    pub action: Action,
    /// Whether all later ones fail too, until the fault is disarmed.
    pub is_sticky: bool,
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is not done and fails with that error.
    Fail(Errno),
    /// A write does its first half and says so; what is no write is done.
    Short,
    /// A write does its first half and fails with that error; what is no write is not done and fails with it.
    Torn(Errno),
    /// The process is killed (SIGKILL) instead.
    Kill,
}

/// The control page of a session, from outside the program or from within.
#[derive(Debug)]
pub struct Control(File);

impl Control {
    /// Makes a page in which nothing has happened and nothing is armed.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        file.write_all_at(&[0; CONTROL_BYTES], 0)?;
        Ok(Self(file))
    }

    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        File::options().read(true).write(true).open(path).map(Self)
    }

    /// Lets operations fail from now on; forgets what an earlier fault has met.
    pub fn arm(&self, fault: &Fault) -> io::Result<()> {
        self.disarm()?;
        let (code, error) = match fault.action {
            Action::Fail(error) => (ActionCode::Fail, error.raw_os_error()),
            Action::Short => (ActionCode::Short, 0),
            Action::Torn(error) => (ActionCode::Torn, error.raw_os_error()),
            Action::Kill => (ActionCode::Kill, 0),
        };
        self.set(Slot::Met, 0)?;
        self.set(Slot::Spoilt, 0)?;
        self.set(Slot::Nth, fault.nth)?;
        self.set(Slot::Action, code as u64)?;
        self.set(Slot::Error, error as u64)?;
        self.set(Slot::IsSticky, u64::from(fault.is_sticky))?;
        // Last, because with it the fault is armed.
        self.set(Slot::Classes, fault.classes.iter().fold(0, |mask, class| mask | 1 << *class as u64))
    }

    /// Lets everything succeed again.
    pub fn disarm(&self) -> io::Result<()> {
        self.set(Slot::Classes, 0)
    }

    /// Returns how many operations the fault that was armed last has spoilt.
    pub fn spoilt(&self) -> io::Result<u64> {
        self.get(Slot::Spoilt as usize)
    }

    /// Returns how many operations of a class there have been, failed ones among them.
    pub fn count(&self, class: Class) -> io::Result<u64> {
        self.get(Slot::Counts as usize + class as usize)
    }

    fn get(&self, slot: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 8 * slot as u64)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn set(&self, slot: Slot, value: u64) -> io::Result<()> {
        self.0.write_all_at(&value.to_ne_bytes(), 8 * slot as u64)
    }
}
