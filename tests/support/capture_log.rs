//! The log records of this process.

use std::sync::{Mutex, Once, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Line {
    level: Level,
    is_ours: bool,
    text: String,
}

struct Capture(Mutex<Vec<Line>>);

static CAPTURE: Capture = Capture(Mutex::new(Vec::new()));

/// Begins to capture, once per process; tests run side by side, so look for what names your own blobs.
///
/// All of this crate, and of every other one what stands at the levels that the documentation allows.
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
    lines.iter().map(|line| format!("{}\n", line.text)).collect()
}

/// The lines of this crate so far that contain a text, with their levels.
pub fn lines_with(text: &str) -> Vec<(Level, String)> {
    let lines = CAPTURE.0.lock().unwrap_or_else(PoisonError::into_inner);
    let ours = lines.iter().filter(|line| line.is_ours && line.text.contains(text));
    ours.map(|line| (line.level, line.text.clone())).collect()
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("eventhub_checkpointstore")
}

impl Log for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_ours(metadata) || metadata.level() <= Level::Debug
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let (level, is_ours) = (record.level(), is_ours(record.metadata()));
            let text = format!("{level} {} {}", record.target(), record.args());
            let line = Line { level, is_ours, text };
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    fn flush(&self) {}
}
