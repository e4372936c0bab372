//! Consumers of the published Python client and of this crate share one consumer group, while some of them are killed.
//!
//! Python's own `OwnershipManager` balances its side, ours balances our side; both surfaces run side by side, each with a
//! fleet of its own over one emulator.

mod aio;
mod blocking;
mod fleet;
mod member;
mod watcher;

/// Both surfaces in one test: they wait most of the time, and leave a thread to tests that need the processor.
#[test]
fn fleets_with_python_survive_kills_and_stops() {
    std::thread::scope(|scope| {
        scope.spawn(|| fleet::survives_kills_and_stops("blocking", blocking::start));
        scope.spawn(|| fleet::survives_kills_and_stops("aio", aio::start));
    });
}
