//! Receiving events: the rules of the processor, in model time, over an event hub and a store in memory.

mod checkpointer;
mod fleet;
mod hub;
mod ownerships;
mod panics;
mod readers;
mod rules;
mod streams;
pub mod world;

use std::time::Duration;

use super::time::{Running, Time};
use super::{maybe_async, test};

const SECOND: Duration = Duration::from_secs(1);
