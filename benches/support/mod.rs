//! What the benches share: a server, the bare clients, and the same work by the store.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::len_without_is_empty,
    clippy::new_without_default,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "no API; a bench fails by panicking, and prints"
)]

use clean_environment as _;

pub mod aio;
pub mod answers;
pub mod bare;
pub mod blocking;
pub mod core;
pub mod measure;
pub mod server;
pub mod target;
