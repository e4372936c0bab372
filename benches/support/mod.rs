//! What the benches share.

pub mod aio;
pub mod answers;
pub mod bare;
pub mod blocking;
pub mod server;
pub mod target;
