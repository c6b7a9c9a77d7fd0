//! Statistics, one method a file, each with its source.
//!
//! Timings are skewed and have outliers, so a series is told by its median and by an interval that assumes nothing of
//! the distribution; two are compared by ranks. Methods that resample take their chance as an argument, so that the same
//! figures always give the same answer. What can be is checked against figures that SciPy computed.

mod adjust;
mod bootstrap;
mod change_points;
mod hodges_lehmann;
mod least_squares;
mod mann_kendall;
mod mann_whitney;
mod median;
mod median_interval;
mod normal;
mod quantile;
mod rank;
mod sample;
mod scalability;
mod superiority;
mod theil_sen;
mod wilcoxon;

#[cfg(test)]
mod golden;

pub use adjust::{benjamini_hochberg, holm};
pub use bootstrap::bootstrap_interval;
pub use change_points::{ChangePoint, change_points};
pub use hodges_lehmann::{paired_shift, shift};
pub use least_squares::{Line, least_squares};
pub use mann_kendall::{Trend, mann_kendall};
pub use mann_whitney::{RankSum, mann_whitney};
pub use median::median;
pub use median_interval::{Interval, median_interval, quantile_interval};
pub use normal::{normal_cdf, normal_quantile};
pub use quantile::quantile;
pub use sample::Sample;
pub use scalability::{Scalability, fit_scalability};
pub use superiority::probability_of_superiority;
pub use theil_sen::{RobustLine, theil_sen};
pub use wilcoxon::{SignedRank, least_possible_p, wilcoxon};
