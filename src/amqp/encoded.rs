//! A value as it is encoded, for the bodies of responses.

use std::fmt;

use bytes::Bytes;
use fe2o3_amqp::types::primitives::LazyValue;
use serde_amqp::serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_amqp::serde::forward_to_deserialize_any;

/// The bytes of a value.
///
/// This is [`LazyValue`], which alone cannot be read from a message of several frames: the decoder hands over its bytes
/// as a slice then, and `LazyValue` accepts only a vector.
#[derive(Debug)]
pub(super) struct Encoded(LazyValue);

impl Encoded {
    pub(super) fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        LazyValue::deserialize(Slices(deserializer)).map(Self)
    }
}

/// Turns slices into vectors. It is the deserializer around a [`LazyValue`], then the visitor.
struct Slices<T>(T);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Slices<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, D::Error> {
        Err(D::Error::custom("only a newtype is expected"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Slices(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Slices<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<V::Value, E> {
        self.0.visit_byte_buf(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<V::Value, E> {
        self.0.visit_byte_buf(bytes)
    }
}
