//! JSON values at rest, as compact text: a tree of maps takes ten times the room.
//!
//! What is held of every object of a fleet at once, and looked at one by one, is kept packed. Knows
//! nothing of what is packed.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// A JSON value as text without blanks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Box<str>);

impl Packed {
    /// The value.
    pub fn unpack(&self) -> Value {
        // It was written by this module.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl From<&Value> for Packed {
    fn from(value: &Value) -> Self {
        Self(value.to_string().into())
    }
}

impl From<Value> for Packed {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.unpack().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = Vec::new();
        Into { text: &mut text }.deserialize(deserializer)?;
        let text = String::from_utf8(text).map_err(serde::de::Error::custom)?;
        Ok(Self(text.into()))
    }
}

impl JsonSchema for Packed {
    fn inline_schema() -> bool {
        Value::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        Value::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Value::json_schema(generator)
    }
}

/// Writes what is read, without a tree in between.
struct Into<'a> {
    text: &'a mut Vec<u8>,
}

impl Into<'_> {
    fn put<T: Serialize + ?Sized, E: serde::de::Error>(self, value: &T) -> Result<(), E> {
        serde_json::to_writer(self.text, value).map_err(E::custom)
    }

    fn again(&mut self) -> Into<'_> {
        Into { text: self.text }
    }
}

impl<'de> DeserializeSeed<'de> for Into<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Into<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.put(&())
    }
    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.put(&())
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }
    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<(), E> {
        self.put(&v)
    }
    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<(), E> {
        self.put(&v)
    }
    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<(), E> {
        self.put(&v)
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<(), E> {
        self.put(&v)
    }
    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<(), E> {
        self.put(v)
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.text.push(b'[');
        let begin = self.text.len();
        loop {
            let at = self.text.len();
            if at > begin {
                self.text.push(b',');
            }
            if items.next_element_seed(self.again())?.is_none() {
                self.text.truncate(at);
                break;
            }
        }
        self.text.push(b']');
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.text.push(b'{');
        let begin = self.text.len();
        loop {
            let at = self.text.len();
            if at > begin {
                self.text.push(b',');
            }
            if entries.next_key_seed(self.again())?.is_none() {
                self.text.truncate(at);
                break;
            }
            self.text.push(b':');
            entries.next_value_seed(self.again())?;
        }
        self.text.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(|x: f64| Value::from(x)),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(value in tree()) {
            let packed = Packed::from(&value);
            prop_assert_eq!(&packed.unpack(), &value);
            // However it is read: from text with blanks, or from a tree.
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Packed>(&pretty).unwrap(), &packed);
            prop_assert_eq!(&serde_json::from_value::<Packed>(value.clone()).unwrap(), &packed);
            prop_assert_eq!(serde_json::to_value(&packed).unwrap(), value);
        }
    }
}
