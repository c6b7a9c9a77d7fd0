//! The figures that SciPy computed, for the tests of the methods.

use serde_json::Value;

/// Returns the cases of a kind; there is at least one.
pub(super) fn cases(kind: &str) -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("../../tests/golden-stats.json")).unwrap();
    let all = golden["cases"].as_array().unwrap();
    let cases: Vec<_> = all.iter().filter(|case| case["kind"] == kind).cloned().collect();
    assert!(!cases.is_empty(), "no case of {kind}");
    cases
}

/// Returns the numbers of a list.
pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// Asserts that two numbers agree to nine digits or so.
pub(super) fn assert_close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    let tolerance = 1e-9 * expected.abs().max(1e-3);
    assert!((found - expected).abs() <= tolerance, "{what}: {found} is not {expected}");
}
