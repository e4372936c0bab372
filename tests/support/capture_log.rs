//! What was logged in this process.

use std::sync::{Mutex, Once, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Capture(Mutex<Vec<(Level, String)>>);

static CAPTURE: Capture = Capture(Mutex::new(Vec::new()));

/// Begins to capture, once per process; tests run side by side, so look for what names your own blobs.
pub fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        log::set_logger(&CAPTURE).expect("the only logger");
        log::set_max_level(LevelFilter::Trace);
    });
}

/// All lines so far, with level and target.
pub fn text() -> String {
    let lines = CAPTURE.0.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().map(|(_, line)| format!("{line}\n")).collect()
}

/// The lines so far that contain a text, with their levels.
pub fn lines_with(text: &str) -> Vec<(Level, String)> {
    let lines = CAPTURE.0.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|(_, line)| line.contains(text)).cloned().collect()
}

impl Log for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("eventhub_checkpointstore")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {} {}", record.level(), record.target(), record.args());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((record.level(), line));
        }
    }

    fn flush(&self) {}
}
