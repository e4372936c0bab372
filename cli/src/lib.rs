//! See, mend and move the checkpoints of Azure Event Hubs consumers.
//!
//! `core` decides, `storage` and `hub` read and write, `commands` puts both together, `output` shows it.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )
)]

mod args;
mod change;
mod commands;
pub mod console;
mod core;
pub mod exit;
pub mod hub;
mod logger;
mod output;
mod parallel;
pub mod progress;
pub mod session;
mod sign_in;
pub mod storage;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;

pub use crate::core::partition::{HubPartition, HubPartitions};
use args::Cli;
use console::Console;
use exit::Exit;
use hub::HubData;
use session::Session;
use storage::Storage;

/// What a run stands on; the tests have their own.
pub struct World {
    pub console: Console,
    /// The environment variables.
    pub vars: session::Vars,
    /// Set when the run is to end early.
    pub interrupted: Arc<AtomicBool>,
    /// This machine's clock.
    pub clock: fn() -> std::time::SystemTime,
    /// Takes the place of the container that flags and environment name.
    pub storage: Option<Storage>,
    /// Takes the place of the event hub.
    pub hub: Option<Arc<dyn HubData>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("console", &self.console).finish_non_exhaustive()
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    // A second Ctrl-C ends it at once. Without a handler the first one does, which is no worse.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            commands::watch::screen::give_back();
            std::process::exit(i32::from(Exit::Interrupted as u8));
        }
    });
    let world = World {
        console: Console::of_the_process(),
        vars: Box::new(|name| std::env::var(name).ok()),
        interrupted,
        clock: std::time::SystemTime::now,
        storage: None,
        hub: None,
    };
    ExitCode::from(run(std::env::args_os(), world) as u8)
}

/// Runs one command line.
pub fn run(args: impl IntoIterator<Item = OsString>, world: World) -> Exit {
    let World { mut console, vars, interrupted, clock, storage, hub } = world;
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            console.complain(error.to_string().trim_end());
            return Exit::Usage;
        }
        Err(help) => {
            // A closed pipe is nobody's mistake.
            let _ = console.print(&format!("{}\n", help.to_string().trim_end()));
            return Exit::Done;
        }
    };
    console.is_quiet = cli.global.quiet;
    logger::start(cli.global.verbose);
    let mut session = Session::new(cli.global, console, vars, interrupted, clock, storage, hub);
    match commands::run(cli.command, &mut session) {
        Ok(_) if session.is_interrupted() => Exit::Interrupted,
        Ok(exit) => exit,
        Err(failure) => {
            session.console.complain(&format!("error: {failure}"));
            failure.exit
        }
    }
}
