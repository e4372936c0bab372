//! The library's log lines on stderr, for `-v`.

use std::io::Write as _;

struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // Below debug the HTTP client shows whole requests, secrets included.
        metadata.level() <= log::Level::Debug
            && metadata.target().starts_with("eventhub_checkpoint")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_lowercase();
            // Nobody is left to be told.
            let _ = writeln!(std::io::stderr(), "{level}: {}", record.args());
        }
    }

    fn flush(&self) {}
}

pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => log::LevelFilter::Error,
        1 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    // In a test there is one already.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}
