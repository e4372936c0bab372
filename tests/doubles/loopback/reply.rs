//! The responses of the server, and how it misbehaves on the way.

use std::time::{Duration, SystemTime};

use super::http_date;

/// Odd on purpose: a chunk ends in the middle of an XML element, or of a character.
const CHUNK: usize = 16_381;

/// One response. Without further options it is a correct one, with `Date` and `Content-Length`.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reply {
    content: Content,
    date: Date,
    delay: Duration,
    chunked: bool,
    declared_length: Option<u64>,
    truncate_at: Option<usize>,
    truncate_body_at: Option<usize>,
    drip: Option<Duration>,
    close: bool,
    announce_close: bool,
}

/// Status, headers and body.
pub type ResponseParts<'a> = (u16, &'a [(String, String)], &'a [u8]);

#[derive(Clone, Debug)]
enum Content {
    Response(Response),
    Raw(Vec<u8>),
    Close,
    Hang,
}

#[derive(Clone, Debug)]
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Date {
    Now,
    At(SystemTime),
    Absent,
}

/// A response without the bytes that would carry it.
#[derive(Clone, Debug)]
pub enum Delivered {
    /// Status, headers and body.
    Response(u16, Vec<(String, String)>, Vec<u8>),
    /// The connection ended before a whole response was there.
    Broken,
    /// Silence.
    Nothing,
}

/// The behaviour of the connection after the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    KeepAlive,
    /// An orderly close; over TLS with a `close_notify`.
    Close,
    /// The socket just ends.
    Abort,
    Hang,
}

