//! Whether one build is slower than another.
//!
//! [`Pairs`] are the strong evidence: both builds measured in turn, A B B A, so that a busy moment strikes both, and judged
//! by the ratio within each pair. Two stored reports ([`compare_reports`]) are the weak one: they were measured at different
//! times, and the machine's mood is part of the difference. Either way there are three answers: it *passes*, proven; it is
//! a *regression*, proven; or the figures do not tell, and then what they would have told is said.

mod judgement;
mod pairs;
mod programs;
mod stored;

pub use judgement::{Comparison, Finding, Judgement, Rules, Severity};
pub use pairs::{Measurement, Pairs};
pub use programs::{ProgramsError, instruction_counts, measure_programs};
pub use stored::compare_reports;
