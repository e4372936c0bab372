//! The rules of the architecture and of the code style, checked against the text of the project's files.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod api;
mod environment;
mod examples;
mod files;
mod from_python;
mod habits;
mod links;
mod names;
mod rooms;
mod surfaces;

use clean_environment as _;
