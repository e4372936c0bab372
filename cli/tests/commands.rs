//! The commands over a double of the Blob service, in this process: exit code, stdout and stderr of each run.
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "commands/amqp.rs"]
mod amqp;
#[path = "commands/azurite.rs"]
mod azurite;
#[path = "commands/bed.rs"]
mod bed;
#[path = "commands/browsing.rs"]
mod browsing;
#[path = "commands/changes.rs"]
mod changes;
#[path = "commands/faults.rs"]
mod faults;
#[path = "commands/files.rs"]
mod files;
#[path = "commands/forms.rs"]
mod forms;
#[path = "commands/migrating.rs"]
mod migrating;
#[path = "commands/owners.rs"]
mod owners;
#[path = "commands/reading.rs"]
mod reading;
#[path = "commands/readme.rs"]
mod readme;
#[path = "commands/scale.rs"]
mod scale;
#[path = "commands/serving.rs"]
mod serving;
#[path = "commands/signing_in.rs"]
mod signing_in;
#[path = "commands/terminal.rs"]
mod terminal;
#[path = "commands/watching.rs"]
mod watching;
