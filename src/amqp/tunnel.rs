//! The tunnel through an HTTP proxy, opened with `CONNECT`.

use std::io::{Error, ErrorKind, Result};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The maximum length of a response's head.
const MAX_HEAD: usize = 8 * 1024;

/// Asks the proxy at the other end of the stream to connect to a host.
pub(super) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Uri,
    host: &str,
    port: u16,
) -> Result<()> {
    stream.write_all(request(proxy, host, port).as_bytes()).await?;
    let mut head = Vec::new();
    // Only one byte is read at a time, because the bytes after the head come from the host.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "the response of the proxy is too long",
            ));
        }
        head.push(stream.read_u8().await?);
    }
    match status(&head) {
        Some(200..300) => Ok(()),
        Some(407) => Err(Error::other("the proxy requires a user name and a password (407)")),
        Some(status) => {
            Err(Error::other(format!("the proxy refused the connection with {status}")))
        }
        None => Err(Error::new(ErrorKind::InvalidData, "the proxy did not speak HTTP")),
    }
}

fn request(proxy: &Uri, host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let user = proxy.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    let authorization = user.map_or(String::new(), |(user, _)| {
        let user: Vec<u8> = percent_decode_str(user).collect();
        format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(user))
    });
    format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n")
}

/// Returns the status in a line such as `HTTP/1.1 200 Connection established`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_host_port_and_user() {
        let proxy: Uri = "http://user%40corp:pa%3Ass@proxy.example:3128".parse().unwrap();
        assert_eq!(
            request(&proxy, "ns.example", 443),
            "CONNECT ns.example:443 HTTP/1.1\r\nHost: ns.example:443\r\n\
             Proxy-Authorization: Basic dXNlckBjb3JwOnBhOnNz\r\n\r\n"
        );
        let proxy: Uri = "http://proxy.example".parse().unwrap();
        assert_eq!(
            request(&proxy, "::1", 5671),
            "CONNECT [::1]:5671 HTTP/1.1\r\nHost: [::1]:5671\r\n\r\n"
        );
    }

    #[test]
    fn only_http_has_a_status() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407 \r\n\r\n"), Some(407));
        for head in ["", "AMQP\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 ok\r\n\r\n"] {
            assert_eq!(status(head.as_bytes()), None, "{head}");
        }
    }
}
