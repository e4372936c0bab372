//! A service of one blob: what was written last comes back in headers and in lists.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhub_checkpointstore::checkpointstoreblob::Transport;
use eventhub_checkpointstore::{SendLimits, TransportError};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use percent_encoding::percent_decode_str;

use super::canned::response;

const METADATA: &str = "x-ms-meta-";

#[derive(Clone, Default)]
pub struct Echo(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    name: String,
    metadata: Vec<(String, String)>,
}

impl Stored {
    fn of(request: &Request<Bytes>) -> Self {
        let name = request.uri().path().trim_start_matches("/checkpoints/");
        let name = percent_decode_str(name).decode_utf8().expect("UTF-8").into_owned();
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            let key = name.as_str().strip_prefix(METADATA)?.to_owned();
            // What HTTP leaves of a value.
            Some((key, value.to_str().expect("ASCII").trim_matches([' ', '\t']).to_owned()))
        };
        Self { name, metadata: request.headers().iter().filter_map(pair).collect() }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        for (key, value) in &self.metadata {
            let name = HeaderName::try_from(format!("{METADATA}{key}")).expect("a name");
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
        }
    }

    fn list(&self) -> String {
        let metadata = self.metadata.iter();
        let metadata: String =
            metadata.map(|(key, value)| format!("<{key}>{}</{key}>", escape(value))).collect();
        let name = escape(&self.name);
        let properties =
            "<Last-Modified>Sun, 22 Nov 2026 10:05:07 GMT</Last-Modified><Etag>0x1</Etag>";
        format!(
            "<EnumerationResults><Blobs><Blob><Name>{name}</Name><Properties>{properties}</Properties>\
             <Metadata>{metadata}</Metadata></Blob></Blobs><NextMarker/></EnumerationResults>"
        )
    }
}

impl Transport for Echo {
    fn send(
        &self,
        request: Request<Bytes>,
        _options: &SendLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        let mut stored = self.0.lock().expect("the lock");
        let mut response = match *request.method() {
            Method::PUT => {
                *stored = Stored::of(&request);
                let is_new = request.uri().query().is_none();
                response(if is_new { 201 } else { 200 }, b"")
            }
            Method::GET => response(200, stored.list().as_bytes()),
            _ => response(200, b""),
        };
        let headers = response.headers_mut();
        headers.insert("etag", HeaderValue::from_static("\"0x1\""));
        headers.insert("last-modified", HeaderValue::from_static("Sun, 22 Nov 2026 10:05:07 GMT"));
        stored.add_headers(headers);
        Ok(response)
    }

    fn sleep(&self, _duration: Duration) {}
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
