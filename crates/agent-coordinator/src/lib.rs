//! Who does what: leases, assignment, retries and recovery. A pure engine and one driver around it.
