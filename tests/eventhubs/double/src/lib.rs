//! An Azure Event Hubs double on loopback: an AMQP 1.0 listener with in-memory partitions, good enough for the
//! official Rust client (`azure_messaging_eventhubs`) with its `EventProcessor`, and for the producers and consumers of
//! Python and JavaScript.
//!
//! Use it for receiving and producing over real sockets: links, credit, owner levels, tokens, management, and their faults.
//! Do not use it for limits and timing of the service itself, or for anything that a test can see with
//! `memory::EventHub`, which is faster.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! use eventhubs_double::{Config, EventHubsDouble};
//!
//! let double = EventHubsDouble::start(Config::new("telemetry", 4)).await?;
//! let sequence_number = double.append("0", "hello");
//! assert_eq!(sequence_number, 0);
//! // Hand this to `ConsumerClient::builder().with_custom_endpoint(…)`.
//! assert!(double.endpoint().starts_with("amqp://127.0.0.1:"));
//! # Ok(()) }
//! ```
//!
//! # What it speaks
//!
//! - WebSockets, on demand, and TLS, with the server configuration of the test.
//! - SASL ANONYMOUS and PLAIN (any user name and password that are not empty).
//! - `$cbs` put-token: every token is accepted, unless a fault says otherwise.
//! - `$management` READ of `com.microsoft:eventhub` and `com.microsoft:partition`.
//! - Receive links `{hub}/ConsumerGroups/{group}/Partitions/{id}` with the selector filter for offset, sequence
//!   number and enqueued time, and with owner levels: a receiver of an equal or higher level takes the partition
//!   of its consumer group over, and the earlier link is closed with `amqp:link:stolen`.
//!
//! - Links that are settled when they are sent, and runtime metrics with each event, for receivers that ask for them.
//! - Faults on demand: cut or held connections, links detached or never attached, refused and late replies, a restart.
//!
//! - Send links `{hub}` and `{hub}/Partitions/{id}`: single events and batches, with partition keys. An event without
//!   a partition or a key goes to the next partition in turn.
//!
//! Everything else (transactions, idempotent producers) is refused or not there.
//!
//! # Names
//!
//! Hub and group names compare ASCII-case-insensitively, as at the service. Every consumer group exists.

#![forbid(unsafe_code)]

mod address;
mod config;
mod connection;
mod counters;
mod endings;
mod faults;
mod frames;
mod hub;
mod link;
mod log;
mod management;
mod padding;
mod publisher;
mod raw;
mod receiver;
mod request_response;
mod sasl;
mod seats;
mod selector;
mod server;
mod websocket;
mod wire;

pub use config::{Config, OffsetStyle};
pub use counters::Counters;
pub use faults::{AttachFault, ReplyFault};
pub use log::Content;
pub use seats::AttachedReceiver;
pub use server::EventHubsDouble;
