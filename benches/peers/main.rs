//! Microsoft's clients for Python and JavaScript beside ours: how many events a consumer receives in a second, and how long
//! a partition waits for its next owner.
//!
//! ```sh
//! cargo bench --manifest-path tests/real_peers/Cargo.toml --bench peers              # both
//! cargo bench --manifest-path tests/real_peers/Cargo.toml --bench peers -- takeover
//! ```
//!
//! It only measures; nothing depends on the figures.
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
    let benches: [(&str, fn()); 2] = [("receive", receive::run), ("takeover", takeover::run)];
    for (name, bench) in benches {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            bench();
        }
    }
}
