//! The same signed requests without the store, written as one would write them by hand.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use memchr::memmem;
use sha2::Sha256;

use super::target::{
    ACCOUNT, ENCODED_CHECKPOINTS, ENCODED_OWNERSHIPS, ETAG, KEY, OFFSET, OWNER_ID, PREFIX,
    QUERY_PREFIX, SHORT,
};

pub const VERSION: &str = "2019-07-07";
const USER_AGENT: &str = "bare-client/1.0 (linux; x86_64)";

/// The key, taken in once.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

/// A request that is ready to be sent.
pub struct Signed {
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
}

impl Signer {
    pub fn new() -> Self {
        let key = STANDARD.decode(KEY).expect("Base64");
        Self(Hmac::new_from_slice(&key).expect("a key of any length"))
    }

    /// The bare HMAC of a text.
    pub fn mac(&self, text: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    pub fn authorization(&self, text: &str) -> String {
        format!("SharedKey {ACCOUNT}:{}", STANDARD.encode(self.mac(text.as_bytes())))
    }

    pub fn checkpoint(&self, root: &str, sequence_number: i64) -> Signed {
        let path = format!("/{ACCOUNT}/{SHORT}/{ENCODED_CHECKPOINTS}0");
        let sequence_number = sequence_number.to_string();
        let (date, id) = (date(), request_id());
        let text = checkpoint_text(&path, &date, &id, &sequence_number);
        Signed {
            url: format!("{root}{path}?comp=metadata"),
            headers: vec![
                ("content-length", "0".to_owned()),
                ("x-ms-meta-offset", OFFSET.to_owned()),
                ("x-ms-meta-sequencenumber", sequence_number),
                ("x-ms-version", VERSION.to_owned()),
                ("x-ms-date", date),
                ("x-ms-client-request-id", id),
                ("user-agent", USER_AGENT.to_owned()),
                ("authorization", self.authorization(&text)),
            ],
        }
    }

    pub fn renewal(&self, root: &str, partition: usize) -> Signed {
        let path = format!("/{ACCOUNT}/{SHORT}/{ENCODED_OWNERSHIPS}{partition}");
        let (date, id) = (date(), request_id());
        let text = format!(
            "PUT\n\n\n\n\n\n\n\n{ETAG}\n\n\n\nx-ms-client-request-id:{id}\nx-ms-date:{date}\n\
             x-ms-meta-ownerid:{OWNER_ID}\nx-ms-version:{VERSION}\n/{ACCOUNT}{path}\ncomp:metadata"
        );
        Signed {
            url: format!("{root}{path}?comp=metadata"),
            headers: vec![
                ("content-length", "0".to_owned()),
                ("x-ms-meta-ownerid", OWNER_ID.to_owned()),
                ("if-match", ETAG.to_owned()),
                ("x-ms-version", VERSION.to_owned()),
                ("x-ms-date", date),
                ("x-ms-client-request-id", id),
                ("user-agent", USER_AGENT.to_owned()),
                ("authorization", self.authorization(&text)),
            ],
        }
    }

    pub fn page(&self, root: &str, container: &str, marker: Option<&str>) -> Signed {
        let path = format!("/{ACCOUNT}/{container}");
        let (date, id) = (date(), request_id());
        let mut text = format!(
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-client-request-id:{id}\nx-ms-date:{date}\nx-ms-version:{VERSION}\n\
             /{ACCOUNT}{path}\ncomp:list\ninclude:metadata"
        );
        let mut url = format!(
            "{root}{path}?restype=container&comp=list&prefix={QUERY_PREFIX}&include=metadata"
        );
        if let Some(marker) = marker {
            text.push_str("\nmarker:");
            text.push_str(marker);
            url.push_str("&marker=");
            url.push_str(&marker.replace('!', "%21"));
        }
        text.push_str("\nprefix:");
        text.push_str(PREFIX);
        text.push_str("\nrestype:container");
        Signed {
            url,
            headers: vec![
                ("x-ms-version", VERSION.to_owned()),
                ("x-ms-date", date),
                ("x-ms-client-request-id", id),
                ("user-agent", USER_AGENT.to_owned()),
                ("authorization", self.authorization(&text)),
            ],
        }
    }
}

/// The string-to-sign of a checkpoint.
pub fn checkpoint_text(path: &str, date: &str, id: &str, sequence_number: &str) -> String {
    format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-client-request-id:{id}\nx-ms-date:{date}\nx-ms-meta-offset:{OFFSET}\n\
         x-ms-meta-sequencenumber:{sequence_number}\nx-ms-version:{VERSION}\n/{ACCOUNT}{path}\ncomp:metadata"
    )
}

fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}

fn request_id() -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    format!("{}-{}-4{}-a{}-{}", &id[..8], &id[8..12], &id[13..16], &id[17..20], &id[20..])
}

/// Looks at the names of a page, no more: how many there are, and where the next page begins.
pub fn look_at(body: &[u8]) -> (usize, Option<String>) {
    let names = memmem::find_iter(body, b"<Name>")
        .filter(|at| body[at + 6..].starts_with(PREFIX.as_bytes()));
    // The marker stands near the end.
    let end = &body[body.len().saturating_sub(256)..];
    let marker = memmem::find(end, b"<NextMarker>").and_then(|at| {
        let rest = &end[at + "<NextMarker>".len()..];
        let end = memmem::find(rest, b"<")?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    });
    (names.count(), marker)
}
