//! Chooses the proxy for a host from the options and the environment, with the same rule for both clients.
//!
//! The clients interpret the variables in different ways, so neither of them reads them.

use std::env;
use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;

use super::options::{ProxyOptions, Target};
use crate::error::{Error, ErrorKind, Result};

/// A proxy that both clients can use.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ChosenProxy {
    pub(crate) url: String,
    /// Its host and port, for errors. The URL may contain a password.
    pub(crate) name: String,
    /// Returns whether the connection to the proxy itself uses TLS.
    pub(crate) secure: bool,
}

impl ChosenProxy {
    /// Returns the proxy for requests to a host, if any.
    ///
    /// # Errors
    ///
    /// The clients cannot use the proxy in the options or the environment.
    pub(crate) fn choose(options: &ProxyOptions, target: Target<'_>) -> Result<Option<Self>> {
        url_of(options, target, |name| env::var(name).ok()).map(|url| Self::parse(&url)).transpose()
    }

    /// A proxy without a scheme uses http.
    fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = url.parse().map_err(|_| unusable())?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            // ureq panics at the first connection through a kind of proxy that it was not built for.
            _ => return Err(unusable()),
        };
        match uri.host() {
            Some(host) if !host.is_empty() => {
                let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
                let name = format!("{host}:{port}");
                Ok(Self { url, name, secure })
            }
            _ => Err(unusable()),
        }
    }
}

/// The URL may contain a password, so the error contains neither the URL nor the cause.
pub(super) fn unusable() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the proxy is not a URL such as http://proxy.example:3128 or https://proxy.example; it was set with \
         `ProxyOptions::Url`, or in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY",
    )
}

fn url_of(
    options: &ProxyOptions,
    target: Target<'_>,
    read: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let set = |name: &str| read(name).filter(|value| !value.trim().is_empty());
    let either = |upper: &str| set(upper).or_else(|| set(&upper.to_lowercase()));
    match options {
        ProxyOptions::Disabled => None,
        ProxyOptions::Url(url) => Some(url.clone()),
        ProxyOptions::FromEnvironment => {
            let own = if target.secure {
                either("HTTPS_PROXY")
            } else if read("REQUEST_METHOD").is_none() {
                either("HTTP_PROXY")
            } else {
                // In a CGI program, any client can set HTTP_PROXY with a `Proxy` header (https://httpoxy.org).
                set("http_proxy").filter(|_| !cfg!(windows))
            };
            let url = own.or_else(|| either("ALL_PROXY"))?;
            let exempt = either("NO_PROXY").is_some_and(|list| is_exempt(target, &list));
            (!exempt).then_some(url)
        }
    }
}

/// Returns whether `NO_PROXY` covers the host.
///
/// Entries are separated by commas or blanks. An entry is `*`, a domain, which includes its subdomains, an IP address, or a
/// subnet such as `10.0.0.0/8`. A domain or an address may be followed by a port.
fn is_exempt(target: Target<'_>, list: &str) -> bool {
    let entries = list.split(|c: char| c == ',' || c.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).any(|entry| names(entry, target))
}

fn names(entry: &str, target: Target<'_>) -> bool {
    if entry == "*" {
        return true;
    }
    let address = bare(target.host).parse::<IpAddr>().ok();
    if let Ok(subnet) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| subnet.contains(&address));
    }
    let (host, port) = split_port(entry);
    if port.is_some_and(|port| port != target.port) {
        return false;
    }
    match address {
        Some(address) => bare(host).parse() == Ok(address),
        None => is_in_domain(target.host, host),
    }
}

/// Removes the brackets around an IPv6 address, which a URL has, but not every `NO_PROXY`.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']'])
}

/// Splits `host:port`. A colon of a bare IPv6 address does not precede a port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if entry.parse::<IpAddr>().is_ok() {
        return (entry, None);
    }
    match entry.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        None => (entry, None),
    }
}

