//! The same signed requests without the store, written as one would write them by hand.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use memchr::memmem;
use sha2::Sha256;

use super::target::{
    ACCOUNT, CONTAINER, ETAG, KEY, List, NAMESPACE, OFFSET, OWNER_ID, SEQUENCE_NUMBER, SHORT, Work,
};

pub const VERSION: &str = "2019-07-07";
const USER_AGENT: &str = "bare-client/1.0 (linux; x86_64)";

/// The key, taken in once.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

/// A request, but for what is new each time it is sent.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    /// As it stands in the URL, with its question mark.
    pub query: String,
    /// The query as it is signed.
    signed_query: String,
    content_type: &'static str,
    blob_type: &'static str,
    if_match: &'static str,
    if_none_match: &'static str,
    metadata: Vec<(&'static str, String)>,
}

/// A request that is ready to be sent.
pub struct Signed {
    pub method: &'static str,
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

    pub fn sign(&self, origin: &str, request: Request) -> Signed {
        let (date, id) = (httpdate::fmt_http_date(SystemTime::now()), request_id());
        let authorization = self.authorization(&request.text(&date, &id));
        let url = format!("{origin}{}{}", request.path, request.query);
        let method = request.method;
        let mut headers = Vec::with_capacity(12);
        if method == "PUT" {
            headers.push(("content-length", "0".to_owned()));
        }
        let optional = [
            ("content-type", request.content_type),
            ("x-ms-blob-type", request.blob_type),
            ("if-match", request.if_match),
            ("if-none-match", request.if_none_match),
        ];
        let given = optional.into_iter().filter(|(_, value)| !value.is_empty());
        headers.extend(given.map(|(name, value)| (name, value.to_owned())));
        headers.extend(request.metadata);
        headers.extend([
            ("x-ms-version", VERSION.to_owned()),
            ("x-ms-date", date),
            ("x-ms-client-request-id", id),
            ("user-agent", USER_AGENT.to_owned()),
            ("authorization", authorization),
        ]);
        Signed { method, url, headers }
    }
}

impl Request {
    /// The requests of a work that is no list, with the statuses of their answers.
    pub fn of(work: Work) -> Vec<(Self, u16)> {
        match work {
            Work::Checkpoint => vec![(Self::checkpoint(), 200)],
            Work::FirstCheckpoint => {
                vec![(Self::checkpoint(), 404), (Self::checkpoint().put_as_blob(), 201)]
            }
            Work::ReadCheckpoint => vec![(Self::blob("HEAD", "checkpoint", 0), 200)],
            Work::DeleteCheckpoint => vec![(Self::blob("DELETE", "checkpoint", 0), 202)],
            Work::FirstClaim => {
                let claim = Self { if_match: "", if_none_match: "*", ..Self::renewal(0) };
                vec![(claim.put_as_blob(), 201)]
            }
            Work::Renew(count) => (0..count).map(|it| (Self::renewal(it), 200)).collect(),
            Work::Relinquish => {
                let metadata = vec![("x-ms-meta-ownerid", String::new())];
                vec![(Self { metadata, ..Self::renewal(0) }, 200)]
            }
            Work::CreateContainer => vec![(
                Self {
                    method: "PUT",
                    path: format!("/{ACCOUNT}/{CONTAINER}"),
                    query: "?restype=container".to_owned(),
                    signed_query: "\nrestype:container".to_owned(),
                    ..Self::default()
                },
                201,
            )],
            Work::List(_) => panic!("a list has as many requests as pages"),
        }
    }

    fn blob(method: &'static str, kind: &str, partition: usize) -> Self {
        let path =
            format!("/{ACCOUNT}/{CONTAINER}/{NAMESPACE}/{SHORT}/%24default/{kind}/{partition}");
        Self { method, path, ..Self::default() }
    }

    fn with_metadata(self, metadata: Vec<(&'static str, String)>) -> Self {
        let (query, signed_query) = ("?comp=metadata".to_owned(), "\ncomp:metadata".to_owned());
        Self { query, signed_query, metadata, ..self }
    }

    pub fn checkpoint() -> Self {
        Self::blob("PUT", "checkpoint", 0).with_metadata(vec![
            ("x-ms-meta-offset", OFFSET.to_owned()),
            ("x-ms-meta-sequencenumber", SEQUENCE_NUMBER.to_string()),
        ])
    }

    pub fn renewal(partition: usize) -> Self {
        let renewal = Self::blob("PUT", "ownership", partition)
            .with_metadata(vec![("x-ms-meta-ownerid", OWNER_ID.to_owned())]);
        Self { if_match: ETAG, ..renewal }
    }

    fn put_as_blob(self) -> Self {
        Self {
            query: String::new(),
            signed_query: String::new(),
            content_type: "application/octet-stream",
            blob_type: "BlockBlob",
            ..self
        }
    }

    pub fn page(list: List, marker: Option<&str>) -> Self {
        let prefix = list.prefix();
        let escaped = prefix.replace('/', "%2F").replace('$', "%24");
        let mut query = format!("?restype=container&comp=list&prefix={escaped}&include=metadata");
        let mut signed_query = "\ncomp:list\ninclude:metadata".to_owned();
        if let Some(marker) = marker {
            signed_query.push_str("\nmarker:");
            signed_query.push_str(marker);
            query.push_str("&marker=");
            query.push_str(&marker.replace('!', "%21"));
        }
        signed_query.push_str("\nprefix:");
        signed_query.push_str(&prefix);
        signed_query.push_str("\nrestype:container");
        let path = format!("/{ACCOUNT}/{CONTAINER}");
        Self { method: "GET", path, query, signed_query, ..Self::default() }
    }

    /// The string-to-sign.
    pub fn text(&self, date: &str, id: &str) -> String {
        let Self { method, content_type, if_match, if_none_match, path, signed_query, .. } = self;
        let mut text =
            format!("{method}\n\n\n\n\n{content_type}\n\n\n{if_match}\n{if_none_match}\n\n\n");
        if !self.blob_type.is_empty() {
            text.extend(["x-ms-blob-type:", self.blob_type, "\n"]);
        }
        text.extend(["x-ms-client-request-id:", id, "\nx-ms-date:", date, "\n"]);
        for (name, value) in &self.metadata {
            text.extend([name, ":", value, "\n"]);
        }
        text.extend(["x-ms-version:", VERSION, "\n/", ACCOUNT, path, signed_query]);
        text
    }
}

fn request_id() -> String {
    let id = format!("{:032x}", fastrand::u128(..));
    format!("{}-{}-4{}-a{}-{}", &id[..8], &id[8..12], &id[13..16], &id[17..20], &id[20..])
}

/// Looks at the names of a page, no more: how many there are, and where the next page begins.
pub fn look_at(body: &[u8], prefix: &str) -> (usize, Option<String>) {
    let names = memmem::find_iter(body, b"<Name>")
        .filter(|at| body[at + 6..].starts_with(prefix.as_bytes()));
    // The marker stands near the end.
    let end = &body[body.len().saturating_sub(256)..];
    let marker = memmem::find(end, b"<NextMarker>").and_then(|at| {
        let rest = &end[at + "<NextMarker>".len()..];
        let end = memmem::find(rest, b"<")?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    });
    (names.count(), marker)
}
