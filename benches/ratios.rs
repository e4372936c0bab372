//! What the store costs beside the bare client that it uses, for the same signed requests over loopback.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --bench ratios` measures, and fails if a bound is not met. Without
//! `--bench`, as under `cargo test --benches`, each measurement runs a few times only, and only what holds on any machine
//! is asserted. A word after `--` keeps the rows that contain it.
//!
//! It is a harness of its own because criterion and divan measure one side after the other, and no processor time: here
//! both sides take turns, so that what else the machine does meets both.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

#[path = "ratios/instant.rs"]
mod instant;
#[path = "ratios/rows.rs"]
mod rows;
#[path = "ratios/run.rs"]
mod run;
#[path = "ratios/startup.rs"]
mod startup;
#[path = "ratios/surface.rs"]
mod surface;

use std::process::{Command, ExitCode};

use clean_environment as _;
use run::Run;
use support::measure::{Bounds, FULL, SMOKE};
use support::server::{Mode, SERVE};
use support::target::Work;
use surface::{Aio, Blocking, Surface};

/// The argument with which the bench shows that it can fail.
const IMPOSSIBLE: &str = "--impossible-bound";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    match arguments.first().map(String::as_str) {
        Some(SERVE) => support::server::serve().expect("the server ends well"),
        Some(startup::ONCE) => startup::once(&arguments[1], &arguments[2..]),
        Some(IMPOSSIBLE) => return exit_code(&impossible()),
        _ => {
            let is_full = has("--bench");
            let only = arguments.iter().find(|argument| !argument.starts_with('-'));
            let mut run = Run::new(if is_full { FULL } else { SMOKE }, only.cloned());
            everything(&mut run);
            let misses = run.finish();
            if is_full {
                println!("\n{} bounds are not met. {}", misses.len(), misses.join("; "));
                return exit_code(&misses);
            }
            check_that_it_can_fail();
        }
    }
    ExitCode::SUCCESS
}

fn everything(run: &mut Run) {
    instant::check_that_requests_are_equal();
    support::measure::print_header();
    let (one_thread, workers) = (Aio::one_thread(), Aio::workers());
    for surface in [&Blocking as &dyn Surface, &one_thread] {
        rows::sequential(run, surface);
        rows::others(run, surface);
        rows::tls(run, surface);
    }
    rows::sequential(run, &workers);
    rows::crowded(run, &Blocking);
    rows::crowded(run, &workers);
    for surface in [&one_thread, &workers] {
        rows::young_clients(run, surface);
    }
    instant::signing(run);
    instant::reading(run);
    startup::compare(run);
}

fn exit_code(misses: &[String]) -> ExitCode {
    if misses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A bound that nobody meets.
fn impossible() -> Vec<String> {
    let mut run = Run::new(SMOKE, None);
    let ports = run.listen(Mode::Plain);
    let (bare, store) = (Blocking.bare(&ports.bare), Blocking.store(&ports.store));
    let bounds = Bounds { wall: Some(0.0), cpu: None };
    let work = Work::Checkpoint;
    run.compare("nobody", bounds, &ports, &mut |it| bare(work, it), &mut |it| store(work, it));
    run.finish()
}

/// A bound that is missed, a ratio that is no number and a word that nothing contains must not pass.
fn check_that_it_can_fail() {
    assert!(support::measure::miss("no number", f64::NAN, Some(1.0)).is_some());
    let this = std::env::current_exe().expect("the path of the bench");
    for argument in [IMPOSSIBLE, "there is no such work"] {
        let output = Command::new(&this).arg(argument).output().expect("a process");
        assert!(!output.status.success(), "{argument:?} passes");
    }
}
