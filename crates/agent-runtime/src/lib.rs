//! What an agent is made of: the loop of model and tools, and sessions kept in the log.
