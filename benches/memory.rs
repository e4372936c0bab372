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

use std::alloc::System;
use std::process::Command;
use std::time::Duration;

use cap::Cap;
use clean_environment as _;
use eventhub_checkpointstore::{Checkpoint, Listing};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::answers::Answers;
use support::server::{Mode, Place, SERVE, Server};
use support::target::{Endpoint, List, Work};
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
        Some(PEAK) => return print_peak(&arguments[1], &arguments[2..]),
        _ => {}
    }
    let mut server = Server::start();
    let endpoint = server.listen(Mode::Plain, Duration::ZERO, Place::Anywhere);
    allocations(&endpoint);
    peaks(&endpoint);
}

/// Allocations, reallocations included, and bytes per call, once connections stand.
fn allocations(endpoint: &Endpoint) {
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
    let work = Work::Checkpoint;
    let (ureq, reqwest) = (blocking::Bare::new(endpoint), aio::Bare::new(endpoint));
    let stores = (blocking::Store::new(endpoint), aio::Store::new(endpoint));
    let rows = [
        (
            "blocking",
            count(&|calls| ureq.repeat(work, calls)),
            count(&|calls| stores.0.repeat(work, calls)),
        ),
        (
            "aio",
            count(&|calls| runtime.block_on(reqwest.repeat(work, calls))),
            count(&|calls| runtime.block_on(stores.1.repeat(work, calls))),
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

/// What is held while a page comes, and never the page: ureq has two buffers of 128 KiB for a connection, of which pieces
/// of 64 KiB are taken, hyper pieces of up to 408 KiB, of which some are on their way from the connection to the body, and
/// both the request, the answer's head and what runs them, which is more in a build that is not optimised.
const UREQ_BUFFERS: usize = (2 * 128 + 64 + 32) * 1024;
const HYPER_BUFFERS: usize = (3 * 408 + 96) * 1024;

/// What a list of 10,000 holds at most beyond its results, each in a separate process.
fn peaks(endpoint: &Endpoint) {
    let page =
        Answers::prepare().page_bodies().map(<[u8]>::len).into_iter().max().unwrap_or_default();
    for (who, buffers) in [
        ("ureq", None),
        ("blocking", Some(UREQ_BUFFERS)),
        ("reqwest", None),
        ("aio", Some(HYPER_BUFFERS)),
    ] {
        let this = std::env::current_exe().expect("the path of the bench");
        let output = Command::new(this).args([PEAK, who]).args(endpoint.arguments()).output();
        let output = output.expect("a process");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        let numbers: Vec<usize> =
            text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        let [results, beyond, resident] = numbers[..] else { panic!("three numbers: {text}") };
        println!(
            "{who}: a list of 10,000 holds {} KiB of results and at most {} KiB beside them; a page has {} KiB; the whole \
             process {} KiB at most",
            results / 1024,
            beyond / 1024,
            page / 1024,
            resident / 1024
        );
        if let Some(buffers) = buffers {
            assert!(beyond <= buffers, "{who}: more than its buffers beside the results");
        }
    }
}

/// Prints the bytes of the results of a list, how many more there were at the peak, and the process's resident memory
/// at its own.
fn print_peak(who: &str, endpoint: &[String]) {
    let endpoint = Endpoint::from_arguments(endpoint);
    let work = Work::List(List::Long);
    let (before, results) = match who {
        "ureq" => {
            let (bare, before) = (blocking::Bare::new(&endpoint), COUNTED.allocated());
            bare.repeat(work, 1);
            (before, 0)
        }
        "blocking" => {
            let (store, before) = (blocking::Store::new(&endpoint), COUNTED.allocated());
            (before, size_of_results(store.long_list()))
        }
        "reqwest" => runtime().block_on(async {
            let (bare, before) = (aio::Bare::new(&endpoint), COUNTED.allocated());
            bare.repeat(work, 1).await;
            (before, 0)
        }),
        "aio" => runtime().block_on(async {
            let (store, before) = (aio::Store::new(&endpoint), COUNTED.allocated());
            (before, size_of_results(store.long_list().await))
        }),
        _ => panic!("who is {who}?"),
    };
    println!("{results} {} {}", COUNTED.max_allocated() - before - results, resident_peak());
}

/// Without the room that the vector has for more: that is not a result.
fn size_of_results(listing: Listing<Checkpoint>) -> usize {
    let mut items = listing.into_items();
    items.shrink_to_fit();
    let with = COUNTED.allocated();
    assert_eq!(items.len(), 10_000);
    drop(items);
    with - COUNTED.allocated()
}

/// As Linux counts it; elsewhere 0.
fn resident_peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.unwrap_or(0) * 1024
}
