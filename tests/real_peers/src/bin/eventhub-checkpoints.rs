//! The command line tool: a test can start only programs of its own package.

fn main() -> std::process::ExitCode {
    eventhub_checkpoints::main()
}
