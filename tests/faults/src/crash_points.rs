//! Every moment of a trace at which the power can fail.

use std::fmt;

use planner_core::random::Random;

use crate::disk::{Disk, Names, UnknownFile};
use crate::image::{Image, Survival};
use crate::trace::{Operation, Trace};

/// Goes through a trace and builds disks that a crash could leave, several after each operation.
///
/// What the workload says changes no disk, so there is no point between an operation and the marks right after it: those
/// count as said. Which images come is decided by the seed, the operation and the number of the image alone.
#[derive(Debug, Clone)]
pub struct CrashPoints<'a> {
    disk: Disk,
    operations: &'a [Operation],
    names: Names,
    seed: u64,
    images_each: usize,
    share: (usize, usize),
    /// How many operations have been done, and how many images of that moment have been given out.
    at: (usize, usize),
}

/// One disk that one crash could leave.
#[derive(Debug, Clone)]
pub struct CrashPoint {
    /// How many operations had been done.
    pub operations: usize,
    /// Which of the images of that moment it is.
    pub number: usize,
    /// How much of what was not flushed it has.
    pub survival: Survival,
    /// The disk.
    pub image: Image,
}

impl<'a> CrashPoints<'a> {
    /// Returns the points of a trace that began with `before`: four images at each.
    pub fn new(before: Disk, trace: &'a Trace, names: Names, seed: u64) -> Self {
        let operations = trace.operations.as_slice();
        Self { disk: before, operations, names, seed, images_each: 4, share: (0, 1), at: (0, 0) }
    }

    /// Sets how many images there are at each moment. Of three and more, the first has nothing that was not flushed
    /// and the second all of it; the others are left to chance.
    #[must_use]
    pub fn images_each(self, images: usize) -> Self {
        Self { images_each: images, ..self }
    }

    /// Leaves out all but the `index`-th of every `of` moments, so that several threads can share the work.
    #[must_use]
    pub fn share(self, index: usize, of: usize) -> Self {
        Self { share: (index, of), ..self }
    }

    /// Returns whether the present moment is one to crash at.
    fn is_point(&self) -> bool {
        let (done, _) = self.at;
        !matches!(self.operations.get(done), Some(Operation::Mark(_))) && done % self.share.1 == self.share.0
    }
}

impl Iterator for CrashPoints<'_> {
    type Item = Result<CrashPoint, UnknownFile>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_point() || self.at.1 == self.images_each {
            let operation = self.operations.get(self.at.0)?;
            if let Err(unknown) = self.disk.apply(operation, self.names) {
                self.operations = &[];
                return Some(Err(unknown));
            }
            self.at = (self.at.0 + 1, 0);
        }
        let (operations, number) = self.at;
        self.at.1 += 1;
        let survival = match number {
            0 if self.images_each >= 3 => Survival::Least,
            1 if self.images_each >= 3 => Survival::Most,
            _ => Survival::Random,
        };
        let mut random = Random::of([self.seed, operations as u64, number as u64]);
        let image = self.disk.image(survival, &mut random);
        Some(Ok(CrashPoint { operations, number, survival, image }))
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image {} ({:?}) after operation {}", self.number, self.survival, self.operations)
    }
}
