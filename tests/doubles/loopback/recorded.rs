//! A request as it stood on the wire.

use std::time::Instant;

/// One request, complete with its body.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Ordinal of the request over all connections, never reset.
    pub index: usize,
    /// Ordinal of the connection that carried it.
    pub connection: usize,
    pub method: String,
    /// The request target exactly as sent.
    pub target: String,
    /// In the order and the spelling in which they were sent.
    pub headers: Vec<(String, String)>,
    /// The bytes up to and including the empty line.
    pub raw_head: Vec<u8>,
    /// The body, with chunks joined.
    pub body: Vec<u8>,
    /// When the last byte was read.
    pub at: Instant,
}

impl Recorded {
    /// Reads a complete head; the body is added once the headers have told its length.
    pub(super) fn parse(raw_head: Vec<u8>) -> Result<Self, String> {
        let text = String::from_utf8_lossy(&raw_head);
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let request_line = lines.next().unwrap_or_default();
        let [method, target, "HTTP/1.1"] = request_line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("not an HTTP/1.1 request line: {request_line:?}"));
        };
        let (method, target) = (method.to_owned(), target.to_owned());
        let headers = lines.map(parse_header).collect::<Result<_, _>>()?;
        Ok(Self {
            index: 0,
            connection: 0,
            method,
            target,
            headers,
            raw_head,
            body: Vec::new(),
            at: Instant::now(),
        })
    }

    /// The first header of that name, compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The target up to the query, still percent-encoded.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// The first query parameter of that name, percent-decoded; `Some("")` for one without a value.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| percent_decode(key) == name)
            .map(|(_, value)| percent_decode(value))
    }

    pub fn is_chunked(&self) -> bool {
        self.header("transfer-encoding")
            .is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"))
    }

    pub(super) fn declared_length(&self) -> Result<usize, String> {
        self.header("content-length").map_or(Ok(0), |value| {
            value.parse().map_err(|_| format!("not a Content-Length: {value:?}"))
        })
    }

    pub(super) fn asks_to_close(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

fn parse_header(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or_else(|| format!("not a header: {line:?}"))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// Percent-decoding; `+` stays `+`, as in the Blob service. What does not decode to UTF-8 is replaced.
pub fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| hex_pair(tail)).flatten();
        decoded.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let value = |digit: u8| (digit as char).to_digit(16);
    let [high, low, ..] = digits else { return None };
    u8::try_from(value(*high)? * 16 + value(*low)?).ok()
}
