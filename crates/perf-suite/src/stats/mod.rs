//! Statistics, one method a file, each with its source; none draws random numbers.
//!
//! Timings are skewed and have outliers, so a series is told by its median and by an interval that assumes nothing of
//! the distribution. The methods are checked against figures that SciPy computed.

mod least_squares;
mod median;
mod median_interval;
mod sample;

pub use least_squares::{Line, least_squares};
pub use median::median;
pub use median_interval::{Interval, median_interval};
pub use sample::Sample;