/// A response as the connection carries it out.
pub(super) struct Plan {
    pub(super) delay: Duration,
    pub(super) bytes: Vec<u8>,
    pub(super) drip: Option<Duration>,
    pub(super) ending: Ending,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self::with_content(Content::Response(Response {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }))
    }

    /// Reads the request and closes the connection without a response.
    pub fn close() -> Self {
        Self::with_content(Content::Close)
    }

    /// Never responds; the connection stays open until the client or the server goes away.
    pub fn hang() -> Self {
        Self::with_content(Content::Hang)
    }

    /// Sends these bytes as they are.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::with_content(Content::Raw(bytes.into()))
    }

    fn with_content(content: Content) -> Self {
        Self {
            content,
            date: Date::Now,
            delay: Duration::ZERO,
            chunked: false,
            declared_length: None,
            truncate_at: None,
            truncate_body_at: None,
            drip: None,
            close: false,
            announce_close: false,
        }
    }

    /// Adds a header. One that the server would write itself (`Content-Length`, `Date`, …) takes that one's place.
    ///
    /// # Panics
    ///
    /// Like [`body`](Self::body), if this is not a response with a status.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.response_mut().headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.response_mut().body = body.into();
        self
    }

    fn response_mut(&mut self) -> &mut Response {
        match &mut self.content {
            Content::Response(response) => response,
            other => panic!("{other:?} has neither headers nor a body"),
        }
    }

    /// The status, if this is a response that has one.
    pub fn status(&self) -> Option<u16> {
        match &self.content {
            Content::Response(response) => Some(response.status),
            _ => None,
        }
    }

    /// Status, headers and body of an ordinary response, for a transport without a socket; `None` if the connection is
    /// closed, hangs, or gets raw bytes.
    pub fn response(&self) -> Option<ResponseParts<'_>> {
        match &self.content {
            Content::Response(response) => {
                Some((response.status, &response.headers, &response.body))
            }
            _ => None,
        }
    }

    pub fn date(mut self, date: SystemTime) -> Self {
        self.date = Date::At(date);
        self
    }

    pub fn without_date(mut self) -> Self {
        self.date = Date::Absent;
        self
    }

    /// Waits before the first byte of the response.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Takes [`chunked`](Self::chunked) back.
    pub fn with_length(mut self) -> Self {
        self.chunked = false;
        self
    }

    /// A `Content-Length` other than the body's.
    pub fn declared_length(mut self, length: u64) -> Self {
        self.declared_length = Some(length);
        self
    }

    /// Sends only so many bytes of the whole response, head included, and closes.
    pub fn truncate_at(mut self, bytes: usize) -> Self {
        self.truncate_at = Some(bytes);
        self
    }

    /// Sends the head and only so many bytes of what follows it, chunk sizes included, and closes.
    pub fn truncate_body_at(mut self, bytes: usize) -> Self {
        self.truncate_body_at = Some(bytes);
        self
    }

    /// Sends one byte per interval.
    pub fn drip(mut self, interval: Duration) -> Self {
        self.drip = Some(interval);
        self
    }

    /// Closes the connection after the response without announcing it.
    pub fn close_after(mut self) -> Self {
        self.close = true;
        self
    }

    /// Announces the close (`Connection: close`) and keeps the word.
    pub fn announce_close(mut self) -> Self {
        self.announce_close = true;
        self
    }

    /// The part that arrives at a client which stands in for the network itself.
    pub fn delivered(&self) -> Delivered {
        match &self.content {
            Content::Hang => Delivered::Nothing,
            Content::Response(response) if self.truncate_at.or(self.truncate_body_at).is_none() => {
                let body = response.body.clone();
                let headers = response.headers.iter().cloned().chain(self.own_headers(response));
                Delivered::Response(response.status, headers.collect(), body)
            }
            _ => Delivered::Broken,
        }
    }

    pub(super) fn plan(self, is_head: bool) -> Plan {
        let mut bytes = self.bytes(is_head);
        let ending = self.ending();
        bytes.truncate(self.cut(&bytes));
        Plan { delay: self.delay, bytes, drip: self.drip, ending }
    }

    fn ending(&self) -> Ending {
        match self.content {
            Content::Hang => Ending::Hang,
            Content::Close => Ending::Abort,
            _ if self.truncate_at.or(self.truncate_body_at).is_some() => Ending::Abort,
            _ if self.close || self.announce_close => Ending::Close,
            _ => Ending::KeepAlive,
        }
    }

    fn cut(&self, bytes: &[u8]) -> usize {
        let in_body = self.truncate_body_at.map(|at| head_length(bytes) + at);
        self.truncate_at.or(in_body).unwrap_or(bytes.len())
    }

    fn bytes(&self, is_head: bool) -> Vec<u8> {
        match &self.content {
            Content::Response(response) => self.render(response, is_head),
            Content::Raw(bytes) => bytes.clone(),
            Content::Close | Content::Hang => Vec::new(),
        }
    }

    fn render(&self, response: &Response, is_head: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
        let own = self.own_headers(response);
        for (name, value) in response.headers.iter().chain(&own) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !is_head && may_have_body(response.status) {
            self.append_body(&mut bytes, &response.body);
        }
        bytes
    }

    fn own_headers(&self, response: &Response) -> Vec<(String, String)> {
        let length = self.declared_length.unwrap_or(response.body.len() as u64);
        let framing = if self.chunked {
            Some(("Transfer-Encoding", "chunked".to_owned()))
        } else {
            may_have_body(response.status).then(|| ("Content-Length", length.to_string()))
        };
        let date = match self.date {
            Date::Now => Some(SystemTime::now()),
            Date::At(time) => Some(time),
            Date::Absent => None,
        };
        let close = self.announce_close.then(|| ("Connection", "close".to_owned()));
        let date = date.map(|time| ("Date", http_date(time)));
        [framing, date, close]
            .into_iter()
            .flatten()
            .filter(|(name, _)| !response.has(name))
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn append_body(&self, bytes: &mut Vec<u8>, body: &[u8]) {
        if !self.chunked {
            bytes.extend_from_slice(body);
            return;
        }
        // Two chunks at least, so that joining them is always put to the test.
        for chunk in body.chunks(CHUNK.min(body.len() / 2 + 1)) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
}

impl Response {
    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }
}

fn head_length(bytes: &[u8]) -> usize {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
    end.map_or(bytes.len(), |at| at + 4)
}

fn may_have_body(status: u16) -> bool {
    !matches!(status, 100..=199 | 204 | 304)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Other",
    }
}
