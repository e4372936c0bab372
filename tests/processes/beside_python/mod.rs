//! Consumers of the published Python client and of this crate share one consumer group, while some of them are killed.
//!
//! Python's own `OwnershipManager` balances its side, ours balances our side; both surfaces run side by side, each with a
//! fleet of its own over one emulator.

mod aio;
mod blocking;
mod fleet;
mod member;
mod watcher;

#[test]
fn the_blocking_surface_beside_python() {
    fleet::lives_through_kills("blocking", blocking::start);
}

#[test]
fn the_async_surface_beside_python() {
    fleet::lives_through_kills("aio", aio::start);
}
