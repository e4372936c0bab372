//! Edits what ureq sends: full URLs for a proxy that forwards requests, and no cookies.
//!
//! ureq asks a proxy for a tunnel whatever the scheme is, which many proxies refuse for ports other than 443. Its cookies
//! cannot be turned off if another crate of the build enables that Cargo feature.

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

/// A connection that edits its requests.
#[derive(Debug)]
pub(super) struct Wire {
    connection: Box<dyn Transport>,
    forward: Option<Forward>,
    /// Whether the next write begins a request: nothing was written since the last response.
    begins: bool,
}

impl Wire {
    pub(super) fn new(connection: Box<dyn Transport>, forward: Option<Forward>) -> Self {
        Self { connection, forward, begins: true }
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let mut amount = amount;
        if std::mem::take(&mut self.begins) {
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
        self.connection.await_input(timeout)
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
