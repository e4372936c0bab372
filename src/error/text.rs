//! The texts of errors: `Display` for users, `Debug` for a `main` that returns one.

use std::error::Error as StdError;
use std::fmt;

use super::{Applied, Error};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(action) = &inner.action {
            write!(f, "could not {action}: ")?;
        }
        inner.kind.fmt(f)?;
        if !inner.message.is_empty() {
            write!(f, ": {}", inner.message)?;
        }
        let details = [
            ("status", inner.status.map(|status| status.to_string())),
            ("code", inner.code.clone()),
            ("request id", inner.request_id.clone()),
            ("container", inner.container.clone()),
            ("blob", inner.blob.clone()),
        ];
        let mut separator = " (";
        for (name, value) in details {
            if let Some(value) = value {
                write!(f, "{separator}{name} {value}")?;
                separator = ", ";
            }
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        if inner.applied.is_unknown() {
            f.write_str("; it is unknown whether the write was applied")?;
        }
        Ok(())
    }
}

/// The text of `Display` with its causes, because a `main` that returns an error prints this. `{:#?}` has the fields
/// that are set, one a line.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.fields(f);
        }
        fmt::Display::fmt(self, f)?;
        let mut cause = StdError::source(self);
        while let Some(error) = cause {
            write!(f, "; caused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error {
    fn fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut fields = f.debug_struct("Error");
        fields.field("kind", &inner.kind);
        let texts = [
            ("action", inner.action.as_deref()),
            ("message", Some(&*inner.message).filter(|text| !text.is_empty())),
            ("code", self.code()),
            ("request_id", self.request_id()),
            ("container", self.container()),
            ("blob", self.blob()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                fields.field(name, &text);
            }
        }
        if let Some(status) = inner.status {
            fields.field("status", &status);
        }
        if inner.applied != Applied::No {
            fields.field("applied", &inner.applied);
        }
        if let Some(source) = &inner.source {
            fields.field("source", source);
        }
        fields.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn display_shows_the_action_the_response_and_the_blob() {
        let error = Error::new(ErrorKind::Rejected, "")
            .with_action("update the checkpoint")
            .with_status(400)
            .with_code("InvalidHeaderValue")
            .with_request_id("r-1")
            .with_blob("ns/hub/g/checkpoint/0");
        assert_eq!(
            error.to_string(),
            "could not update the checkpoint: the service refused the request (status 400, code \
             InvalidHeaderValue, request id r-1, blob ns/hub/g/checkpoint/0)"
        );
    }

    #[test]
    fn the_cause_is_the_source_and_not_in_the_text() {
        let error = Error::new(ErrorKind::Network, "").with_source(std::io::Error::other("reset"));
        assert_eq!(error.to_string(), "the connection failed");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("reset"));
    }

    /// `fn main() -> Result<(), Box<dyn std::error::Error>>` prints it.
    #[test]
    fn debug_is_the_text_with_its_causes() {
        let cause = Error::new(ErrorKind::Other, "the wire is cut")
            .with_source(std::io::Error::other("reset"));
        let error = Error::new(ErrorKind::Network, "")
            .with_action("list blobs")
            .with_container("checkpoints")
            .with_applied(Applied::Unknown)
            .with_source(cause);
        let boxed: Box<dyn StdError> = Box::new(error);
        assert_eq!(
            format!("{boxed:?}"),
            "could not list blobs: the connection failed (container checkpoints); it is unknown whether the write was \
             applied; caused by: failed: the wire is cut; caused by: reset"
        );
        assert_eq!(
            format!("{:?}", Error::invalid_input("a")),
            Error::invalid_input("a").to_string(),
            "nothing that is not set is shown"
        );
    }

    #[test]
    fn the_alternate_debug_has_the_fields_that_are_set() {
        let shown = format!("{:#?}", Error::new(ErrorKind::Rejected, "").with_status(400));
        assert_eq!(shown, "Error {\n    kind: Rejected,\n    status: 400,\n}");
        let shown = format!(
            "{:#?}",
            Error::new(ErrorKind::Network, "m").with_applied(Applied::Yes).with_blob("b")
        );
        for part in ["message: \"m\"", "blob: \"b\"", "applied: Yes"] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn hints_follow_the_message() {
        let error = Error::new(ErrorKind::AccessDenied, "").with_hint("one").with_hint("two");
        assert_eq!(error.to_string(), "access denied: one; two");
    }
}
