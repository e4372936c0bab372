//! Microsoft's clients for Python and JavaScript beside ours, each consumer in a process of its own, on the Event Hubs double
//! and Azurite.
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../support/mod.rs"]
mod support;

#[path = "peers/bed.rs"]
mod bed;
#[path = "peers/fleet.rs"]
mod fleet;
#[path = "peers/levels.rs"]
mod levels;
#[path = "peers/peer.rs"]
mod peer;
#[path = "peers/resuming.rs"]
mod resuming;
#[path = "peers/senders.rs"]
mod senders;
#[path = "peers/tool.rs"]
mod tool;
