//! Figures that belong to the result of a test.

use std::io::{self, Write};

/// Shows a text in every run: `println!` would be captured, and only shown if the test fails.
pub fn show(text: &str) {
    let mut out = io::stdout().lock();
    // One write, so that no other test's line stands in between.
    let written = out.write_all(format!("\n{}\n", text.trim_end()).as_bytes());
    written.and_then(|()| out.flush()).expect("a test has an output");
}
