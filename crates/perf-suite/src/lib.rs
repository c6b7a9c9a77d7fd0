//! Measuring: scenarios, statistics and claims over the real implementations.
