//! What the store costs beside the bare client that it uses, for the same signed requests over loopback.
//!
//! `cargo bench --bench ratios` measures; without `--bench`, as under `cargo test --benches`, every work only runs once
//! or twice. A word after `--` keeps the works that contain it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

#[path = "support/instant.rs"]
mod instant;
#[path = "support/measure.rs"]
mod measure;
#[path = "support/startup.rs"]
mod startup;
mod support;

use std::sync::Arc;
use std::time::Duration;

use measure::{Bounds, Effort, Side};
use support::server::{SERVE, Server};
use support::target::{LONG, SHORT, group, ownerships};
use support::{aio, blocking};
use tokio::runtime::Runtime;

/// What is asked for, and what came out.
struct Run {
    effort: Effort,
    only: Option<String>,
    misses: Vec<String>,
}

impl Run {
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    fn compare(&mut self, name: &str, bounds: Bounds, bare: Side<'_>, store: Side<'_>) {
        if self.wants(name) {
            self.misses.extend(measure::compare(name, self.effort, bounds, bare, store).misses());
        }
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(SERVE) => return support::server::serve().expect("the server ends well"),
        Some(startup::ONCE) => return startup::once(&arguments[1], &arguments[2]),
        _ => {}
    }
    let is_full = arguments.iter().any(|argument| argument == "--bench");
    let only = arguments.into_iter().find(|argument| !argument.starts_with('-'));
    let effort = if is_full { measure::FULL } else { measure::SMOKE };
    let mut run = Run { effort, only, misses: Vec::new() };
    let mut server = Server::start();

    instant::check_that_signatures_are_equal();
    measure::print_header();
    for surface in [blocking_rows, aio_rows] {
        surface(&mut run, &mut server);
    }
    run.misses.extend(instant::signing(run.effort, &|name| run.wants(name)));
    instant::reading(run.effort, &|name| run.wants(name));
    run.misses.extend(startup::compare(run.effort, &mut server, &|name| run.wants(name)));
    if is_full {
        println!("\n{} bounds are not met. {}", run.misses.len(), run.misses.join("; "));
    }
}

const CHECKPOINT: Bounds = Bounds { wall: 1.15, cpu: Some(1.15) };
const SHORT_LIST: Bounds = Bounds { wall: 1.3, cpu: None };
const RENEW_FAR: Bounds = Bounds { wall: 1.15, cpu: None };
const RENEW_NEAR: Bounds = Bounds { wall: 1.3, cpu: None };
/// A throughput of 0.85.
const CALLERS: Bounds = Bounds { wall: 1.0 / 0.85, cpu: None };
const FAR: Duration = Duration::from_millis(5);

fn blocking_rows(run: &mut Run, server: &mut Server) {
    let group = group();
    let mut ports = |delay| (server.listen(delay), server.listen(delay));
    let near = ports(Duration::ZERO);
    let far = ports(FAR);
    let crowd = ports(Duration::ZERO);

    let (bare, store) = (blocking::Bare::new(near.0), blocking::store(near.1, SHORT));
    run.compare(
        "blocking: one checkpoint",
        CHECKPOINT,
        &mut |count| bare.checkpoints(count),
        &mut |count| blocking::checkpoints(&store, count),
    );
    run.compare(
        "blocking: list of 32",
        SHORT_LIST,
        &mut |count| (0..count).for_each(|_| bare.list(SHORT, 32)),
        &mut |count| (0..count).for_each(|_| blocking::list(&store, &group, 32)),
    );
    let long = blocking::store(near.1, LONG);
    run.compare(
        "blocking: list of 10,000",
        Bounds { wall: 1.6, cpu: None },
        &mut |count| (0..count).for_each(|_| bare.list(LONG, 10_000)),
        &mut |count| (0..count).for_each(|_| blocking::list(&long, &group, 10_000)),
    );
    let (bare, store) = (blocking::Bare::new(crowd.0), blocking::store(crowd.1, SHORT));
    let ownerships = ownerships(1024);
    run.compare(
        "blocking: renew 32 at 0 ms",
        RENEW_NEAR,
        &mut |count| (0..count).for_each(|_| bare.renew(32)),
        &mut |count| (0..count).for_each(|_| blocking::renew(&store, &ownerships[..32])),
    );
    run.compare(
        "blocking: 16 callers at once, 16 checkpoints",
        CALLERS,
        &mut |count| blocking::at_once(16, || bare.checkpoints(count)),
        &mut |count| blocking::at_once(16, || blocking::checkpoints(&store, count)),
    );
    let (bare, store) = (blocking::Bare::new(far.0), blocking::store(far.1, SHORT));
    for partitions in [32, 1024] {
        run.compare(
            &format!("blocking: renew {partitions} at 5 ms"),
            RENEW_FAR,
            &mut |count| (0..count).for_each(|_| bare.renew(partitions)),
            &mut |count| {
                (0..count).for_each(|_| blocking::renew(&store, &ownerships[..partitions]))
            },
        );
    }
}

fn aio_rows(run: &mut Run, server: &mut Server) {
    let current = tokio::runtime::Builder::new_current_thread().enable_all().build();
    sequential_aio_rows(run, server, "one thread", &current.expect("a runtime"));
    let workers = Runtime::new().expect("a runtime");
    sequential_aio_rows(run, server, "workers", &workers);
    crowded_aio_rows(run, server, &workers);
}

