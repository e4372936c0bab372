//! Shared by `receive_events` and `receive_events_aio`: what they need beside the client.

pub(crate) mod clickstream;
pub(crate) mod ledger;
pub(crate) mod report;
pub(crate) mod settings;
