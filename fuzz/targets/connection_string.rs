//! Any text is a connection string or is refused, and what may be a secret is never named.
//!
//! Whatever stands around a good one, no other host than the one that is meant is ever asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Transport};
use eventhub_checkpointstore::{ErrorKind, SendLimits, TransportError};
use http::{Request, Response};

use super::canned::group;

const SECRET: &str = "TheSecretThatIsNotBase64!";

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    check(text);
    let with_key = format!("{text};AccountName=acct;AccountKey={SECRET}");
    let with_sas = format!("{text};AccountName=acct;SharedAccessSignature=sv=1&{SECRET}");
    for text in [with_key, with_sas] {
        let shown = check(&text);
        assert!(!shown.contains("TheSecret"), "{shown}");
    }
    asks_no_other_host(text);
}

/// A text in front of, behind or inside a connection string either leaves its host as it is, or is refused, or names a host
/// of its own in a key that Azure knows.
fn asks_no_other_host(text: &str) {
    const ACCOUNT: &str = "AccountName=acct;AccountKey=c2VjcmV0";
    const SUFFIX: &str = "EndpointSuffix=core.meant.example";
    for string in [
        format!("{text}{SUFFIX};{ACCOUNT}"),
        format!("{ACCOUNT};{text}{SUFFIX}"),
        format!("{ACCOUNT}{text};{SUFFIX}"),
        format!("{ACCOUNT};{SUFFIX}{text}"),
    ] {
        let asked = Asked::default();
        let builder = BlobCheckpointStore::builder_from_connection_string(&string, "checkpoints");
        let Ok(store) = builder.transport(asked.clone()).build() else { continue };
        let _ = store.list_checkpoints(&group());
        let hosts = asked.hosts();
        assert!(!hosts.is_empty(), "{string:?} asks nobody");
        for host in hosts {
            let is_meant = host == "acct.blob.core.meant.example";
            // Of a key given twice the last one counts, and these name a host.
            let lower = string.to_ascii_lowercase().replace(char::is_whitespace, "");
            let names_one = ["blobendpoint=", "usedevelopmentstorage=", "blobsecondaryendpoint="]
                .iter()
                .any(|key| lower.contains(key));
            let is_renamed = lower.matches("accountname=").count() > 1
                || lower.matches("endpointsuffix=").count() > 1
                || host.ends_with(".blob.core.meant.example");
            // Behind the suffix more of the same host name may follow.
            let is_longer = host.starts_with("acct.blob.core.meant.example");
            assert!(is_meant || names_one || is_renamed || is_longer, "{string:?} asks {host}");
        }
    }
}

/// Responds to nothing and remembers whom it was to ask.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn hosts(&self) -> Vec<String> {
        self.0.lock().expect("the lock").clone()
    }
}

impl Transport for Asked {
    fn send(
        &self,
        request: Request<Bytes>,
        _options: &SendLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        self.0.lock().expect("the lock").push(host);
        Err(TransportError::unsupported("nobody is asked"))
    }

    fn sleep(&self, _duration: Duration) {}
}

fn check(text: &str) -> String {
    let builder = BlobCheckpointStore::builder_from_connection_string(text, "checkpoints");
    let shown = format!("{builder:?}");
    match builder.build() {
        // Without a client this is as far as a good one gets.
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Configuration));
            format!("{shown} {error} {error:?}")
        }
        Ok(store) => format!("{shown} {store:?}"),
    }
}
