//! Stand-ins for services. The head of each file says what to use it for, and what not.
//!
//! | double | time | network |
//! |---|---|---|
//! | [`blob_service`] | real, or what the test sets | none, or a [`loopback`] server |
//! | [`loopback`] | real | sockets of this machine |
//! | [`azurite`] | real | sockets of this machine, another process |
//! | `script.rs`, mounted by each surface | the script's | none |
//!
//! The Event Hubs double is a package of its own, `tests/eventhubs/double`: its AMQP crates would slow down every build.
//! The published clients of other languages are no doubles; `tests/support` drives them.

pub mod azurite;
pub mod blob_service;
pub mod loopback;

use super::{process, tools};
