//! The durable log and, on it, the states of tasks: the transition table, the events, the fold.
