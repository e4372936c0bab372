//! Official processors over our store: on a double of Event Hubs, and Azurite.

mod fixture;
mod ledger;
mod sample;
#[path = "../../../../tests/support/mod.rs"]
mod support;
mod takeover;
