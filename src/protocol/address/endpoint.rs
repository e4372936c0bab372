//! The URL of a blob service, and the paths below it.

use std::fmt;

use http::Uri;
use http::uri::Authority;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::ContainerName;
use crate::error::{Error, Result};
use crate::protocol::auth::SasToken;

/// What stays readable in a path. Everything else is encoded, and the encoded bytes are what is signed.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const QUERY: &AsciiSet = &PATH.add(b'/');

pub(in crate::protocol) fn encode_path(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, PATH)
}

pub(in crate::protocol) fn encode_query(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, QUERY)
}

/// Where the blob service of an account is: `https://contoso.blob.core.windows.net`, or with the account in
/// the path, as emulators and Azure Stack Hub have it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    secure: bool,
    authority: Authority,
    /// Begins with `/` unless it is empty, and never ends with one.
    base_path: String,
}

impl Endpoint {
    /// Takes an account URL apart; a SAS in its query is handed out.
    pub(crate) fn parse(what: &str, url: &str) -> Result<(Self, Option<SasToken>)> {
        let url = url.trim();
        let shown = shown(url);
        let refused = |fault: &str| Error::invalid_input(format!("{what}{shown}: {fault}"));
        if url.contains('#') {
            return Err(refused("a fragment is not allowed"));
        }
        let uri: Uri = url
            .parse()
            .map_err(|_| refused("it is not a URL as in https://contoso.blob.core.windows.net"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refused("it must begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| refused("it has no host"))?;
        // A copy: this one would keep the whole URL, with the SAS.
        let authority: Authority =
            authority.as_str().parse().map_err(|_| refused("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("a user name in front of the host is not allowed"));
        }
        if authority.host().is_empty() {
            return Err(refused("it has no host"));
        }
        if !authority.as_str().chars().all(is_plain) {
            return Err(refused("a host only has letters, digits, '-' and '.'"));
        }
        if !has_valid_port(&authority) {
            return Err(refused("what follows the host is not a port from 0 to 65535"));
        }
        let base_path = uri.path().trim_end_matches('/');
        if !base_path.split('/').skip(1).all(is_plain_segment) {
            return Err(refused(
                "the path must not have empty segments, '.', '..', or anything but letters, digits, '-', '.', '_' and '~'",
            ));
        }
        let sas = match uri.query() {
            None | Some("") => None,
            Some(query) => {
                Some(SasToken::new(query).map_err(|_| refused("the query is not a SAS (sig=…)"))?)
            }
        };
        let endpoint = Self { secure, authority, base_path: base_path.to_owned() };
        Ok((endpoint, sas))
    }

    /// The same endpoint on another host, as in `contoso-secondary.blob.core.windows.net`.
    pub(crate) fn on_host(&self, hostname: &str) -> Result<Self> {
        let refused = || {
            // It is not named: it may be a URL with a SAS.
            Error::invalid_input(
                "secondary hostname: only a host name, with a port if need be, is allowed",
            )
        };
        let uri: Uri = format!("http://{hostname}/").parse().map_err(|_| refused())?;
        match uri.authority() {
            Some(authority)
                if authority.as_str() == hostname
                    && hostname.chars().all(is_plain)
                    && has_valid_port(authority) =>
            {
                Ok(Self { authority: authority.clone(), ..self.clone() })
            }
            _ => Err(refused()),
        }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// The encoded path of the container, or of a blob in it.
    pub(in crate::protocol) fn path(
        &self,
        container: &ContainerName,
        blob: Option<&str>,
    ) -> String {
        let mut path = String::with_capacity(
            self.base_path.len() + container.as_str().len() + blob.map_or(0, str::len) + 16,
        );
        path.push_str(&self.base_path);
        path.push('/');
        path.push_str(container.as_str());
        if let Some(blob) = blob {
            path.push('/');
            path.extend(encode_path(blob));
        }
        path
    }

    /// The host without its port, for the choice of a proxy.
    pub(crate) fn host(&self) -> &str {
        self.authority.host()
    }

    pub(in crate::protocol) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    pub(in crate::protocol) fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// What an error may show of a refused URL: scheme, host and path. Anything else may be a connection string, a SAS or a
/// password.
fn shown(url: &str) -> String {
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.contains('@') {
        return String::new();
    }
    let end = url.find(|letter| !is_plain(letter)).unwrap_or(url.len());
    format!(" {:?}", &url[..end])
}

/// What stands in the host and the path of a URL.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._~:/%[]".contains(letter)
}

/// The clients do not agree on a port that is none: one takes the scheme's.
fn has_valid_port(authority: &Authority) -> bool {
    let rest = &authority.as_str()[authority.host().len()..];
    rest.is_empty()
        || rest.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        })
}

/// What every URL library leaves as it is, so that what is sent is what was signed.
fn is_plain_segment(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.base_path)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<(Endpoint, Option<SasToken>)> {
        Endpoint::parse("account URL", url)
    }

    #[test]
    fn hosts_and_paths() {
        let container = ContainerName::new("con").unwrap();
        let (endpoint, sas) = parse("https://acct.blob.core.windows.net/").unwrap();
        assert!(endpoint.is_secure() && sas.is_none());
        assert_eq!(
            endpoint.path(&container, Some("n/$default/0 ~ü")),
            "/con/n/%24default/0%20~%C3%BC"
        );
        let (endpoint, _) = parse("http://127.0.0.1:10000/devstoreaccount1").unwrap();
        assert_eq!(endpoint.path(&container, None), "/devstoreaccount1/con");
        assert_eq!(
            endpoint.on_host("localhost:1").unwrap().to_string(),
            "http://localhost:1/devstoreaccount1"
        );
    }

    #[test]
    fn a_sas_in_the_url_is_found() {
        let (_, sas) = parse("https://a.blob.core.windows.net?sv=1&sig=x").unwrap();
        assert_eq!(sas.unwrap().as_query(), "sv=1&sig=x");
    }

    #[test]
    fn faults_are_named_and_secrets_are_not() {
        for url in [
            "",
            "contoso",
            "ftp://a/",
            "https://",
            "https:///x",
            "https://u:secret@a/",
            "https://a/?secret=1",
            "https://a/#secret",
            "https://a/../b",
            "https://a:65536/",
            "https://a:1000O/",
            "https://a:+1/",
            "https://a:/",
            "https://[::1]x/",
            "https://a/b/%2e%2e",
            "https://a/%2E/b",
            "https://a/b\\c",
            "https://a/b//c",
            "https://a//b",
            "https://a/{b}",
            "https://a b/?sig=secret",
            "https://u:pa?secret@a/",
            "https://a/;AccountKey=secret",
            "https://a AccountKey=secret",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=secret",
            "secret",
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains("account URL") && !error.contains("secret"), "{url}: {error}");
        }
        let (endpoint, _) = parse("https://a/").unwrap();
        for host in ["", "a/b", "https://a", "u@a", "a b", "a?x", "a:65536", "a:1O", "a:"] {
            assert!(endpoint.on_host(host).is_err(), "{host:?}");
        }
        let error = parse(" https://contoso.example/path?secret=1").unwrap_err().to_string();
        assert!(error.contains("\"https://contoso.example/path\""), "{error}");
        let error = endpoint.on_host("https://a/?sig=secret").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        for host in ["b", "b:65535", "[::1]", "[::1]:1"] {
            assert!(endpoint.on_host(host).is_ok(), "{host:?}");
        }
    }
}
