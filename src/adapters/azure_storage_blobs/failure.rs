//! Converts the SDK's errors.

use std::error::Error as _;

use azure_core_0_21::error::{Error as SdkError, ErrorKind as SdkKind};

use crate::error::{Applied, Error, ErrorKind};
use crate::protocol::ServiceFailure;

pub(super) fn failure(error: &SdkError, is_write: bool) -> Error {
    let kind = match error.kind() {
        SdkKind::HttpResponse { status, error_code } => {
            let failure = ServiceFailure::from_status(u16::from(*status), error_code.as_deref());
            // The SDK retries without reporting it, so the conflict may be with an earlier attempt of the same write.
            let is_conflict = failure.kind() == ErrorKind::ConditionNotMet;
            let unknown = is_write && (is_conflict || failure.applied().is_unknown());
            return failure.into_error().with_applied(Applied::unknown_if(unknown));
        }
        SdkKind::Io => ErrorKind::Network,
        // The response arrived, but the SDK cannot read it.
        SdkKind::DataConversion => ErrorKind::InvalidResponse,
        SdkKind::Credential => {
            return Error::new(ErrorKind::Credential, "").with_source(causes(error));
        }
        _ => ErrorKind::Other,
    };
    Error::new(kind, "").with_source(causes(error)).with_applied(Applied::unknown_if(is_write))
}

pub(super) fn timed_out(is_write: bool) -> Error {
    Error::new(ErrorKind::Timeout, "the call's deadline has passed")
        .with_applied(Applied::unknown_if(is_write))
}

/// Returns the messages of an error and its causes, without a possible SAS: errors of HTTP clients show URLs.
fn causes(error: &SdkError) -> String {
    let mut text = first_line(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&first_line(&cause.to_string()));
        source = cause.source();
    }
    text
}

/// The SDK shows whole responses on further lines.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let words: Vec<_> = line.split(' ').map(without_query).collect();
    words.join(" ")
}

fn without_query(word: &str) -> &str {
    match word.split_once('?') {
        Some((url, _)) if url.contains("://") => url,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use azure_core_0_21::StatusCode;

    use super::*;

    #[test]
    fn no_cause_shows_a_sas() {
        let inner = std::io::Error::other(
            "no response from (https://a.example/c/b?sv=1&sig=SECRET)\nsig=SECRET",
        );
        let error = SdkError::full(SdkKind::Io, inner, "GET https://a.example/c?sig=SECRET failed");
        let error = failure(&error, true);
        assert_eq!(error.kind(), ErrorKind::Network);
        assert!(error.is_outcome_unknown());
        let source = error.source().unwrap().to_string();
        assert_eq!(
            source,
            "GET https://a.example/c failed: no response from (https://a.example/c/b"
        );
        assert!(!format!("{error:?}").contains("SECRET"));
    }

    #[test]
    fn responses_get_the_same_kinds_as_with_our_own_client() {
        for (status, code, kind, unknown) in [
            (StatusCode::NotFound, "BlobNotFound", ErrorKind::BlobNotFound, false),
            (StatusCode::NotFound, "ContainerNotFound", ErrorKind::ContainerNotFound, false),
            (StatusCode::Conflict, "BlobAlreadyExists", ErrorKind::ConditionNotMet, true),
            (StatusCode::PreconditionFailed, "ConditionNotMet", ErrorKind::ConditionNotMet, true),
            (StatusCode::InternalServerError, "InternalError", ErrorKind::Service, true),
            (StatusCode::ServiceUnavailable, "ServerBusy", ErrorKind::Throttled, false),
        ] {
            let sdk = SdkKind::http_response(status, Some(code.into())).into_error();
            let error = failure(&sdk, true);
            assert_eq!((error.kind(), error.is_outcome_unknown()), (kind, unknown), "{code}");
            assert_eq!(error.code(), Some(code));
            assert!(!failure(&sdk, false).is_outcome_unknown());
        }
    }
}