/// On one thread the client's own costs show; workers are what `#[tokio::main]` makes.
fn sequential_aio_rows(run: &mut Run, server: &mut Server, kind: &str, runtime: &Runtime) {
    let group = group();
    let [ports, long] =
        [0, 1].map(|_| (server.listen(Duration::ZERO), server.listen(Duration::ZERO)));
    let (bare, store) = (aio::Bare::new(ports.0), aio::store(ports.1, SHORT));
    run.compare(
        &format!("aio, {kind}: one checkpoint"),
        CHECKPOINT,
        &mut |count| runtime.block_on(bare.checkpoints(count)),
        &mut |count| runtime.block_on(aio::checkpoints(&store, count)),
    );
    run.compare(
        &format!("aio, {kind}: list of 32"),
        SHORT_LIST,
        &mut |count| (0..count).for_each(|_| runtime.block_on(bare.list(SHORT, 32))),
        &mut |count| (0..count).for_each(|_| runtime.block_on(aio::list(&store, &group, 32))),
    );
    print_connections(server, &format!("aio, {kind}, one caller at a time"), ports.0, ports.1);
    let (bare, store) = (aio::Bare::new(long.0), aio::store(long.1, LONG));
    run.compare(
        &format!("aio, {kind}: list of 10,000"),
        Bounds { wall: 1.3, cpu: None },
        &mut |count| (0..count).for_each(|_| runtime.block_on(bare.list(LONG, 10_000))),
        &mut |count| (0..count).for_each(|_| runtime.block_on(aio::list(&store, &group, 10_000))),
    );
    print_connections(server, &format!("aio, {kind}, long lists"), long.0, long.1);
    young_clients(run, server, kind, runtime);
}

/// Whether a sequential caller gets its connection back is a race, which is new for each client.
fn young_clients(run: &Run, server: &mut Server, kind: &str, runtime: &Runtime) {
    for is_task in [false, true] {
        let caller = if is_task { "a task" } else { "block_on" };
        let name = format!("aio, {kind}: 50 clients in {caller}, 20 checkpoints each");
        if !run.wants(&name) {
            continue;
        }
        let ports = (server.listen(Duration::ZERO), server.listen(Duration::ZERO));
        for _ in 0..50 {
            let (bare, store) = (aio::Bare::new(ports.0), aio::store(ports.1, SHORT));
            let work = async move {
                bare.checkpoints(20).await;
                aio::checkpoints(&store, 20).await;
            };
            if is_task {
                runtime.block_on(async { tokio::spawn(work).await.expect("the task ends well") });
            } else {
                runtime.block_on(work);
            }
        }
        print_connections(server, &name, ports.0, ports.1);
    }
}

/// How many connections were opened, which tells what the pool is worth.
fn print_connections(server: &mut Server, callers: &str, bare: u16, store: u16) {
    let (bare, store) = (server.counts(bare), server.counts(store));
    if bare.0 > 0 {
        println!(
            "{callers}: bare client {} connections for {} requests, store {} for {}",
            bare.0, bare.1, store.0, store.1
        );
    }
}

fn crowded_aio_rows(run: &mut Run, server: &mut Server, runtime: &Runtime) {
    let near = (server.listen(Duration::ZERO), server.listen(Duration::ZERO));
    let far = (server.listen(FAR), server.listen(FAR));
    let ownerships = ownerships(1024);
    let (bare, store) = (aio::Bare::new(near.0), aio::store(near.1, SHORT));
    run.compare(
        "aio, workers: renew 32 at 0 ms",
        RENEW_NEAR,
        &mut |count| (0..count).for_each(|_| runtime.block_on(bare.renew(32))),
        &mut |count| {
            (0..count).for_each(|_| runtime.block_on(aio::renew(&store, &ownerships[..32])));
        },
    );
    let (shared_bare, shared_store) = (Arc::new(bare), Arc::new(store));
    run.compare(
        "aio, workers: 16 callers at once, 16 checkpoints",
        CALLERS,
        &mut |count| {
            runtime.block_on(aio::at_once(16, || {
                let bare = shared_bare.clone();
                async move { bare.checkpoints(count).await }
            }));
        },
        &mut |count| {
            runtime.block_on(aio::at_once(16, || {
                let store = shared_store.clone();
                async move { aio::checkpoints(&store, count).await }
            }));
        },
    );
    let (bare, store) = (aio::Bare::new(far.0), aio::store(far.1, SHORT));
    for partitions in [32, 1024] {
        run.compare(
            &format!("aio, workers: renew {partitions} at 5 ms"),
            RENEW_FAR,
            &mut |count| (0..count).for_each(|_| runtime.block_on(bare.renew(partitions))),
            &mut |count| {
                (0..count)
                    .for_each(|_| runtime.block_on(aio::renew(&store, &ownerships[..partitions])));
            },
        );
    }
    print_connections(server, "aio, workers, 16 at once, 0 ms", near.0, near.1);
    print_connections(server, "aio, workers, 16 at once, 5 ms", far.0, far.1);
}
