//! Our `EventHubConsumerClient` as a process: consumer (blocking | aio). The protocol is that of the consumers in
//! `tests/support/python` and `tests/support/javascript`.

mod options;
mod teller;
mod words;

mod aio;
mod blocking;

use std::io::{self, BufRead};
use std::sync::Arc;
use std::thread;

use eventhub_checkpointstore::processing::StopHandle;
use options::Options;
use teller::Teller;

fn main() {
    let surface = std::env::args().nth(1).unwrap_or_default();
    let mut lines = io::stdin().lock().lines();
    let line = lines.next().expect("the options").expect("UTF-8");
    let options = Options::parse(&line);
    let teller = Arc::new(Teller::new(&options));
    let run = match surface.as_str() {
        "aio" => aio::run,
        "blocking" => blocking::run,
        other => panic!("which surface is {other:?}?"),
    };
    drop(lines);
    run(&options, &teller);
    teller.end();
}

/// Stops the consumer at the next line; the process ends with its stdin.
fn stop_when_told(stop: StopHandle) {
    thread::spawn(move || {
        let mut line = String::new();
        match io::stdin().read_line(&mut line) {
            Ok(read) if read > 0 => stop.stop(),
            _ => std::process::exit(0),
        }
    });
}
