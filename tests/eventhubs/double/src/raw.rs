//! Bytes in the place of an encoded value, which no serializer would write.

use fe2o3_amqp::types::primitives::LazyValue;
use serde_amqp::serde::de::value::Error;
use serde_amqp::serde::de::{Deserialize, Deserializer, Visitor};
use serde_amqp::serde::forward_to_deserialize_any;

struct Raw(Vec<u8>);

impl<'de> Deserializer<'de> for Raw {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_byte_buf(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The bytes as a value. They need not be one.
pub(crate) fn value(bytes: Vec<u8>) -> LazyValue {
    LazyValue::deserialize(Raw(bytes)).expect("any bytes do")
}
