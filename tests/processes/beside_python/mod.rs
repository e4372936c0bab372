//! Consumers of the published Python client and of this crate share one consumer group, while some of them are killed.
//!
//! Python's own `OwnershipManager` balances its side, ours balances our side; both surfaces run side by side, each with a
//! fleet of its own over one emulator.

mod aio;
mod blocking;
mod fleet;
mod member;
mod watcher;

use crate::support::azurite::Azurite;

/// Both surfaces in one test: they wait most of the time, and leave a thread to tests that need the processor. Their
/// emulator is their own, because the fleets of other tests keep the shared one busy. A consumer that waits for it for
/// seconds writes a checkpoint that others have passed.
#[test]
fn fleets_with_python_survive_kills_and_stops() {
    let azurite = &Azurite::start();
    std::thread::scope(|scope| {
        scope.spawn(|| fleet::survives_kills_and_stops("blocking", azurite, blocking::start));
        scope.spawn(|| fleet::survives_kills_and_stops("aio", azurite, aio::start));
    });
}
