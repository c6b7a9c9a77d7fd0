//! The facade for embedders and the command line.
