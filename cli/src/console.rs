//! Where the tool reads and writes: data to stdout, all else to stderr, questions only on a terminal.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};

/// The streams of a run.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of a stream")]
pub struct Console {
    pub out: Box<dyn Write>,
    pub err: Box<dyn Write>,
    pub input: Box<dyn BufRead>,
    pub out_is_terminal: bool,
    pub err_is_terminal: bool,
    /// Somebody is there who can be asked.
    pub can_ask: bool,
    pub is_quiet: bool,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("can_ask", &self.can_ask).finish_non_exhaustive()
    }
}

impl Console {
    pub fn of_the_process() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(BufReader::new(io::stdin())),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            can_ask: io::stdin().is_terminal() && io::stderr().is_terminal(),
            is_quiet: false,
        }
    }

    /// Writes data.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Says something beside the data, unless it is to be quiet.
    pub fn say(&mut self, text: &str) {
        if !self.is_quiet {
            self.complain(text);
        }
    }

    /// Says something that must be heard.
    pub fn complain(&mut self, text: &str) {
        // Nobody is left to be told.
        let _ = writeln!(self.err, "{text}").and_then(|()| self.err.flush());
    }

    /// Asks a question that `y` or `yes` answers.
    pub fn ask(&mut self, question: &str) -> io::Result<bool> {
        write!(self.err, "{question} [y/N] ")?;
        self.err.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}
