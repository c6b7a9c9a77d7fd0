//! Commits, merges and landing on branches, written straight into the object database. Knows nothing of tasks.
