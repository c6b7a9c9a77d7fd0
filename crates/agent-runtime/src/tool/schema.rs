//! What arguments a tool takes: a flat object of typed properties, which every model understands.
//!
//! It is deliberately much less than JSON Schema: lists of texts and choices, but no nesting, no unions, no bounds. A tool
//! that needs more checks it itself. A schema that comes from elsewhere is shown to the model as it stands, and the whole of
//! it is held to.

use serde_json::{Map, Value, json};

use crate::planted::{self, Bug};
#[cfg(feature = "mcp")]
use crate::tool::foreign_schema::{ForeignSchema, UnusableSchema};

/// The arguments of a tool. A property that is not declared is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Own(Vec<Property>),
    #[cfg(feature = "mcp")]
    Foreign(ForeignSchema),
}

impl Default for Schema {
    fn default() -> Self {
        Self(Form::Own(Vec::new()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Property {
    name: &'static str,
    kind: Kind,
    presence: Presence,
    description: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}

/// The type of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// One of these texts.
    Choice(Vec<String>),
    /// A list of texts.
    Texts,
    /// A whole number that fits in 64 bits with a sign.
    Integer,
    /// A truth value.
    Boolean,
}

/// Why arguments do not keep to a schema, in words for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArguments {
    /// They are no JSON.
    #[error("the arguments are not JSON: {reason}")]
    NotJson {
        /// What the parser says.
        reason: String,
    },
    /// They are JSON, but no object.
    #[error("the arguments must be a JSON object")]
    NotAnObject,
    /// A property that must be there is not.
    #[error("the argument `{name}` is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A property has another type.
    #[error("the argument `{name}` must be {expected}")]
    WrongKind {
        /// Its name.
        name: String,
        /// The type, in words.
        expected: String,
    },
    /// A property is not known.
    #[error("there is no argument {name:?}")]
    Unknown {
        /// Its name, cut where it is long.
        name: String,
    },
    /// Something else about them is not as a schema from elsewhere has it.
    #[error("the arguments do not keep to the schema: {reason}")]
    Mismatch {
        /// What, and where.
        reason: String,
    },
}

impl Kind {
    fn to_json(&self) -> Map<String, Value> {
        let value = match self {
            Self::Text => json!({ "type": "string" }),
            Self::Choice(texts) => json!({ "type": "string", "enum": texts }),
            Self::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Self::Integer => json!({ "type": "integer" }),
            Self::Boolean => json!({ "type": "boolean" }),
        };
        let Value::Object(object) = value else { unreachable!("each is an object") };
        object
    }

    const fn in_words(&self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Choice(_) => "one of the strings that the schema names",
            Self::Texts => "a list of strings",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
        }
    }

    fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Choice(texts) => value.as_str().is_some_and(|text| texts.iter().any(|one| one == text)),
            Self::Texts => value.as_array().is_some_and(|values| values.iter().all(Value::is_string)),
            Self::Integer => value.is_i64(),
            Self::Boolean => value.is_boolean(),
        }
    }
}

impl Schema {
    /// Returns the schema of a tool without arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a property that must be there.
    ///
    /// # Panics
    /// If the schema is a foreign one.
    #[must_use]
    pub fn required(self, name: &'static str, kind: Kind, description: &'static str) -> Self {
        self.with(Property { name, kind, presence: Presence::Required, description })
    }

    /// Adds a property that may be left out.
    ///
    /// # Panics
    /// If the schema is a foreign one.
    #[must_use]
    pub fn optional(self, name: &'static str, kind: Kind, description: &'static str) -> Self {
        self.with(Property { name, kind, presence: Presence::Optional, description })
    }

    fn with(mut self, property: Property) -> Self {
        match &mut self.0 {
            Form::Own(properties) => properties.push(property),
            #[cfg(feature = "mcp")]
            Form::Foreign(_) => panic!("a foreign schema is whole"),
        }
        self
    }

    /// Returns a JSON Schema from elsewhere: of an object.
    #[cfg(feature = "mcp")]
    pub fn foreign(schema: Map<String, Value>) -> Result<Self, UnusableSchema> {
        ForeignSchema::new(schema).map(Form::Foreign).map(Self)
    }

    /// Returns it as JSON Schema.
    pub fn to_json(&self) -> Value {
        match &self.0 {
            Form::Own(properties) => own_json(properties),
            #[cfg(feature = "mcp")]
            Form::Foreign(schema) => schema.to_json(),
        }
    }

    /// Returns the arguments that a model wrote, if they keep to the schema. No text at all counts as no arguments.
    pub fn read(&self, text: &str) -> Result<Arguments, InvalidArguments> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        let value = serde_json::from_str(text)
            .map_err(|error| InvalidArguments::NotJson { reason: error.to_string() })?;
        let Value::Object(given) = value else { return Err(InvalidArguments::NotAnObject) };
        if !planted::is_on(Bug::ArgumentsUnchecked) {
            self.check(&given)?;
        }
        Ok(Arguments(given))
    }

    fn check(&self, given: &Map<String, Value>) -> Result<(), InvalidArguments> {
        match &self.0 {
            Form::Own(properties) => check_own(properties, given),
            #[cfg(feature = "mcp")]
            Form::Foreign(schema) => schema.check(given),
        }
    }
}

