//! How far long work has come, on a terminal.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that is done sooner needs no bar.
const QUICK: Duration = Duration::from_secs(1);

/// A bar on stderr, which appears once the work takes long and goes away at its end.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// When it appears; `None` where it has appeared or never does.
    due: Mutex<Option<Instant>>,
}

impl Progress {
    /// Shows nothing.
    pub fn none() -> Self {
        Self { bar: ProgressBar::hidden(), due: Mutex::new(None) }
    }

    pub(crate) fn on_a_terminal(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        // No colors: nothing here is good or bad.
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}, {eta} left") {
            bar.set_style(style.progress_chars("##-"));
        }
        bar.set_message(what);
        Self { bar, due: Mutex::new(Some(Instant::now() + QUICK)) }
    }

    /// How much there is to do.
    pub fn begin(&self, count: usize) {
        self.bar.set_length(count as u64);
    }

    /// One more thing is done.
    pub fn step(&self) {
        self.bar.inc(1);
        let mut due = self.due.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if due.is_some_and(|due| Instant::now() >= due) {
            *due = None;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
