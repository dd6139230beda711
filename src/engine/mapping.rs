//! Structs that are read from a mapping and from nothing else.
//!
//! serde's own derive also takes a list, its items for the fields in their order: `reader: [users:read]`
//! would be a role whose *description* is `users:read`, and which grants nothing.

use serde::de::{Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// A deserializer that gives a struct its fields from a mapping only.
pub(crate) struct Mapping<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Mapping<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Makes structs, derived with `#[serde(remote = "Self")]`, ones that are read through [`Mapping`].
macro_rules! mappings {
    ($($type:ident),+) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // The derived function, which is the type's own and goes before the trait's.
                Self::deserialize($crate::engine::mapping::Mapping(deserializer))
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }
    )+};
}
pub(crate) use mappings;
