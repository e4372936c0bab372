//! SASL: ANONYMOUS (the official client, which authenticates through `$cbs`) and PLAIN.

use fe2o3_amqp::acceptor::SaslAcceptor;
use fe2o3_amqp::acceptor::sasl_acceptor::SaslServerFrame;
use fe2o3_amqp::types::primitives::{Array, Symbol};
use fe2o3_amqp::types::sasl::{SaslCode, SaslInit, SaslOutcome, SaslResponse};

const ANONYMOUS: &str = "ANONYMOUS";
const PLAIN: &str = "PLAIN";

#[derive(Debug, Clone, Copy)]
pub(crate) struct AnonymousOrPlain;

impl SaslAcceptor for AnonymousOrPlain {
    fn mechanisms(&self) -> Array<Symbol> {
        Array::from(vec![Symbol::from(PLAIN), Symbol::from(ANONYMOUS)])
    }

    fn on_init(&mut self, init: SaslInit) -> SaslServerFrame {
        let accepted = match init.mechanism.as_str() {
            ANONYMOUS => true,
            PLAIN => init.initial_response.is_some_and(|response| names_a_user(&response)),
            _ => false,
        };
        outcome(if accepted { SaslCode::Ok } else { SaslCode::Auth })
    }

    fn on_response(&mut self, _response: SaslResponse) -> SaslServerFrame {
        // Neither mechanism has a challenge to respond to.
        outcome(SaslCode::Sys)
    }
}

/// Whether a PLAIN response (`authzid NUL authcid NUL passwd`) has a user name and a password.
fn names_a_user(response: &[u8]) -> bool {
    let parts: Vec<_> = response.split(|byte| *byte == 0).collect();
    matches!(parts[..], [_, user, password] if !user.is_empty() && !password.is_empty())
}

fn outcome(code: SaslCode) -> SaslServerFrame {
    SaslServerFrame::Outcome(SaslOutcome { code, additional_data: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_needs_a_user_and_a_password() {
        assert!(names_a_user(b"\0key-name\0key"));
        assert!(names_a_user(b"authz\0key-name\0key"));
        for response in
            [&b""[..], b"\0\0", b"\0user\0", b"\0\0password", b"user\0password", b"\0a\0b\0c"]
        {
            assert!(!names_a_user(response));
        }
    }
}
