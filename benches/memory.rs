//! How often the store allocates, and how much memory a list needs at most, beside the bare clients.
//!
//! It is a bench of its own because counting takes time. The figures do not depend on the machine, so the bounds are
//! asserted.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

mod support;

use std::alloc::System;
use std::process::Command;
use std::time::Duration;

use cap::Cap;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::answers::Answers;
use support::server::{SERVE, Server};
use support::target::{LONG, SHORT, group};
use support::{aio, blocking};
use tokio::runtime::Runtime;

#[global_allocator]
static COUNTED: Cap<&StatsAlloc<System>> = Cap::new(&INSTRUMENTED_SYSTEM, usize::MAX);

/// The argument with which the bench starts itself to make one list.
const PEAK: &str = "--peak";

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(SERVE) => return support::server::serve().expect("the server ends well"),
        Some(PEAK) => return print_peak(&arguments[1], &arguments[2]),
        _ => {}
    }
    let mut server = Server::start();
    let port = server.listen(Duration::ZERO);
    allocations(port);
    peaks(port);
}

/// Allocations, reallocations included, and bytes per call, once connections stand.
fn allocations(port: u16) {
    const CALLS: u32 = 100;
    let count = |work: &dyn Fn(u32)| {
        work(10);
        let before = INSTRUMENTED_SYSTEM.stats();
        work(CALLS);
        let made = INSTRUMENTED_SYSTEM.stats() - before;
        let calls = CALLS as usize;
        ((made.allocations + made.reallocations) / calls, made.bytes_allocated / calls)
    };
    let runtime = runtime();
    let (ureq, reqwest) = (blocking::Bare::new(port), aio::Bare::new(port));
    let stores = (blocking::store(port, SHORT), aio::store(port, SHORT));
    let rows = [
        (
            "blocking",
            count(&|calls| ureq.checkpoints(calls)),
            count(&|calls| blocking::checkpoints(&stores.0, calls)),
        ),
        (
            "aio",
            count(&|calls| runtime.block_on(reqwest.checkpoints(calls))),
            count(&|calls| runtime.block_on(aio::checkpoints(&stores.1, calls))),
        ),
    ];
    for (surface, bare, store) in rows {
        println!(
            "{surface}: one checkpoint makes {} allocations of {} bytes, the bare client {} of {}",
            store.0, store.1, bare.0, bare.1
        );
        assert!(store.0 <= bare.0 + bare.0 / 2, "{surface}: many allocations");
    }
}

fn runtime() -> Runtime {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// What a list of 10,000 holds at most beyond its results, in processes of their own.
fn peaks(port: u16) {
    let page =
        Answers::prepare().page_bodies().map(<[u8]>::len).into_iter().max().unwrap_or_default();
    for surface in ["blocking", "aio"] {
        let this = std::env::current_exe().expect("the path of the bench");
        let output = Command::new(this).args([PEAK, surface, &port.to_string()]).output();
        let output = output.expect("a process");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<usize> =
            text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let (results, beyond) = (numbers[0], numbers[1]);
        println!(
            "{surface}: a list of 10,000 holds {} KiB of results and at most {} KiB beside them; a page has {} KiB",
            results / 1024,
            beyond / 1024,
            page / 1024
        );
        // The clients have buffers, too, and the vector of results doubles.
        assert!(beyond <= page + page / 4, "{surface}: more than a page beside the results");
    }
}

/// Prints the bytes of the results of a list, and how many more there were at the peak.
fn print_peak(surface: &str, port: &str) {
    let port = port.parse().expect("a port");
    let before = COUNTED.allocated();
    let (results, after) = match surface {
        "blocking" => {
            let store = blocking::store(port, LONG);
            let listing = store.list_checkpoints(&group()).expect("a list");
            let with = COUNTED.allocated();
            assert_eq!(listing.into_items().len(), 10_000);
            (with, COUNTED.allocated())
        }
        "aio" => runtime().block_on(async {
            let store = aio::store(port, LONG);
            let listing = store.list_checkpoints(&group()).await.expect("a list");
            let with = COUNTED.allocated();
            assert_eq!(listing.into_items().len(), 10_000);
            (with, COUNTED.allocated())
        }),
        _ => panic!("what is {surface}?"),
    };
    let results = results - after;
    println!("{results} {}", COUNTED.max_allocated() - before - results);
}
