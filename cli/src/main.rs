//! `eventhub-checkpoints`: see, mend and move the checkpoints of Event Hubs consumers.

use std::process::ExitCode;

fn main() -> ExitCode {
    eventhub_checkpoints::main()
}
