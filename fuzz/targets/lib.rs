//! What is fuzzed: the public API of the blocking surface over a transport that responds with the fuzzer's bytes.
//!
//! Each target is a function that panics where a promise is broken, and not only where the code panics.

#[cfg(all(feature = "amqp", feature = "_fuzz"))]
pub mod amqp_event;
#[cfg(all(feature = "amqp", feature = "_fuzz"))]
pub mod amqp_properties;
pub mod canned;
pub mod connection_string;
pub mod echo;
pub mod error_xml;
#[cfg(feature = "amqp")]
pub mod event_hub_connection_string;
pub mod list_xml;
pub mod metadata;
pub mod names;
pub mod response_headers;
