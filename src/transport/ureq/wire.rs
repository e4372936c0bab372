//! Edits what ureq sends and receives: full URLs for a proxy that forwards requests, no cookies, and bodies as they come.
//!
//! ureq asks a proxy for a tunnel whatever the scheme is, which many proxies refuse for ports other than 443. Its cookies,
//! and the decoding of compressed and of text bodies, cannot be turned off if another crate of the build enables their Cargo
//! features.

use std::fmt;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use memchr::memmem;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};
use ureq::{Error, Proxy};
use zeroize::Zeroizing;

/// The additions to a request through a forwarding proxy.
pub(super) struct Forward {
    /// Scheme, host and port, which precede the path.
    origin: String,
    /// A complete header line, or nothing.
    authorization: Zeroizing<String>,
}

impl Forward {
    pub(super) fn new(target: &Uri, proxy: &Proxy) -> Self {
        let authority = target.authority().map_or("", |authority| authority.as_str());
        let origin = format!("{}://{authority}", target.scheme_str().unwrap_or("http"));
        Self { origin, authorization: Zeroizing::new(authorization(proxy)) }
    }
}

fn authorization(proxy: &Proxy) -> String {
    let (user, password) = (proxy.username(), proxy.password());
    if user.is_none() && password.is_none() {
        return String::new();
    }
    let pair = [user.unwrap_or_default(), password.unwrap_or_default()].join(":");
    format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(Zeroizing::new(pair).as_bytes()))
}

impl fmt::Debug for Forward {
    /// A proxy may ask for a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A connection that edits its requests, and the heads of its responses.
#[derive(Debug)]
pub(super) struct Wire {
    connection: Box<dyn Transport>,
    forward: Option<Forward>,
    /// Whether the next write begins a request: nothing was written since the last response.
    begins: bool,
    /// Whether the head of the response has yet to arrive.
    awaits_head: bool,
}

impl Wire {
    pub(super) fn new(connection: Box<dyn Transport>, forward: Option<Forward>) -> Self {
        Self { connection, forward, begins: true, awaits_head: true }
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let mut amount = amount;
        if std::mem::take(&mut self.begins) {
            self.awaits_head = true;
            let output = self.connection.buffers().output();
            amount = without_cookies(output, amount);
            if let Some(forward) = &self.forward {
                amount = forward.edit(output, amount)?;
            }
        }
        self.connection.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.begins = true;
        let has_more = self.connection.await_input(timeout)?;
        if self.awaits_head {
            self.awaits_head = !keep_as_it_comes(self.connection.buffers())?;
        }
        Ok(has_more)
    }

    fn is_open(&mut self) -> bool {
        self.connection.is_open()
    }

    fn is_tls(&self) -> bool {
        self.connection.is_tls()
    }
}

/// Searched for in each request, so set up once.
static COOKIE: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(b"\r\ncookie:"));

/// Removes the cookies from a request head, and returns its remaining length.
fn without_cookies(output: &mut [u8], mut length: usize) -> usize {
    while let Some(at) = COOKIE.find(&output[..length]) {
        let Some(line) = memmem::find(&output[at + 2..length], b"\r\n") else {
            return length;
        };
        let behind = at + 2 + line;
        output.copy_within(behind..length, at);
        length -= behind - at;
    }
    length
}

/// The beginning of the headers that make ureq decode a body, and what stands there instead for it.
const DECODES: (&[u8], &[u8]) = (b"content-", b"ignored-");

/// Takes the headers that make ureq decode the body out of the head of a response. Returns whether the head is complete;
/// otherwise it changes nothing.
fn keep_as_it_comes(buffers: &mut dyn Buffers) -> Result<bool, Error> {
    let input = buffers.input();
    let Some(places) = headers_that_decode(input) else { return Ok(false) };
    if places.is_empty() {
        return Ok(true);
    }
    let mut input = input.to_vec();
    for place in places {
        input[place..place + DECODES.1.len()].copy_from_slice(DECODES.1);
    }
    // The input buffer is read-only, so the bytes are taken out, changed and put back.
    buffers.input_consume(input.len());
    let free = buffers.input_append_buf();
    if free.len() < input.len() {
        return Err(Error::Other("the head of the response is too long".into()));
    }
    free[..input.len()].copy_from_slice(&input);
    buffers.input_appended(input.len());
    Ok(true)
}

/// The places of the headers that make ureq decode the body, or `None` until the head is complete. The heads of
/// informational responses (100 to 199) may precede it.
fn headers_that_decode(input: &[u8]) -> Option<Vec<usize>> {
    let (mut places, mut at) = (Vec::new(), 0);
    let (mut is_first, mut is_final) = (true, true);
    loop {
        let length = memchr::memchr(b'\n', &input[at..])?;
        let line = input[at..at + length].trim_ascii_end();
        if is_first {
            // `HTTP/1.1 103 Early Hints`
            is_final = line.get(9) != Some(&b'1');
        } else if line.is_empty() && is_final {
            return Some(places);
        } else if decodes(line) {
            places.push(at);
        }
        is_first = line.is_empty();
        at += length + 1;
    }
}

