//! The URL of a blob service, and the paths below it.

use std::fmt;

use http::Uri;
use http::uri::Authority;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::ContainerName;
use crate::error::{Error, Result};
use crate::protocol::auth::SasToken;
use crate::transport::Target;

/// The characters that are not percent-encoded in a path. The signature covers the encoded form.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const QUERY: &AsciiSet = &PATH.add(b'/');

pub(in crate::protocol) fn encode_path(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, PATH)
}

pub(in crate::protocol) fn encode_query(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, QUERY)
}

/// The address of an account's blob service: `https://contoso.blob.core.windows.net`, or with the account in the path, as
/// with emulators and Azure Stack Hub.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    secure: bool,
    authority: Authority,
    /// Empty, or begins with `/`; never ends with it.
    base_path: String,
}

impl Endpoint {
    /// Parses an account URL. Also returns the SAS in its query, if any.
    pub(crate) fn parse(what: &str, url: &str) -> Result<(Self, Option<SasToken>)> {
        let url = url.trim();
        let shown = shown(url);
        let refused = |fault: &str| Error::invalid_input(format!("{what}{shown}: {fault}"));
        if url.contains('#') {
            return Err(refused("a fragment is not allowed"));
        }
        let uri: Uri = url.parse().map_err(|_| {
            refused("it is not a URL such as https://contoso.blob.core.windows.net")
        })?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refused("it must begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| refused("it has no host"))?;
        // A copy, because this one would keep the whole URL with the SAS.
        let authority: Authority =
            authority.as_str().parse().map_err(|_| refused("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("a user name in front of the host is not allowed"));
        }
        if authority.host().is_empty() {
            return Err(refused("it has no host"));
        }
        if !authority.as_str().chars().all(is_plain) {
            return Err(refused("the host must consist of letters, digits, '-' and '.'"));
        }
        if !has_valid_port(&authority) {
            return Err(refused("the text after the host is not a port from 0 to 65535"));
        }
        if let Some(fault) = fault_of_host(authority.host()) {
            return Err(refused(fault));
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

    /// Returns the same endpoint on another host, such as `contoso-secondary.blob.core.windows.net`.
    pub(crate) fn on_host(&self, hostname: &str) -> Result<Self> {
        let refused = || {
            // The value is not shown, because it may be a URL with a SAS.
            Error::invalid_input(
                "secondary hostname: only a host name with an optional port is allowed",
            )
        };
        let uri: Uri = format!("http://{hostname}/").parse().map_err(|_| refused())?;
        match uri.authority() {
            Some(authority)
                if authority.as_str() == hostname
                    && hostname.chars().all(is_plain)
                    && has_valid_port(authority)
                    && fault_of_host(authority.host()).is_none() =>
            {
                Ok(Self { authority: authority.clone(), ..self.clone() })
            }
            _ => Err(refused()),
        }
    }

    /// Returns the endpoint of the account, even if the URL names the container, as the SAS URL of a container does.
    ///
    /// Otherwise every path would contain the container's name twice, and writes would go to blobs that no list shows.
    /// `account` is the account name of the credential, and `sas` the SAS of the URL, if any.
    pub(crate) fn of_account(
        mut self,
        what: &str,
        container: &ContainerName,
        account: Option<&str>,
        sas: Option<&SasToken>,
    ) -> Result<Self> {
        let segments: Vec<_> = self.base_path.split('/').skip(1).collect();
        let Some(last) = segments.last() else { return Ok(self) };
        if segments.len() == 1 && account == Some(*last) {
            return Ok(self);
        }
        let may_be_container =
            segments.len() > 1 || self.host_names_account() || self.has_domain_name();
        let most = if self.host_names_account() { 1 } else { 2 };
        if may_be_container && segments.len() <= most && *last == container.as_str() {
            let end = self.base_path.len() - last.len() - 1;
            self.base_path.truncate(end);
            return Ok(self);
        }
        let of_one_container = segments.len() > 1 && sas.is_some_and(SasToken::is_of_one_container);
        if self.host_names_account() || of_one_container {
            let (url, container) = (crate::model::shown(&self.to_string()), container.as_str());
            return Err(Error::invalid_input(format!(
                "{what}{url}: its path is neither that of the account nor that of the store's container \
                 {container:?}; pass the URL of the account, or of that container"
            )));
        }
        Ok(self)
    }

    /// Returns whether the host is `{account}.blob.…`, so that the path cannot be the account.
    fn host_names_account(&self) -> bool {
        self.host().split('.').skip(1).any(|label| label.eq_ignore_ascii_case("blob"))
    }

    /// Returns whether the host is neither an IP address nor a single label. Emulators have such hosts, and the account in
    /// the path.
    fn has_domain_name(&self) -> bool {
        let host = self.host();
        host.contains('.') && host.bytes().any(|byte| byte.is_ascii_alphabetic())
    }

    /// Returns whether it is a host of Azure's own clouds, with a name that Azure gave.
    pub(crate) fn is_azures(&self) -> bool {
        const ENDS: [&str; 4] = [
            ".blob.core.windows.net",
            ".blob.core.usgovcloudapi.net",
            ".blob.core.chinacloudapi.cn",
            // With a DNS zone: `contoso.z12.blob.storage.azure.net`.
            ".blob.storage.azure.net",
        ];
        let host = self.host().to_ascii_lowercase();
        ENDS.iter().any(|end| host.ends_with(end))
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the encoded path of the container, or of a blob in it.
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

    /// Returns the path of the account itself.
    pub(in crate::protocol) fn account_path(&self) -> String {
        format!("{}/", self.base_path)
    }

    /// Returns the host without its port.
    pub(super) fn host(&self) -> &str {
        self.authority.host()
    }

    /// Returns the host for error messages.
    pub(crate) fn host_and_port(&self) -> String {
        let Target { host, port, .. } = self.target();
        format!("{host}:{port}")
    }

    /// Returns the host to connect to.
    pub(crate) fn target(&self) -> Target<'_> {
        let default_port = if self.secure { 443 } else { 80 };
        let port = self.authority.port_u16().unwrap_or(default_port);
        Target { secure: self.secure, host: self.authority.host(), port }
    }

    pub(in crate::protocol) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    pub(in crate::protocol) fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// Returns the part of a refused URL that an error may show: scheme, host and path. The rest may be a connection string, a
/// SAS or a password.
fn shown(url: &str) -> String {
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.contains('@') {
        return String::new();
    }
    let end = url.find(|letter| !is_plain(letter)).unwrap_or(url.len());
    crate::model::shown(&url[..end])
}

/// Returns whether a character may occur in the host or the path of a URL.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._~:/%[]".contains(letter)
}

/// Returns the fault of a host, apart from its characters.
fn fault_of_host(host: &str) -> Option<&'static str> {
    // The hosts of the other services of an account.
    const OTHERS: [&str; 5] = ["queue", "table", "file", "dfs", "web"];
    let labels: Vec<_> = host.split('.').collect();
    let is = |index: usize, name: &str| {
        labels.get(index).is_some_and(|label| label.eq_ignore_ascii_case(name))
    };
    if labels[0].is_empty() || labels.windows(2).any(|pair| pair[0].is_empty()) {
        Some("the host must not have an empty part before a '.'")
    } else if (1..labels.len()).any(|index| is(index, "servicebus")) {
        Some(
            "it is a namespace of Event Hubs; use the host of the storage account, such as https://contoso.blob.core.windows.net",
        )
    } else if is(2, "core") && OTHERS.iter().any(|name| is(1, name)) {
        Some(
            "it is another service of the account; use the host of its Blob service, such as https://contoso.blob.core.windows.net",
        )
    } else {
        None
    }
}

/// The clients disagree on an invalid port: one of them uses the default of the scheme.
fn has_valid_port(authority: &Authority) -> bool {
    let rest = &authority.as_str()[authority.host().len()..];
    rest.is_empty()
        || rest.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        })
}

/// Returns whether every URL library leaves the segment unchanged, so that the signed bytes are the ones that are sent.
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
    fn the_url_of_the_container_is_understood() {
        const AZURE: &str = "https://acct.blob.core.windows.net";
        let container = ContainerName::new("con").unwrap();
        let account_of = |url: &str, account: Option<&str>| {
            let (endpoint, sas) = parse(url).unwrap();
            endpoint
                .of_account("account URL", &container, account, sas.as_ref())
                .map(|it| it.to_string())
        };
        for (url, expected) in [
            (AZURE, AZURE),
            (&format!("{AZURE}/con"), AZURE),
            (&format!("{AZURE}/con/?sr=c&sig=a"), AZURE),
            (&format!("{AZURE}?sr=c&sig=a"), AZURE),
            ("http://127.0.0.1:10000/acct", "http://127.0.0.1:10000/acct"),
            ("http://127.0.0.1:10000/acct?sr=c&sig=a", "http://127.0.0.1:10000/acct"),
            ("http://127.0.0.1:10000/acct/con?sr=c&sig=a", "http://127.0.0.1:10000/acct"),
            ("http://azurite:10000/acct/con", "http://azurite:10000/acct"),
            // The account of an emulator may have the same name as the container.
            ("http://azurite:10000/con", "http://azurite:10000/con"),
            ("http://[::1]:10000/con", "http://[::1]:10000/con"),
            ("https://blobs.contoso.example/con", "https://blobs.contoso.example"),
            ("https://gateway.example/storage", "https://gateway.example/storage"),
            ("https://gateway.example/a/b", "https://gateway.example/a/b"),
        ] {
            assert_eq!(account_of(url, None).unwrap(), expected, "{url}");
        }
        let same = account_of("https://azurite.svc.example/con", Some("con")).unwrap();
        assert_eq!(
            same, "https://azurite.svc.example/con",
            "the account has the name of the container"
        );
        for url in [
            &format!("{AZURE}/other"),
            &format!("{AZURE}/con/blob"),
            &format!("{AZURE}/other/con?sr=b&sig=secret"),
            "http://127.0.0.1:10000/acct/other?sr=c&sig=secret",
        ] {
            let error = account_of(url, None).unwrap_err().to_string();
            assert!(error.contains("\"con\"") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn hosts_of_other_services_are_refused() {
        for (url, part) in [
            ("https://contoso.servicebus.windows.net", "Event Hubs"),
            ("https://contoso.servicebus.chinacloudapi.cn/", "Event Hubs"),
            ("https://acct.queue.core.windows.net", "another service"),
            ("https://acct.dfs.core.windows.net/", "another service"),
            ("https://.blob.core.windows.net", "empty part"),
            ("https://acct.blob..core.windows.net", "empty part"),
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
            let host = url.trim_start_matches("https://").trim_end_matches('/');
            let (endpoint, _) = parse("https://a/").unwrap();
            assert!(endpoint.on_host(host).is_err(), "{host}");
        }
        for url in [
            "https://servicebus.example",
            "https://queue.example",
            "https://a.blob.core.windows.net.",
        ] {
            assert!(parse(url).is_ok(), "{url}");
        }
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
            "https://a/S0VZsecretsecretsecret0VZsecret0VZ=",
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
