//! Events as a consumer receives them.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::AmqpValue;
use crate::error::Result;
#[cfg(feature = "serde")]
use crate::error::{Error, ErrorKind};
use crate::model::{Checkpoint, ConsumerGroup, Text};

/// The body of an event. Nearly all senders send bytes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventBody {
    /// Bytes. If the body was sent in several sections, they are joined.
    Data(Bytes),
    /// Lists of values.
    Sequence(Vec<Vec<AmqpValue>>),
    /// One value. If a sender wrote a malformed event, this is the part of its message that cannot be read, as
    /// [`AmqpValue::Binary`].
    Value(AmqpValue),
}

impl EventBody {
    /// Returns the bytes of the body; empty for a body that does not consist of bytes.
    ///
    #[doc = shared_example!("processing/event_body")]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Data(bytes) | Self::Value(AmqpValue::Binary(bytes)) => bytes,
            Self::Value(AmqpValue::String(text)) => text.as_bytes(),
            Self::Sequence(_) | Self::Value(_) => &[],
        }
    }

    /// Returns the body as text. Invalid UTF-8 is replaced.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// Deserializes a JSON body into your own type. A byte order mark before it is ignored. The content type is also
    /// ignored, because many senders do not set one.
    ///
    /// ```
    /// use eventhub_checkpointstore::processing::ReceivedEvent;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Reading<'a> {
    ///     sensor: &'a str,
    ///     degrees: f64,
    /// }
    ///
    /// let event = ReceivedEvent::new(960_180, r#"{"sensor":"sensor-7","degrees":21.5}"#);
    /// let reading: Reading<'_> = event.body().json()?;
    /// assert_eq!((reading.sensor, reading.degrees), ("sensor-7", 21.5));
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidData`] if the body is neither bytes nor text, is not JSON, or does not fit the type; the source
    /// of the error says where.
    #[cfg(feature = "serde")]
    #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T> {
        let is_bytes = matches!(
            self,
            Self::Data(_) | Self::Value(AmqpValue::Binary(_) | AmqpValue::String(_))
        );
        if !is_bytes {
            let message =
                "the body of the event is made of AMQP values; JSON must be bytes or text";
            return Err(Error::new(ErrorKind::InvalidData, message));
        }
        let bytes = self.as_bytes();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        serde_json::from_slice(bytes).map_err(|error| {
            let message = if error.is_data() {
                "the body of the event is JSON of another type"
            } else {
                "the body of the event is not JSON"
            };
            Error::new(ErrorKind::InvalidData, message).with_source(error)
        })
    }

    /// Returns the length of the body in bytes; 0 for a body that does not consist of bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the body has no bytes.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl<T: Into<Bytes>> From<T> for EventBody {
    fn from(bytes: T) -> Self {
        Self::Data(bytes.into())
    }
}

/// An event of a partition, with its position.
///
/// Sources create it with [`new`](Self::new) and the setters; consumers read it.
///
/// ```
/// use eventhub_checkpointstore::processing::ReceivedEvent;
///
/// let event = ReceivedEvent::new(960_180, "{\"degrees\":21}")
///     .with_offset("8589934592")
///     .with_partition_key("sensor-7")
///     .with_property("region", "eu-west");
/// assert_eq!(event.sequence_number(), 960_180);
/// assert_eq!(event.body().len(), 14);
/// assert_eq!(event.property("region").and_then(|region| region.as_str()), Some("eu-west"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedEvent {
    sequence_number: i64,
    offset: Option<Text>,
    enqueued_time: SystemTime,
    partition_key: Option<String>,
    body: EventBody,
    /// Rarely used fields.
    extras: Option<Box<Extras>>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Extras {
    properties: Vec<(String, AmqpValue)>,
    system_properties: Vec<(String, AmqpValue)>,
    message_id: Option<String>,
    correlation_id: Option<String>,
    content_type: Option<String>,
}

impl ReceivedEvent {
    /// Creates an event with a sequence number and a body. The enqueued time is the Unix epoch until it is set.
    ///
    #[doc = shared_example!("processing/event_setters")]
    pub fn new(sequence_number: i64, body: impl Into<EventBody>) -> Self {
        Self {
            sequence_number,
            offset: None,
            enqueued_time: UNIX_EPOCH,
            partition_key: None,
            body: body.into(),
            extras: None,
        }
    }

    /// Sets the offset.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/event_setters"))]
    #[must_use]
    pub fn with_offset(mut self, offset: impl Into<String>) -> Self {
        self.offset = Some(offset.into().into());
        self
    }

    /// Sets the time at which the service enqueued the event.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/event_setters"))]
    #[must_use]
    pub fn with_enqueued_time(mut self, enqueued_time: SystemTime) -> Self {
        self.enqueued_time = enqueued_time;
        self
    }

    /// Sets the partition key.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/event_setters"))]
    #[must_use]
    pub fn with_partition_key(mut self, key: impl Into<String>) -> Self {
        self.partition_key = Some(key.into());
        self
    }