/// Returns whether ureq decodes a body because of this header. It converts the characters of texts only.
fn decodes(line: &[u8]) -> bool {
    let Some(name) = memchr::memchr(b':', line) else { return false };
    let (name, value) = (&line[..name], line[name + 1..].trim_ascii_start());
    let is_text = || value.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/"));
    let is = |rest: &[u8]| {
        let (begin, end) = name.split_at_checked(DECODES.0.len()).unwrap_or_default();
        begin.eq_ignore_ascii_case(DECODES.0) && end.eq_ignore_ascii_case(rest)
    };
    is(b"encoding") || (is(b"type") && is_text())
}

impl Forward {
    /// Rewrites `PUT /path HTTP/1.1` for a proxy as `PUT http://host/path HTTP/1.1`.
    fn edit(&self, output: &mut [u8], length: usize) -> Result<usize, Error> {
        let (origin, authorization) = (self.origin.as_bytes(), self.authorization.as_bytes());
        let head = &output[..length];
        let method = memchr::memchr(b' ', head).map(|at| at + 1);
        let line = memmem::find(head, b"\r\n").map(|at| at + 2);
        let whole = length + origin.len() + authorization.len();
        let (Some(method), Some(line)) = (method, line) else {
            return Err(Error::Other("the head of the request is incomplete".into()));
        };
        if whole > output.len() {
            return Err(Error::Other("the head of the request is too long".into()));
        }
        let second = line + origin.len();
        output.copy_within(line..length, second + authorization.len());
        output[second..second + authorization.len()].copy_from_slice(authorization);
        output.copy_within(method..line, method + origin.len());
        output[method..method + origin.len()].copy_from_slice(origin);
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "PUT /c/a?x=1 HTTP/1.1\r\nhost: acct.example:81\r\ncontent-length: 0\r\n\r\n";

    fn edited(head: &str, room: usize, edit: impl Fn(&mut [u8], usize) -> usize) -> String {
        let mut output = head.as_bytes().to_vec();
        output.resize(head.len() + room, b'#');
        let length = edit(&mut output, head.len());
        String::from_utf8(output[..length].to_vec()).unwrap()
    }

    fn forward(proxy: &str) -> Forward {
        let target = "http://acct.example:81/c/a?x=1".parse().unwrap();
        Forward::new(&target, &Proxy::new(proxy).unwrap())
    }

    #[test]
    fn a_proxy_is_sent_the_whole_url_and_its_password() {
        let edit = |proxy| {
            edited(HEAD, 200, |output, length| forward(proxy).edit(output, length).unwrap())
        };
        let absolute = HEAD.replace("/c/a", "http://acct.example:81/c/a");
        assert_eq!(edit("http://proxy.example"), absolute);
        let authorized = edit("http://u:p%40ss@proxy.example");
        let line = "HTTP/1.1\r\nProxy-Authorization: Basic dTpwQHNz\r\n";
        assert_eq!(authorized, absolute.replace("HTTP/1.1\r\n", line));
        assert!(!format!("{:?}", forward("http://u:p%40ss@proxy.example")).contains("dTpw"));
    }

    #[test]
    fn a_head_without_room_is_an_error() {
        for (head, room) in [(HEAD, 3), ("PUT", 200), ("", 200)] {
            let mut output = vec![0; head.len() + room];
            output[..head.len()].copy_from_slice(head.as_bytes());
            assert!(forward("http://proxy.example").edit(&mut output, head.len()).is_err());
        }
    }

    fn received(input: &str) -> Option<String> {
        let mut edited = input.as_bytes().to_vec();
        for place in headers_that_decode(&edited)? {
            edited[place..place + 8].copy_from_slice(b"ignored-");
        }
        Some(String::from_utf8(edited).unwrap())
    }

    #[test]
    fn headers_that_decode_a_body_are_taken_out() {
        const HEAD: &str = "HTTP/1.1 200 OK\r\nETag: a\r\nContent-Length: 3\r\n";
        const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
        let plain = format!("{HEAD}Content-Type: application/xml; charset=utf-8\r\n\r\nabc");
        assert_eq!(received(&plain).as_deref(), Some(plain.as_str()));
        for header in [
            "Content-Encoding: gzip",
            "content-encoding:br",
            "CONTENT-ENCODING: gzip, br",
            "Content-Type: text/plain; charset=iso-8859-1",
            "content-type:TEXT/xml;charset=utf-16",
        ] {
            // The body is not a head.
            let text = format!("{HINTS}{HEAD}{header}\r\n\r\n{header}\r\n\r\n");
            let ignored = format!("\nignored-{}", &header[8..]);
            let expected = text.replacen(&format!("\n{header}"), &ignored, 1);
            assert_eq!(received(&text), Some(expected.clone()));
            assert_eq!(received(&text.replace("\r\n", "\n")), Some(expected.replace("\r\n", "\n")));
            let end = HINTS.len() + HEAD.len() + header.len() + 4;
            for cut in 0..end {
                assert_eq!(received(&text[..cut]), None, "{:?}", &text[..cut]);
            }
            assert!(received(&text[..end]).is_some());
        }
    }

    #[test]
    fn cookies_are_taken_out() {
        let with = HEAD.replace("content", "cookie: a=b; c=d\r\ncookie: e\r\ncontent");
        assert_eq!(edited(&with, 0, without_cookies), HEAD);
        assert_eq!(edited(HEAD, 0, without_cookies), HEAD);
        let at_the_end = HEAD.replace("content-length", "cookie");
        assert_eq!(
            edited(&at_the_end, 0, without_cookies),
            HEAD.replace("content-length: 0\r\n", "")
        );
    }
}
