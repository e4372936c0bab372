//! How a command ends: the exit codes, and failures with what to do next.

use std::error::Error as _;
use std::fmt;

use eventhub_checkpointstore::{Error, ErrorKind};

/// The exit codes. Scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, or a dry run that would work.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Nothing was found.
    NothingFound = 3,
    /// Refused; nothing was changed.
    Refused = 4,
    /// A part was changed.
    Partly = 5,
    /// A threshold was exceeded, or something was found.
    Findings = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why a command ended early.
#[derive(Debug, Clone)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn nothing(message: impl Into<String>) -> Self {
        Self::new(Exit::NothingFound, message)
    }

    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::Configuration => Exit::Usage,
            _ => Exit::Failed,
        };
        let failure = Self::new(exit, with_causes(&error));
        match error.kind() {
            ErrorKind::AccessDenied => failure.with_hint(
                "The credential needs the role Storage Blob Data Reader, or Storage Blob Data Contributor to write.",
            ),
            ErrorKind::ContainerNotFound => {
                failure.with_hint("Check --container and the storage account.")
            }
            _ => failure,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

/// An error with its causes on one line.
pub fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
