//! The fields of a plan file that have no meaning here, kept as they were.

use std::fmt;
use std::ops::Index;

use ecow::{EcoString, EcoVec};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The fields of a task that have no meaning here, in the order of their names.
///
/// A few fields in a row: a tree a task would take half a kilobyte for the first field alone.
#[derive(Clone, PartialEq, Default)]
pub struct KeptFields(EcoVec<(EcoString, Value)>);

impl KeptFields {
    /// Returns the value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.place(name).ok().map(|place| &self.0[place].1)
    }

    /// Returns the value of a field, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let place = self.place(name).ok()?;
        Some(&mut self.0.make_mut()[place].1)
    }

    /// Returns whether there is a field of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Sets a field; one of that name is replaced.
    pub fn insert(&mut self, name: &str, value: Value) {
        match self.place(name) {
            Ok(place) => self.0.make_mut()[place].1 = value,
            Err(place) => self.0.insert(place, (name.into(), value)),
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        Some(self.0.remove(self.place(name).ok()?).1)
    }

    /// Returns the fields in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| own.as_str().cmp(name))
    }
}

/// Of fields of the same name, the last one counts.
impl<N: AsRef<str>> FromIterator<(N, Value)> for KeptFields {
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(fields: I) -> Self {
        let mut fields: Vec<(EcoString, Value)> =
            fields.into_iter().map(|(name, value)| (EcoString::from(name.as_ref()), value)).collect();
        if !fields.is_sorted_by(|one, next| one.0 < next.0) {
            fields.reverse();
            fields.sort_by(|one, next| one.0.cmp(&next.0));
            fields.dedup_by(|later, kept| later.0 == kept.0);
        }
        Self(fields.into_iter().collect())
    }
}

impl<N: AsRef<str>> Extend<(N, Value)> for KeptFields {
    fn extend<I: IntoIterator<Item = (N, Value)>>(&mut self, fields: I) {
        fields.into_iter().for_each(|(name, value)| self.insert(name.as_ref(), value));
    }
}

/// The value of a field, which must be there.
impl Index<&str> for KeptFields {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).expect("the field is there")
    }
}

impl fmt::Debug for KeptFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for KeptFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for KeptFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = KeptFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeptFields, A::Error> {
                let mut fields: Vec<(EcoString, Value)> = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields.into_iter().collect())
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_a_map(given in prop::collection::vec(("[a-d]{1,2}", 0..9_u64), 0..8),
                                   set in prop::collection::vec(("[a-d]{1,2}", 0..9_u64), 0..4),
                                   gone in prop::collection::vec("[a-d]{1,2}", 0..4)) {
            let values = |list: &[(String, u64)]| -> Vec<(String, Value)> {
                list.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect()
            };
            let mut ours: KeptFields = values(&given).into_iter().collect();
            let mut theirs: Map<String, Value> = values(&given).into_iter().collect();
            for (name, value) in values(&set) {
                ours.insert(&name, value.clone());
                theirs.insert(name, value);
            }
            for name in &gone {
                prop_assert_eq!(ours.remove(name), theirs.remove(name));
            }
            prop_assert!(ours.iter().eq(theirs.iter().map(|(name, value)| (name.as_str(), value))));
            let text = serde_json::to_string(&ours).unwrap();
            prop_assert_eq!(&text, &serde_json::to_string(&theirs).unwrap());
            prop_assert_eq!(&serde_json::from_str::<KeptFields>(&text).unwrap(), &ours);
            for name in theirs.keys() {
                prop_assert_eq!(ours.get(name), theirs.get(name));
            }
        }
    }
}
