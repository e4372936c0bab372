//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod delete;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod groups;
pub(crate) mod import;
pub(crate) mod lag;
pub(crate) mod man;
pub(crate) mod migrate;
pub(crate) mod release;
pub(crate) mod reset;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod watch;

use crate::args::Command;
use crate::exit::{Exit, Failure};
use crate::session::Session;

/// Runs a command; its result is its exit code.
pub(crate) fn run(command: Command, session: &mut Session) -> Result<Exit, Failure> {
    match command {
        Command::Groups(args) => groups::run(&args, session),
        Command::Show(args) => show::run(&args, session),
        Command::Lag(args) => lag::run(&args, session),
        Command::Watch(args) => watch::run(&args, session),
        Command::Check(args) => check::run(&args, session),
        Command::Serve(args) => serve::run(&args, session),
        Command::Reset(args) => reset::run(&args, session),
        Command::Delete(args) => delete::run(&args, session),
        Command::Release(args) => release::run(&args, session),
        Command::Export(args) => export::run(&args, session),
        Command::Import(args) => import::run(&args, session),
        Command::Copy(args) => copy::run(&args, session),
        Command::Migrate(args) => migrate::run(&args, session),
        Command::Doctor(args) => doctor::run(&args, session),
        Command::Completions(args) => completions::run(&args, session),
        Command::Man(args) => man::run(&args, session),
    }
}
