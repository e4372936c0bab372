//! The table of what was measured, and which bounds are not met.

use std::process::ExitCode;

use support::measure::miss;

#[derive(Default)]
pub struct Figures {
    misses: Vec<String>,
    has_header: bool,
}

impl Figures {
    /// Prints a row.
    pub fn add(&mut self, what: &str, value: f64, unit: &str, bound: Option<f64>) {
        if !std::mem::replace(&mut self.has_header, true) {
            println!("| {:<76} | {:>14} | {:>8} |", "what", "measured", "bound");
            println!("|{:-<78}|{:->16}|{:->10}|", "", ":", ":");
        }
        let digits = if value.fract() == 0.0 { 0 } else { 3 };
        let shown = format!("{value:.digits$} {unit}");
        let limit = bound.map_or_else(String::new, |bound| bound.to_string());
        println!("| {what:<76} | {:>14} | {limit:>8} |", shown.trim_end());
        self.misses.extend(miss(what, value, bound));
    }

    pub fn finish(self) -> ExitCode {
        println!("\n{} bounds are not met. {}", self.misses.len(), self.misses.join("; "));
        if self.misses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
