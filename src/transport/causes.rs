//! Classifies errors by their causes, which the clients only provide as boxes and texts.

use std::error::Error as StdError;
use std::io;

type Cause = dyn StdError + 'static;

/// Returns whether the next attempt would fail in the same way: an untrusted certificate, a peer without TLS, a proxy that
/// asks for a password.
pub(super) fn is_permanent(error: &Cause) -> bool {
    any(error, |cause| {
        #[cfg(feature = "_rustls")]
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            use rustls::Error::{InvalidCertificate, InvalidMessage, PeerIncompatible};
            return matches!(
                error,
                InvalidCertificate(_) | InvalidMessage(_) | PeerIncompatible(_)
            );
        }
        let text = cause.to_string().to_ascii_lowercase();
        PERMANENT.iter().any(|part| text.contains(part))
    })
}

/// Parts of the messages of TLS libraries and clients that have no error type to check.
const PERMANENT: [&str; 4] =
    ["certificate verify failed", "not trusted", "proxy authorization required", " 407"];

/// Returns whether the handshake failed because the server's certificate is not trusted. No byte of the request was sent
/// then.
#[cfg(feature = "ureq")]
pub(super) fn is_untrusted(error: &Cause) -> bool {
    #[cfg(feature = "_rustls")]
    return any(error, |cause| {
        matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
    });
    #[cfg(not(feature = "_rustls"))]
    return any(error, |cause| cause.to_string().contains("certificate verify failed"));
}

/// Returns whether the response is not HTTP, or its head is too long. hyper reports this only in its messages.
#[cfg(feature = "reqwest")]
pub(super) fn is_unreadable(error: &Cause) -> bool {
    any(error, |cause| {
        let text = cause.to_string();
        text.contains("invalid HTTP") || text.contains("head is too large")
    })
}

/// Returns whether the condition holds for an error or one of its causes.
fn any(error: &Cause, mut holds: impl FnMut(&Cause) -> bool) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if holds(cause) {
            return true;
        }
        // The `source` of an `io::Error` that wraps another error skips that error and returns its cause.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let holds: &mut dyn FnMut(&Cause) -> bool = &mut holds;
        if wrapped.is_some_and(|wrapped| any(wrapped, holds)) {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Box<dyn StdError + Send + Sync>);

    #[test]
    fn a_cause_is_found_however_deep_it_is() {
        let deep = |text: &str| {
            let wrapped = io::Error::other(io::Error::other(Outer(text.into())));
            Outer(wrapped.into())
        };
        assert!(is_permanent(&deep("proxy authorization required")));
        assert!(is_permanent(&deep("The certificate was not trusted.")));
        assert!(!is_permanent(&deep("connection reset by peer")));
    }

    #[cfg(feature = "_rustls")]
    #[test]
    fn a_certificate_is_told_from_a_handshake_that_broke() {
        use rustls::{AlertDescription, CertificateError, Error};
        let expired = Error::InvalidCertificate(CertificateError::Expired);
        assert!(is_permanent(&Outer(io::Error::other(expired).into())));
        for passing in
            [Error::AlertReceived(AlertDescription::InternalError), Error::HandshakeNotComplete]
        {
            assert!(!is_permanent(&Outer(io::Error::other(passing).into())));
        }
    }
}
