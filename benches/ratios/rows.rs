//! What is compared, and what must hold on any machine.

use std::time::Duration;

use crate::run::{Ports, Run};
use crate::surface::{Aio, Surface};
use support::aio;
use support::measure::Bounds;
use support::server::Mode;
use support::target::{List, Work};

const CHECKPOINT: Bounds = Bounds { wall: Some(1.15), cpu: Some(1.15) };
// 0.24 µs for a record is enough; a tighter bound would only measure the machine.
const SHORT_LIST: Bounds = wall(1.5);
const RENEW_FAR: Bounds = wall(1.15);
const RENEW_NEAR: Bounds = wall(1.3);
/// A throughput of 0.85.
const CALLERS: Bounds = wall(1.0 / 0.85);
const UNBOUND: Bounds = Bounds { wall: None, cpu: None };
const FAR: Duration = Duration::from_millis(5);

const fn wall(bound: f64) -> Bounds {
    Bounds { wall: Some(bound), cpu: None }
}

/// One caller, one call at a time.
pub fn sequential(run: &mut Run, surface: &dyn Surface) {
    bounded(run, surface, "", Mode::Plain);
}

fn bounded(run: &mut Run, surface: &dyn Surface, over: &str, mode: Mode) {
    let short = [
        ("one checkpoint", Work::Checkpoint, CHECKPOINT),
        ("list of 32", Work::List(List::Checkpoints), SHORT_LIST),
    ];
    let long = [("list of 10,000", Work::List(List::Long), wall(surface.long_list()))];
    let ports = one_caller(run, surface, mode);
    compare_all(run, surface, over, &short, &ports);
    // A page is on its way while it is read, so both cores have work.
    let ports = run.listen(mode);
    compare_all(run, surface, over, &long, &ports);
}

/// Ports for one call at a time.
fn one_caller(run: &mut Run, surface: &dyn Surface, mode: Mode) -> Ports {
    if surface.is_one_thread() { run.listen_on_one_core(mode) } else { run.listen(mode) }
}

fn compare_all(
    run: &mut Run,
    surface: &dyn Surface,
    over: &str,
    works: &[(&str, Work, Bounds)],
    ports: &Ports,
) {
    let (bare, store) = (surface.bare(&ports.bare), surface.store(&ports.store));
    for (what, work, bounds) in works {
        let name = format!("{}{over}: {what}", surface.name());
        let (bare, store) = (&bare, &store);
        run.compare(&name, *bounds, ports, &mut |it| bare(*work, it), &mut |it| store(*work, it));
    }
    expect_one_connection(run, surface, ports);
}

/// Operations that no bound is set for.
pub fn others(run: &mut Run, surface: &dyn Surface) {
    let works = [
        ("read one checkpoint", Work::ReadCheckpoint, UNBOUND),
        ("delete one checkpoint", Work::DeleteCheckpoint, UNBOUND),
        ("list of 32 ownerships", Work::List(List::Ownerships), UNBOUND),
        ("first claim", Work::FirstClaim, UNBOUND),
        ("renew or steal one", Work::Renew(1), UNBOUND),
        ("relinquish one", Work::Relinquish, UNBOUND),
        ("create the container", Work::CreateContainer, UNBOUND),
    ];
    let ports = one_caller(run, surface, Mode::Plain);
    compare_all(run, surface, "", &works, &ports);
    let empty = one_caller(run, surface, Mode::Empty);
    let first = [("first checkpoint", Work::FirstCheckpoint, UNBOUND)];
    compare_all(run, surface, "", &first, &empty);
}

/// Many requests at once.
pub fn crowded(run: &mut Run, surface: &dyn Surface) {
    let near = run.listen(Mode::Plain);
    renewals(run, surface, &[32], "0 ms", RENEW_NEAR, &near);
    let far = run.listen_far(FAR);
    renewals(run, surface, &[32, 1024], "5 ms", RENEW_FAR, &far);

    let ports = run.listen(Mode::Plain);
    let (bare, store) = (surface.bare_crowd(&ports.bare), surface.store_crowd(&ports.store));
    let name = format!("{}: 16 callers at once, 16 checkpoints", surface.name());
    run.compare(&name, CALLERS, &ports, &mut |it| bare(it), &mut |it| store(it));
}

fn renewals(
    run: &mut Run,
    surface: &dyn Surface,
    counts: &[usize],
    delay: &str,
    bounds: Bounds,
    ports: &Ports,
) {
    let (bare, store) = (surface.bare(&ports.bare), surface.store(&ports.store));
    for count in counts {
        let work = Work::Renew(*count);
        let name = format!("{}: renew {count} at {delay}", surface.name());
        run.compare(&name, bounds, ports, &mut |it| bare(work, it), &mut |it| store(work, it));
    }
    run.print_connections(&format!("{}, renewals at {delay}", surface.name()), ports);
}

/// The same over TLS; then every request needs a new connection, which resumes the session of the one before.
pub fn tls(run: &mut Run, surface: &dyn Surface) {
    bounded(run, surface, ", TLS", Mode::Tls);

    let once = run.listen(Mode::TlsOnce);
    let (bare, store) = (surface.bare(&once.bare), surface.store(&once.store));
    let name = format!("{}, TLS: one checkpoint, new connection", surface.name());
    let work = Work::Checkpoint;
    run.compare(&name, UNBOUND, &once, &mut |it| bare(work, it), &mut |it| store(work, it));
    for (who, counts) in run.counts(&once) {
        let expected = (counts.connections, counts.connections.saturating_sub(1));
        let handshakes = (counts.handshakes, counts.resumed);
        assert_eq!(handshakes, expected, "{name}: handshakes and resumed ones of the {who}");
    }
}

/// The connection of a sequential caller is the same from its first call to the last.
fn expect_one_connection(run: &mut Run, surface: &dyn Surface, ports: &Ports) {
    let name = format!("{}, one caller", surface.name());
    run.print_connections(&name, ports);
    for (who, counts) in run.counts(ports) {
        if surface.is_one_thread() && counts.requests > 0 {
            assert_eq!(counts.connections, 1, "{name}: connections of the {who}");
        }
        let is_tls = ports.store.ca_pem.is_some();
        let expected = if is_tls { counts.connections } else { 0 };
        assert_eq!(counts.handshakes, expected, "{name}: handshakes of the {who}");
    }
}

/// Whether a sequential caller gets its connection back is a race on several threads, which is new for each client.
pub fn young_clients(run: &mut Run, surface: &Aio) {
    let clients = run.clients();
    for is_task in [false, true] {
        let caller = if is_task { "a task" } else { "block_on" };
        let name = format!("{}: {clients} clients in {caller}, 20 checkpoints each", surface.name);
        if !run.wants(&name) {
            continue;
        }
        let ports = run.listen(Mode::Plain);
        for _ in 0..clients {
            let (bare, store) = (aio::Bare::new(&ports.bare), aio::Store::new(&ports.store));
            let work = async move {
                bare.repeat(Work::Checkpoint, 20).await;
                store.repeat(Work::Checkpoint, 20).await;
            };
            let runtime = &surface.runtime;
            if is_task {
                runtime.block_on(async { tokio::spawn(work).await.expect("the task ends well") });
            } else {
                runtime.block_on(work);
            }
        }
        run.print_connections(&name, &ports);
        let spare = run.counts(&ports)[1].1.connections - u64::from(clients);
        // Another thread may be late on a busy machine.
        let allowed = if surface.is_one_thread { 0 } else { u64::from(clients).div_ceil(10) };
        assert!(spare <= allowed, "{name}: {spare} spare connections of the store");
    }
}