    /// Adds an application property.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/event_setters"))]
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>, value: impl Into<AmqpValue>) -> Self {
        self.add_property(name.into(), value.into());
        self
    }

    /// Adds a property that the service or the protocol defines, such as `x-opt-publisher`.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/event_setters"))]
    #[must_use]
    pub fn with_system_property(
        mut self,
        name: impl Into<String>,
        value: impl Into<AmqpValue>,
    ) -> Self {
        self.add_system_property(name.into(), value.into());
        self
    }

    /// Sets the sender's id of the event.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/event_setters"))]
    #[must_use]
    pub fn with_message_id(mut self, message_id: impl Into<String>) -> Self {
        self.set_message_id(message_id.into());
        self
    }

    /// Sets the correlation id.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/event_setters"))]
    #[must_use]
    pub fn with_correlation_id(mut self, correlation_id: impl Into<String>) -> Self {
        self.set_correlation_id(correlation_id.into());
        self
    }

    /// Sets the MIME type of the body.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/event_setters"))]
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.set_content_type(content_type.into());
        self
    }

    /// Returns the same event with another number, offset and time.
    pub(crate) fn at(mut self, number: i64, offset: String, enqueued_time: SystemTime) -> Self {
        (self.sequence_number, self.offset) = (number, Some(offset.into()));
        self.enqueued_time = enqueued_time;
        self
    }

    /// Creates an event from what nearly every event has. The setters would move it once for each part.
    #[cfg(feature = "amqp")]
    pub(crate) fn decoded(
        sequence_number: i64,
        offset: Option<Text>,
        enqueued_time: SystemTime,
        partition_key: Option<String>,
        body: EventBody,
    ) -> Self {
        Self { sequence_number, offset, enqueued_time, partition_key, body, extras: None }
    }

    pub(crate) fn add_property(&mut self, name: String, value: AmqpValue) {
        self.extras_mut().properties.push((name, value));
    }

    pub(crate) fn add_system_property(&mut self, name: String, value: AmqpValue) {
        self.extras_mut().system_properties.push((name, value));
    }

    pub(crate) fn set_message_id(&mut self, message_id: String) {
        self.extras_mut().message_id = Some(message_id);
    }

    pub(crate) fn set_correlation_id(&mut self, correlation_id: String) {
        self.extras_mut().correlation_id = Some(correlation_id);
    }

    pub(crate) fn set_content_type(&mut self, content_type: String) {
        self.extras_mut().content_type = Some(content_type);
    }

    #[cfg(feature = "amqp")]
    pub(crate) fn set_body(&mut self, body: EventBody) {
        self.body = body;
    }

    fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Returns the number of the event in its partition. Numbers increase by one from event to event.
    #[inline]
    pub fn sequence_number(&self) -> i64 {
        self.sequence_number
    }

    /// Returns the offset of the event: opaque text, which Event Hubs always sends.
    pub fn offset(&self) -> Option<&str> {
        self.offset.as_deref()
    }

    /// Returns when the service enqueued the event, by its clock.
    pub fn enqueued_time(&self) -> SystemTime {
        self.enqueued_time
    }

    /// Returns the partition key that the sender set.
    pub fn partition_key(&self) -> Option<&str> {
        self.partition_key.as_deref()
    }

    /// Returns the body.
    ///
    /// A body of 512 to 1,024 bytes that came over AMQP shares an allocation of 4 KiB with other bodies, which stays allocated as
    /// long as one of them is kept. If you keep a few events out of many for a long time, copy their bodies.
    pub fn body(&self) -> &EventBody {
        &self.body
    }

    /// Returns an application property.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/event_setters"))]
    pub fn property(&self, name: &str) -> Option<&AmqpValue> {
        self.properties().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Iterates over the application properties, in the order in which they were sent.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &AmqpValue)> {
        let properties = self.extras.iter().flat_map(|extras| &extras.properties);
        properties.map(|(name, value)| (name.as_str(), value))
    }

    /// Iterates over the properties that the service or the protocol defines and that have no method of their own.
    pub fn system_properties(&self) -> impl Iterator<Item = (&str, &AmqpValue)> {
        let properties = self.extras.iter().flat_map(|extras| &extras.system_properties);
        properties.map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the sender's id of the event.
    pub fn message_id(&self) -> Option<&str> {
        self.extras.as_ref()?.message_id.as_deref()
    }

    /// Returns the correlation id.
    pub fn correlation_id(&self) -> Option<&str> {
        self.extras.as_ref()?.correlation_id.as_deref()
    }

    /// Returns the MIME type of the body.
    pub fn content_type(&self) -> Option<&str> {
        self.extras.as_ref()?.content_type.as_deref()
    }

    /// Returns the checkpoint after this event.
    ///
    #[doc = shared_example!("processing/event_checkpoint")]
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::with_position`].
    pub fn checkpoint(&self, group: &ConsumerGroup, partition_id: &str) -> Result<Checkpoint> {
        let (offset, number) = (self.offset().map(str::to_owned), Some(self.sequence_number));
        Checkpoint::with_position(group, partition_id, offset, number)
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn refused(body: &EventBody) -> String {
        let error = body.json::<Vec<u32>>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error}; {source}")
    }

    #[test]
    fn json_is_read_from_bytes_and_from_text() {
        let bodies = [
            EventBody::from("[1, 2]"),
            EventBody::from("\u{feff}[1, 2]"),
            EventBody::Value(AmqpValue::from("[1, 2]")),
            EventBody::Value(AmqpValue::Binary("[1, 2]".into())),
        ];
        for body in bodies {
            assert_eq!(body.json::<Vec<u32>>().unwrap(), [1, 2], "{body:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_that_json_says_why() {
        let list = AmqpValue::List(vec![AmqpValue::Int(1)]);
        for (body, parts) in [
            (EventBody::from("[1, 2"), ["not JSON", "line 1"]),
            (EventBody::from(""), ["not JSON", "EOF"]),
            (EventBody::from("[1, \"two\"]"), ["JSON of another type", "column 9"]),
            (EventBody::Value(list), ["made of AMQP values", ""]),
            (EventBody::Sequence(Vec::new()), ["made of AMQP values", ""]),
        ] {
            let refused = refused(&body);
            assert!(parts.iter().all(|part| refused.contains(part)), "{body:?}: {refused}");
        }
    }
}
