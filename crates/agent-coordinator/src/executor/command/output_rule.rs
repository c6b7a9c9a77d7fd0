//! What the lines mean that an agent prints, as rules that are data: no tool has code of its own.
//!
//! Nothing that is printed is trusted: a line that is no JSON, that is too long, or whose numbers are none is passed over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::budget::micros;
use super::usage::Usage;

/// The longest line that is looked at.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// What a line of JSON means where each of these places holds this value. A place is a JSON pointer such as `/usage/cost`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JsonRule {
    /// Which lines.
    pub when: BTreeMap<String, Value>,
    /// Where it says how many tokens were read; several add up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens_input: Vec<String>,
    /// Where it says how many tokens were written; several add up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens_output: Vec<String>,
    /// Where it says what that cost, in dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
    /// Whether that is what came since the last such line, or all of the attempt.
    #[serde(default)]
    pub counts: Counts,
    /// That the attempt is over, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
    /// Where it says something that people want to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What a line of text means that looks like this: `{tokens_input}`, `{tokens_output}` and `{cost_usd}` stand for numbers such
/// as `1.2k`, `{skip}` for anything.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TextRule {
    /// What the line looks like, from its first word on.
    pub line: String,
    /// Whether the numbers are what came since the last such line, or all of the attempt.
    #[serde(default)]
    pub counts: Counts,
}

/// What numbers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Counts {
    /// All of the attempt so far.
    #[default]
    Total,
    /// What came since the last time.
    More,
}

/// How an agent says that it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ends {
    /// It is done.
    Done,
    /// It has failed.
    Failed,
}

/// What a line says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    pub(super) used: Option<(Usage, Counts)>,
    pub(super) ends: Option<Ends>,
    pub(super) text: Option<String>,
}

impl JsonRule {
    /// Returns what a line says by this rule; nothing where the rule is not for it.
    pub(super) fn read(&self, line: &Value) -> Option<Said> {
        if !self.when.iter().all(|(place, value)| line.pointer(place) == Some(value)) {
            return None;
        }
        let number = |place: &String| line.pointer(place).and_then(count);
        let sum = |places: &[String]| places.iter().filter_map(number).fold(0_u64, u64::saturating_add);
        let cost = self.cost_usd.as_ref().and_then(|place| line.pointer(place)?.as_f64());
        let usage = Usage {
            tokens_input: sum(&self.tokens_input),
            tokens_output: sum(&self.tokens_output),
            cost_micros: cost.and_then(micros).unwrap_or(0),
        };
        let text = self.text.as_ref().and_then(|place| Some(line.pointer(place)?.as_str()?.to_owned()));
        Some(Said { used: (!usage.is_nothing()).then_some((usage, self.counts)), ends: self.ends, text })
    }
}

/// Returns a number of tokens; whole and not negative, or it is none.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64)
    })
}

impl TextRule {
    /// Returns what a line says by this rule; nothing where the rule is not for it.
    pub(super) fn read(&self, line: &str) -> Option<Said> {
        let mut usage = Usage::default();
        let (mut rest, mut pattern) = (line.trim(), self.line.trim());
        while let Some((literal, after)) = pattern.split_once('{') {
            rest = rest.strip_prefix(literal)?;
            let (name, after) = after.split_once('}')?;
            let next = after.split('{').next().unwrap_or_default();
            let end = if next.is_empty() { rest.len() } else { rest.find(next)? };
            let (shown, left) = rest.split_at(end);
            match name {
                "tokens_input" => usage.tokens_input = shortened(shown)? as u64,
                "tokens_output" => usage.tokens_output = shortened(shown)? as u64,
                "cost_usd" => usage.cost_micros = micros(shortened(shown)?)?,
                _ => {}
            }
            (rest, pattern) = (left, after);
        }
        rest.starts_with(pattern).then_some(Said { used: Some((usage, self.counts)), ends: None, text: None })
    }
}

/// Returns the number that a text such as `12`, `1.2k`, `3M` or `1,200` is.
fn shortened(text: &str) -> Option<f64> {
    let text = text.trim().replace(',', "");
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1e3),
        None => text.strip_suffix(['m', 'M']).map_or((text.as_str(), 1.0), |digits| (digits, 1e6)),
    };
    let number = digits.parse::<f64>().ok()? * factor;
    (0.0..1e15).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule() -> JsonRule {
        serde_json::from_value(json!({
            "when": { "/type": "result", "/is_error": false },
            "tokens_input": ["/usage/in", "/usage/cached"],
            "tokens_output": ["/usage/out"],
            "cost_usd": "/cost",
            "ends": "done",
            "text": "/result",
        }))
        .unwrap()
    }

    #[test]
    fn a_line_of_json_is_read_by_its_rule() {
        let line = json!({ "type": "result", "is_error": false, "cost": 0.25, "result": "ok",
                           "usage": { "in": 10, "cached": 5.0, "out": 7 } });
        let said = rule().read(&line).unwrap();
        let usage = Usage { tokens_input: 15, tokens_output: 7, cost_micros: 250_000 };
        assert_eq!(said.used, Some((usage, Counts::Total)));
        assert_eq!((said.ends, said.text.as_deref()), (Some(Ends::Done), Some("ok")));
        assert_eq!(rule().read(&json!({ "type": "result", "is_error": true })), None);
        assert_eq!(rule().read(&json!([1, 2])), None);
    }

    #[test]
    fn numbers_that_are_none_count_nothing() {
        for wrong in [json!(-1), json!("12"), json!(1.5), json!(null), json!(1e300), json!({})] {
            let line =
                json!({ "type": "result", "is_error": false, "cost": wrong, "usage": { "in": wrong } });
            let used = rule().read(&line).unwrap().used;
            let is_cost = wrong == json!(1.5);
            assert_eq!(used.is_some(), is_cost, "{wrong}: {used:?}");
        }
        let most =
            json!({ "type": "result", "is_error": false, "usage": { "in": u64::MAX, "cached": u64::MAX } });
        assert_eq!(rule().read(&most).unwrap().used.unwrap().0.tokens_input, u64::MAX);
    }

    #[test]
    fn a_line_of_text_is_read_by_its_pattern() {
        let line = "Tokens: {tokens_input} sent, {skip}{tokens_output} received. Cost: ${skip} message, ${cost_usd} session.";
        let line = line.replace("{skip}{tokens_output}", "{tokens_output}");
        let rule = TextRule { line, counts: Counts::Total };
        let said =
            rule.read("Tokens: 2.3k sent, 1,120 received. Cost: $0.01 message, $1.50 session.").unwrap();
        let usage = Usage { tokens_input: 2300, tokens_output: 1120, cost_micros: 1_500_000 };
        assert_eq!(said.used, Some((usage, Counts::Total)));
        for other in
            ["", "Tokens:", "Tokens: many sent, 1 received. Cost: $1 message, $1 session.", "tokens: 1 sent"]
        {
            assert_eq!(rule.read(other), None, "{other}");
        }
    }
}
