//! Schemas that somebody else has written: any JSON Schema, held to by the crate `jsonschema`.
//!
//! They come from servers, so nothing in them is fetched, and their patterns take no longer than the text is long.

use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::tool::InvalidArguments;

/// The largest schema as JSON, and the largest automaton of a pattern in it.
const BYTES_MAX: usize = 64 * 1024;
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// The characters of a reason that are told.
const REASON_CHARS_MAX: usize = 200;

/// A JSON Schema of an object.
#[derive(Clone)]
pub(super) struct ForeignSchema(Arc<Compiled>);

struct Compiled {
    schema: Value,
    validator: Validator,
}

/// Why a schema cannot be held to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSchema {
    /// It is larger than any model should have to read.
    #[error("the schema has {bytes} bytes, more than {BYTES_MAX}")]
    TooLarge {
        /// Its size as JSON.
        bytes: usize,
    },
    /// It is no JSON Schema, or leads elsewhere.
    #[error("the schema cannot be used: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
}

impl ForeignSchema {
    /// Returns the schema, if it can be held to.
    pub(super) fn new(schema: Map<String, Value>) -> Result<Self, UnusableSchema> {
        let schema = Value::Object(schema);
        let bytes = schema.to_string().len();
        if bytes > BYTES_MAX {
            return Err(UnusableSchema::TooLarge { bytes });
        }
        let patterns =
            PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let built = jsonschema::options().with_pattern_options(patterns).build(&schema);
        let validator = built.map_err(|error| UnusableSchema::Invalid { reason: shortened(&error) })?;
        Ok(Self(Arc::new(Compiled { schema, validator })))
    }

    /// Returns it as it was given.
    pub(super) fn to_json(&self) -> Value {
        self.0.schema.clone()
    }

    /// Says whether arguments keep to it; the reason names the place.
    pub(super) fn check(&self, given: &Map<String, Value>) -> Result<(), InvalidArguments> {
        self.0.validator.validate(&Value::Object(given.clone())).map_err(|error| {
            let place = error.instance_path().to_string();
            let reason = shortened(&error);
            let reason = if place.is_empty() { reason } else { format!("{reason} at {place:.80}") };
            InvalidArguments::Mismatch { reason }
        })
    }
}

impl PartialEq for ForeignSchema {
    fn eq(&self, other: &Self) -> bool {
        self.0.schema == other.0.schema
    }
}

impl Eq for ForeignSchema {}

impl std::fmt::Debug for ForeignSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.schema.fmt(f)
    }
}

fn shortened(error: &impl ToString) -> String {
    error.to_string().chars().take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;
    use crate::tool::Schema;

    fn object(json: Value) -> Map<String, Value> {
        let Value::Object(object) = json else { panic!("{json}") };
        object
    }

    #[test]
    fn the_whole_of_a_schema_is_held_to() {
        let json = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "a": { "type": "string", "maxLength": 3, "pattern": "^[a-z]+$" },
                "b": { "type": "integer", "minimum": 1 },
                "c": { "anyOf": [{ "type": "null" }, { "$ref": "#/definitions/pair" }] },
            },
            "required": ["a"],
            "additionalProperties": false,
            "definitions": { "pair": { "type": "array", "items": { "type": "number" }, "minItems": 2 } },
        });
        let schema = Schema::foreign(object(json.clone())).unwrap();
        assert_eq!(schema.to_json(), json);
        for text in [r#"{"a": "x"}"#, r#"{"a": "x", "b": 2.0, "c": [1, 2]}"#, r#"{"a": "x", "c": null}"#] {
            let arguments = schema.read(text).unwrap();
            assert_eq!(Value::Object(arguments.into_json()), serde_json::from_str::<Value>(text).unwrap());
        }
        for (text, reason) in [
            ("{}", "\"a\" is a required property"),
            (r#"{"a": 1}"#, "1 is not of type \"string\" at /a"),
            (r#"{"a": "long"}"#, "\"long\" is longer than 3 characters at /a"),
            (r#"{"a": "B"}"#, "\"B\" does not match \"^[a-z]+$\" at /a"),
            (r#"{"a": "x", "b": 0}"#, "0 is less than the minimum of 1 at /b"),
            (
                r#"{"a": "x", "c": [1]}"#,
                "[1] is not valid under any of the schemas listed in the 'anyOf' keyword at /c",
            ),
            (r#"{"a": "x", "d": 1}"#, "Additional properties are not allowed ('d' was unexpected)"),
        ] {
            let expected = format!("the arguments do not keep to the schema: {reason}");
            assert_eq!(schema.read(text).unwrap_err().to_string(), expected);
        }
        let open = Schema::foreign(Map::new()).unwrap();
        assert!(open.read(r#"{"anything": 1}"#).is_ok() && open.read("[]").is_err());
        let long = schema.read(&json!({ "a": "x".repeat(1 << 20) }).to_string()).unwrap_err().to_string();
        assert!(long.len() < 400, "{}", long.len());
    }

    #[test]
    fn a_hostile_schema_is_refused_or_ends_soon() {
        let begun = Instant::now();
        let unusable = [
            json!({ "type": "no such type" }),
            json!({ "required": "a" }),
            json!({ "$ref": "https://example.invalid/schema.json" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "properties": { "a": { "pattern": "(" } } }),
            json!({ "properties": { "a": { "pattern": "(?=x)" } } }),
            json!({ "properties": { "a": { "pattern": "((a{1000}){1000}){1000}" } } }),
            json!({ "description": "x".repeat(BYTES_MAX) }),
        ];
        for json in unusable {
            let text = json.to_string();
            assert!(Schema::foreign(object(json)).is_err(), "{text:.80}");
        }
        let slow = object(json!({ "properties": { "a": { "pattern": "^(a+)+$" } } }));
        let text = json!({ "a": "a".repeat(50_000) + "!" }).to_string();
        assert!(Schema::foreign(slow).unwrap().read(&text).is_err());
        // One that only leads to itself says nothing about what keeps to it; it must not take the program with it.
        for json in [json!({ "$ref": "#" }), json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] })] {
            if let Ok(schema) = Schema::foreign(object(json)) {
                let _ = schema.read(r#"{"a": {"b": 1}}"#);
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
