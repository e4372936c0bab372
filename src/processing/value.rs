//! Typed values of event properties, and of event bodies that are not bytes.

use std::time::SystemTime;

use bytes::Bytes;

/// A value of the AMQP type system, as used in event properties and some bodies.
///
/// Integers of all widths are read as 64 bits. The accessors return `None` for another type.
///
/// ```
/// use eventhub_checkpointstore::processing::AmqpValue;
///
/// let value = AmqpValue::from("eu-west");
/// assert_eq!(value.as_str(), Some("eu-west"));
/// assert_eq!(value.as_i64(), None);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AmqpValue {
    /// No value.
    Null,
    /// A Boolean.
    Bool(bool),
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    UInt(u64),
    /// A floating-point number of either width.
    Double(f64),
    /// A Unicode character.
    Char(char),
    /// A string or a symbol.
    String(String),
    /// Bytes. A decimal number is read as its bytes, and a malformed value as it was encoded.
    Binary(Bytes),
    /// A timestamp, with a resolution of one millisecond.
    Timestamp(SystemTime),
    /// A UUID, in network byte order.
    Uuid([u8; 16]),
    /// A list or an array.
    List(Vec<AmqpValue>),
    /// A map, in the order in which it was sent.
    Map(Vec<(AmqpValue, AmqpValue)>),
}

impl AmqpValue {
    /// Returns the text of a string or a symbol.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns an integer that fits into an `i64`.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::UInt(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Returns a Boolean.
    ///
    #[doc = shared_example!("processing/value")]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

impl From<&str> for AmqpValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for AmqpValue {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for AmqpValue {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for AmqpValue {
    fn from(number: u64) -> Self {
        Self::UInt(number)
    }
}

impl From<f64> for AmqpValue {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for AmqpValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Bytes> for AmqpValue {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<SystemTime> for AmqpValue {
    fn from(time: SystemTime) -> Self {
        Self::Timestamp(time)
    }
}
