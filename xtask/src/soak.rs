//! The long tests, made much longer.

use crate::step::{Step, StepFailed};

const VARIABLE: &str = "SUPER_PLANNER_TEST_SCALE";
const SCALE: &str = "20";

pub(crate) fn run(arguments: &[String]) -> Result<(), StepFailed> {
    let scale = std::env::var(VARIABLE).unwrap_or_else(|_| SCALE.to_owned());
    if !is_positive_number(&scale) {
        return Err(StepFailed::Variable {
            variable: VARIABLE,
            value: scale,
            expected: "a positive number such as 20 or 0.5",
        });
    }
    Step::cargo()
        .words("test --workspace --features state-store/postgres --release --no-fail-fast")
        .arguments(arguments)
        .variable(VARIABLE, &scale)
        .variable("PROPTEST_CASES", &property_cases(&scale))
        .run()
}

/// Returns how many cases each property test runs: proptest's own 256, times the scale.
fn property_cases(scale: &str) -> String {
    let scale: f64 = scale.parse().unwrap_or(1.0);
    ((256.0 * scale) as u32).max(1).to_string()
}

fn is_positive_number(text: &str) -> bool {
    text.parse().is_ok_and(|number: f64| number.is_finite() && number > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_a_positive_number() {
        for text in ["1", "20", "0.5", SCALE] {
            assert!(is_positive_number(text), "{text}");
        }
        for text in ["", "0", "-1", "NaN", "inf", "many"] {
            assert!(!is_positive_number(text), "{text}");
        }
    }
}