fn is_in_domain(host: &str, domain: &str) -> bool {
    let domain = domain.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    let rest = host.strip_suffix(&domain).filter(|_| !domain.is_empty());
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(secure: bool, host: &str) -> Target<'_> {
        Target { secure, host, port: if secure { 443 } else { 10_000 } }
    }

    fn from_environment(target: Target<'_>, variables: &[(&str, &str)]) -> Option<String> {
        let read = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        url_of(&ProxyOptions::FromEnvironment, target, read)
    }

    #[test]
    fn the_proxy_is_chosen_by_scheme() {
        let chosen = |secure, variables: &[_]| {
            from_environment(target(secure, "acct.blob.example"), variables)
        };
        let variables =
            [("https_proxy", "http://s"), ("HTTP_PROXY", "http://p"), ("no_proxy", "a,b")];
        assert_eq!(chosen(true, &variables).as_deref(), Some("http://s"));
        assert_eq!(chosen(false, &variables).as_deref(), Some("http://p"));
        assert_eq!(chosen(true, &[("ALL_PROXY", "x")]).as_deref(), Some("x"));
        let blank = [("HTTPS_PROXY", " "), ("ALL_PROXY", "x")];
        assert_eq!(chosen(true, &blank).as_deref(), Some("x"));
        assert_eq!(chosen(true, &[("HTTP_PROXY", "http://p")]), None);
    }

    #[test]
    fn a_cgi_program_does_not_believe_http_proxy() {
        let cgi = ("REQUEST_METHOD", "GET");
        let plain = target(false, "acct.blob.example");
        assert_eq!(from_environment(plain, &[cgi, ("HTTP_PROXY", "http://evil")]), None);
        let lower = from_environment(plain, &[cgi, ("http_proxy", "http://p")]);
        assert_eq!(lower.is_some(), !cfg!(windows), "a header cannot set it");
        let secure = target(true, "acct.blob.example");
        assert!(from_environment(secure, &[cgi, ("HTTPS_PROXY", "http://p")]).is_some());
    }

    fn exempt(secure: bool, host: &str, list: &str) -> bool {
        let variables = [("ALL_PROXY", "x"), ("NO_PROXY", list)];
        from_environment(target(secure, host), &variables).is_none()
    }

    #[test]
    fn exempt_domains() {
        const HOST: &str = "acct.blob.example";
        for list in [
            "*",
            "x, ACCT.blob.example",
            "x acct.blob.example",
            ".blob.example",
            "*.example",
            "example",
            "acct.blob.example:443",
            ".blob.example:443",
        ] {
            assert!(exempt(true, HOST, list), "{list}");
        }
        for list in [
            "",
            "lob.example",
            "other.example",
            ",",
            ".",
            "*.",
            "acct.blob.example:444",
            "10.0.0.0/8",
        ] {
            assert!(!exempt(true, HOST, list), "{list}");
        }
        assert!(exempt(false, HOST, "acct.blob.example:10000"));
    }

    #[test]
    fn exempt_addresses_and_subnets() {
        for (host, list) in [
            ("10.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.3", "x,10.1.2.3:443"),
            ("10.1.2.3", "0.0.0.0/0"),
            ("[::1]", "::1/128"),
            ("[::1]", "::1"),
            ("[::1]", "[::1]"),
            ("[::1]", "[::1]:443"),
            ("[fd00::7]", "fd00::/8"),
        ] {
            assert!(exempt(true, host, list), "{host} {list}");
        }
        for (host, list) in [
            ("10.1.2.3", "11.0.0.0/8"),
            ("10.1.2.3", "10.0.0.0/33"),
            ("10.1.2.3", "10.1.2.3:444"),
            ("10.1.2.3", "2.3"),
            ("10.1.2.3", "::/0"),
            ("[::1]", "::2"),
            ("[::1]", "[::1]:80"),
            ("[::1]", "127.0.0.0/8"),
        ] {
            assert!(!exempt(true, host, list), "{host} {list}");
        }
    }

    #[test]
    fn proxies_that_a_client_cannot_use_are_refused() {
        for (text, url, name, secure) in [
            ("proxy.example", "http://proxy.example", "proxy.example:80", false),
            (
                " u:secret@proxy.example:3128 ",
                "http://u:secret@proxy.example:3128",
                "proxy.example:3128",
                false,
            ),
            ("https://proxy.example", "https://proxy.example", "proxy.example:443", true),
            ("HTTPS://[::1]:1", "HTTPS://[::1]:1", "[::1]:1", true),
        ] {
            let chosen = ChosenProxy::parse(text).unwrap();
            assert_eq!((chosen.url.as_str(), chosen.secure), (url, secure));
            assert_eq!(chosen.name, name);
        }
        for text in ["socks5://u:secret@p", "socks4://p", "ftp://p", "", "http://u:secret@", "a b"]
        {
            let Err(error) = ChosenProxy::parse(text) else { panic!("{text}") };
            assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