fn own_json(properties: &[Property]) -> Value {
    let described: Map<String, Value> = properties
        .iter()
        .map(|property| {
            let mut object = property.kind.to_json();
            object.insert("description".to_owned(), json!(property.description));
            (property.name.to_owned(), Value::Object(object))
        })
        .collect();
    let required: Vec<&str> = required(properties).map(|property| property.name).collect();
    json!({
        "type": "object",
        "properties": described,
        "required": required,
        "additionalProperties": false,
    })
}

fn required(properties: &[Property]) -> impl Iterator<Item = &Property> {
    properties.iter().filter(|property| property.presence == Presence::Required)
}

fn check_own(properties: &[Property], given: &Map<String, Value>) -> Result<(), InvalidArguments> {
    if let Some(property) = required(properties).find(|property| !given.contains_key(property.name)) {
        return Err(InvalidArguments::Missing { name: property.name.to_owned() });
    }
    for (name, value) in given {
        let property = properties.iter().find(|property| property.name == name);
        let property = property.ok_or_else(|| InvalidArguments::Unknown { name: shortened(name) })?;
        if !property.kind.fits(value) {
            let expected = property.kind.in_words().to_owned();
            return Err(InvalidArguments::WrongKind { name: property.name.to_owned(), expected });
        }
    }
    Ok(())
}

fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

/// Arguments that keep to a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments(Map<String, Value>);

impl Arguments {
    /// Returns a text, `None` if it was left out.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Returns a list of texts, empty if it was left out.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        self.0
            .get(name)
            .and_then(Value::as_array)
            .map(|values| values.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// Returns a whole number, `None` if it was left out.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// Returns all of them, as JSON.
    pub fn into_json(self) -> Map<String, Value> {
        self.0
    }

    /// Returns a truth value, `None` if it was left out.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::new().required("path", Kind::Text, "where").optional("line", Kind::Integer, "which").optional(
            "quick",
            Kind::Boolean,
            "how",
        )
    }

    #[test]
    fn arguments_that_keep_to_the_schema_are_read() {
        let arguments = schema().read(r#"{"path": "a", "line": -3, "quick": true}"#).unwrap();
        assert_eq!(arguments.text("path"), Some("a"));
        assert_eq!((arguments.integer("line"), arguments.boolean("quick")), (Some(-3), Some(true)));
        assert_eq!(schema().read(r#"{"path": ""}"#).unwrap().integer("line"), None);
        assert!(Schema::new().read("").is_ok());
    }

    #[test]
    fn lists_and_choices_are_held_to_as_well() {
        let choice = Kind::Choice(["a", "b"].map(str::to_owned).to_vec());
        let schema = Schema::new().required("which", choice, "which").optional("words", Kind::Texts, "what");
        let arguments = schema.read(r#"{"which": "b", "words": ["x", "y z"]}"#).unwrap();
        assert_eq!((arguments.text("which"), arguments.texts("words")), (Some("b"), vec!["x", "y z"]));
        assert_eq!(schema.read(r#"{"which": "a"}"#).unwrap().texts("words"), [""; 0]);
        for text in
            [r#"{"which": "c"}"#, r#"{"which": "a", "words": "x"}"#, r#"{"which": "a", "words": [1]}"#]
        {
            assert!(matches!(schema.read(text), Err(InvalidArguments::WrongKind { .. })), "{text}");
        }
        assert_eq!(schema.to_json()["properties"]["which"]["enum"], json!(["a", "b"]));
        assert_eq!(schema.to_json()["properties"]["words"]["items"]["type"], "string");
    }

    #[test]
    fn arguments_that_do_not_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "the argument `path` is missing"),
            ("{}", "the argument `path` is missing"),
            ("[]", "the arguments must be a JSON object"),
            ("null", "the arguments must be a JSON object"),
            (r#""path""#, "the arguments must be a JSON object"),
            (r#"{"path": 1}"#, "the argument `path` must be a string"),
            (r#"{"path": null}"#, "the argument `path` must be a string"),
            (r#"{"path": ["a"]}"#, "the argument `path` must be a string"),
            (r#"{"path": "a", "line": "1"}"#, "the argument `line` must be an integer"),
            (r#"{"path": "a", "line": 1.5}"#, "the argument `line` must be an integer"),
            (r#"{"path": "a", "line": 18446744073709551615}"#, "the argument `line` must be an integer"),
            (r#"{"path": "a", "quick": 0}"#, "the argument `quick` must be true or false"),
            (r#"{"path": "a", "mode": "777"}"#, "there is no argument \"mode\""),
        ] {
            assert_eq!(schema().read(text).unwrap_err().to_string(), reason, "{text}");
        }
        for text in ["{", "{\"path\": \"a\"", "{'path': 'a'}", "path=a", "{} {}", &"[".repeat(100_000)] {
            assert!(matches!(schema().read(text), Err(InvalidArguments::NotJson { .. })));
        }
    }

    #[test]
    fn models_are_told_in_json_schema() {
        let expected = json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "where" },
                "line": { "type": "integer", "description": "which" },
                "quick": { "type": "boolean", "description": "how" },
            },
            "required": ["path"],
            "additionalProperties": false,
        });
        assert_eq!(schema().to_json(), expected);
    }
}
