//! Microsoft's clients for Python and JavaScript beside ours: how many events a consumer receives in a second, and how long
//! a partition waits for its next owner.
//!
//! ```sh
//! cargo bench --manifest-path tests/real_peers/Cargo.toml --bench peers              # both
//! cargo bench --manifest-path tests/real_peers/Cargo.toml --bench peers -- takeover
//! ```
//!
//! `receive` fails if ours receives less than ten times as many events a second as Python's.
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench ends at the first error"
)]

#[path = "../../tests/real_peers/tests/peers/bed.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod bed;
#[path = "../../tests/real_peers/tests/peers/peer.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod peer;
#[path = "../../tests/support/mod.rs"]
mod support;

mod receive;
mod takeover;

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name| wanted.is_empty() || wanted.iter().any(|word| word == name);
    let is_fast = !is_wanted("receive") || receive::run();
    if is_wanted("takeover") {
        takeover::run();
    }
    if !is_fast {
        std::process::exit(1);
    }
}
