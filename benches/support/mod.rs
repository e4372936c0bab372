//! What the benches share.
#![allow(dead_code, reason = "no bench needs all of it")]

use clean_environment as _;

pub mod aio;
pub mod answers;
pub mod bare;
pub mod blocking;
pub mod core;
pub mod server;
pub mod target;
