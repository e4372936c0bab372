//! Every option of a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{
    BlobCheckpointStore, BlobContainer, Credential, RestContainer, Transport, default_transport,
};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{RestOptions, StoreOptions};
use crate::protocol::{
    ApiVersion, ConnectionString, ContainerName, Endpoint, RetryOptions, StringCredential,
};
use crate::records::naming::NameCase;
use crate::transport::{ProxyOptions, TlsBackend};

/// A builder for a store. [`build`](Self::build) checks all options. Nothing is sent.
///
#[doc = example!("store_builder/blob_checkpoint_store_builder")]
#[must_use = "nothing exists before `build`"]
pub struct BlobCheckpointStoreBuilder {
    account: Account,
    container_name: String,
    credential: Option<Credential>,
    store: StoreOptions,
    rest: RestOptions,
    transport: Option<Arc<dyn Transport>>,
}

/// The address of the account. Both forms may contain secrets.
enum Account {
    Url(Zeroizing<String>),
    ConnectionString(Zeroizing<String>),
}

impl BlobCheckpointStoreBuilder {
    pub(super) fn from_url(url: &str, container_name: &str) -> Self {
        Self::new(Account::Url(Zeroizing::new(url.to_owned())), container_name)
    }

    pub(super) fn from_connection_string(text: &str, container_name: &str) -> Self {
        Self::new(Account::ConnectionString(Zeroizing::new(text.to_owned())), container_name)
    }

    fn new(account: Account, container_name: &str) -> Self {
        Self {
            account,
            container_name: container_name.to_owned(),
            credential: None,
            store: StoreOptions::default(),
            rest: RestOptions::default(),
            transport: None,
        }
    }

    /// Sets the credential. It takes precedence over one in the URL or connection string.
    ///
    /// [`Credential::anonymous`] takes precedence over a connection string only: a SAS in the URL is still sent.
    /// Without any credential [`build`](Self::build) fails.
    ///
    #[doc = example!("store_builder/credential")]
    pub fn credential(mut self, credential: impl Into<Credential>) -> Self {
        self.credential = Some(credential.into());
        self
    }

    /// Sets the version of the REST protocol. Default: 2019-07-07. Azure Stack Hub before 2301 needs 2017-11-09.
    ///
    #[doc = example!("store_builder/api_version")]
    pub fn api_version(mut self, api_version: ApiVersion) -> Self {
        self.rest.api_version = api_version;
        self
    }

    /// Sets the host that reads are retried on after a failure of the primary, as in
    /// `contoso-secondary.blob.core.windows.net`. Writes never go there. It takes precedence over
    /// `BlobSecondaryEndpoint` of a connection string.
    ///
    #[doc = example!("store_builder/secondary_hostname")]
    pub fn secondary_hostname(mut self, hostname: impl Into<String>) -> Self {
        self.rest.secondary_hostname = Some(hostname.into());
        self
    }

    /// Sets whether a list of checkpoints may also come from the secondary. Default: no.
    ///
    /// The secondary may lag by minutes, so consumers that resume from such a list process events again.
    /// [`Listing::is_from_secondary`](crate::Listing::is_from_secondary) tells.
    ///
    #[doc = example!("store_builder/list_checkpoints_from_secondary")]
    pub fn list_checkpoints_from_secondary(mut self, allow: bool) -> Self {
        self.store.list_checkpoints_from_secondary = allow;
        self
    }

    /// Sets how names are written into blob names. Default: lower case.
    ///
    #[doc = example!("store_builder/name_case")]
    pub fn name_case(mut self, name_case: NameCase) -> Self {
        self.store.name_case = name_case;
        self
    }

    /// Sets whether reads also look under the other [`NameCase`], for moving a fleet from one to the other.
    /// Default: no.
    ///
    /// - A partition's record under the store's own naming takes precedence. From the first claim or checkpoint on, only
    ///   that one is read.
    /// - An ownership that is only found under the other naming is listed with its owner and its time, so that an
    ///   [`OwnershipManager`](super::super::OwnershipManager) leaves a live owner alone, but without an ETag: claiming it makes
    ///   a new record under the store's own naming, which succeeds for one consumer only. A custom balancer must check
    ///   the age of the owner: a live one would not notice the takeover.
    /// - A checkpoint that is only found under the other naming is where processing resumes.
    /// - Nothing is ever written or deleted under the other naming. If a checkpoint is deleted under the store's own
    ///   naming, an older one under the other naming becomes visible again.
    ///
    /// To move, start the new consumers and then stop all old ones at once: the new ones leave live owners alone, and
    /// take over what is relinquished or expires. The old ones never look under the new naming; if only some of them
    /// stop, the others take the same partitions as the new ones, and both process them.
    ///
    /// The cost: a list takes a second request per 5,000 partitions, [`get_checkpoint`] a second one where the store's
    /// own naming has no checkpoint. Groups whose names are all in lower case are the same in both namings and cost
    /// nothing. Claims and updates cost nothing, except in a [fenced](BlobCheckpointStore::fenced) store: where it reads
    /// before an update and the store's own naming has no checkpoint, it reads a second time.
    /// [`delete_checkpoints`](BlobCheckpointStore::delete_checkpoints) also takes a second list.
    ///
    /// [`get_checkpoint`]: BlobCheckpointStore::get_checkpoint
    ///
    #[doc = example!("store_builder/read_other_name_case")]
    pub fn read_other_name_case(mut self, read_fallback: bool) -> Self {
        self.store.read_fallback = read_fallback;
        self
    }

    /// Sets whether an unreadable blob fails the read. Default: no, it is skipped with a warning.
    ///
    #[doc = example!("store_builder/fail_on_unreadable")]
    pub fn fail_on_unreadable(mut self, strict: bool) -> Self {
        self.store.strict = strict;
        self
    }

    /// Sets how often requests are retried, and how long to wait in between. Default: 3 retries.
    ///
    #[doc = example!("store_builder/retry")]
    pub fn retry(mut self, retry: RetryOptions) -> Self {
        self.rest.retry = retry;
        self
    }

    /// Sets the limit of a whole call: all attempts, pages and claims. Default: 20 s.
    ///
    /// Keep it well below the time after which ownerships expire.
    ///
    #[doc = example!("store_builder/call_timeout")]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.store.call_timeout = timeout;
        self
    }

    /// Sets the limit of one attempt, from connecting to the end of the response. Default: 8 s.
    ///
    #[doc = example!("store_builder/attempt_timeout")]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.rest.transport.attempt_timeout = timeout;
        self
    }

    /// Sets the limit of connecting, from looking up the name to the end of the TLS handshake. Default: 5 s.
    ///
    #[doc = example!("store_builder/connect_timeout")]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.rest.transport.connect_timeout = timeout;
        self
    }

    /// Sets how long an unused connection is kept. Default: 60 s, longer than the rounds of a load balancer.
    ///
    /// Set it below the limit of a firewall or proxy that drops idle connections silently.
    ///
    #[doc = example!("store_builder/idle_timeout")]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.rest.transport.idle_timeout = timeout;
        self
    }

    /// Sets the maximum lifetime of a connection, counted from when its connection pool was created. Default: 5 min.
    ///
    /// A host name is only looked up for a new connection. Without this limit, a busy connection would stay at the old
    /// address after a DNS failover, or after a private endpoint was moved.
    ///
    #[doc = example!("store_builder/connection_lifetime")]
    pub fn connection_lifetime(mut self, lifetime: Duration) -> Self {
        self.rest.transport.connection_lifetime = lifetime;
        self
    }

    /// Sets how many claims of a batch run at a time, and how many idle connections are kept. Default: 16; at most 256.
    ///
    #[doc = example!("store_builder/claim_concurrency")]
    pub fn claim_concurrency(mut self, limit: usize) -> Self {
        self.store.claim_concurrency = limit;
        self.rest.transport.max_idle_connections = limit;
        self
    }

    /// Sets the proxy. Default: the one in the environment.
    ///
    #[doc = example!("store_builder/proxy")]
    pub fn proxy(mut self, proxy: ProxyOptions) -> Self {
        self.rest.transport.proxy = proxy;
        self
    }

    /// Trusts the PEM certificates instead of the platform's roots. Call it again to add more.
    ///
    #[doc = example!("store_builder/root_certificates")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.rest.transport.root_certificates.push(pem.into());
        self
    }

    /// Sets the TLS implementation. Default: rustls if it is compiled in.
    ///
    #[doc = example!("store_builder/tls_backend")]
    pub fn tls_backend(mut self, backend: TlsBackend) -> Self {
        self.rest.transport.tls_backend = backend;
        self
    }

    /// Sets the text in front of the crate's own name in `User-Agent`, as in `my-app/1.0`.
    ///
    #[doc = example!("store_builder/user_agent_prefix")]
    pub fn user_agent_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.rest.user_agent_prefix = Some(prefix.into());
        self
    }

    /// Sends requests through a custom HTTP client, or an `Arc` or `Box` of one. The options for connections, proxies and
    /// TLS are then ignored.
    ///
    #[doc = example!("transport/transport")]
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Creates a store over a custom container with these options. The options for the account, HTTP and retries are
    /// ignored.
    ///
    #[doc = example!("store_builder/build_with_container")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for an option out of its range.
    pub fn build_with_container(
        self,
        container: impl BlobContainer + 'static,
    ) -> Result<BlobCheckpointStore> {
        self.store.check()?;
        Ok(BlobCheckpointStore::assemble(Box::new(container), self.store))
    }

    /// Checks all options and creates the store. Nothing is sent.
    ///
    #[doc = example!("store/builder")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for an invalid value, which the message contains unless it may be a secret;
    /// [`ErrorKind::Configuration`] if there is no credential, if the options contradict each other, or if they need a
    /// Cargo feature.
    pub fn build(self) -> Result<BlobCheckpointStore> {
        self.store.check()?;
        self.rest.check()?;
        let name = ContainerName::new(&self.container_name)?;
        let Location { endpoint, secondary, found } = self.account.parse()?;
        let credential = choose_credential(self.credential, found, self.account.is_url())?;
        let (account, sas) = (credential.account_name(), credential.as_sas());
        let what = self.account.what();
        let endpoint = endpoint.of_account(what, &name, account, sas)?;
        credential.warn_if_cut(&endpoint);
        let secondary = match (&self.rest.secondary_hostname, secondary) {
            (Some(hostname), _) => Some(endpoint.on_host(hostname)?),
            (None, Some(secondary)) => {
                Some(secondary.of_account("BlobSecondaryEndpoint", &name, account, sas)?)
            }
            (None, None) => None,
        };
        let secure = endpoint.is_secure() && secondary.as_ref().is_none_or(Endpoint::is_secure);
        if credential.is_token() && !secure {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("a token is only sent over https, but the endpoint is {endpoint}"),
            ));
        }
        let transport = match self.transport {
            Some(transport) => transport,
            None => default_transport(
                &self.rest.transport,
                endpoint.target(),
                secondary.as_ref().map(Endpoint::target),
            )?,
        };
        let container = RestContainer {
            container: name,
            user_agent: self.rest.user_agent()?,
            api_version: self.rest.api_version,
            retry: self.rest.retry,
            attempt_timeout: self.rest.transport.attempt_timeout,
            call_timeout: self.store.call_timeout,
            endpoint,
            secondary,
            credential,
            transport,
        };
        Ok(BlobCheckpointStore::assemble(Box::new(container), self.store))
    }
}

/// The content of the URL or connection string.
struct Location {
    endpoint: Endpoint,
    secondary: Option<Endpoint>,
    found: StringCredential,
}

/// An explicit credential takes precedence; only a SAS in the URL is sent beside an anonymous one.
fn choose_credential(
    explicit: Option<Credential>,
    found: StringCredential,
    in_url: bool,
) -> Result<Credential> {
    match (explicit, found) {
        (Some(credential), StringCredential::Missing) => Ok(credential),
        (Some(credential), _) if !(credential.is_anonymous() && in_url) => Ok(credential),
        (None, StringCredential::Missing) => Err(Error::new(
            ErrorKind::Configuration,
            if in_url {
                "there is no credential: pass one, a URL with a SAS, or `Credential::anonymous()`"
            } else {
                "the connection string has no AccountKey and no SharedAccessSignature; if it was not cut short, give a \
                 credential beside it, or `Credential::anonymous()`"
            },
        )),
        (_, found) => Ok(found.into()),
    }
}

impl Account {
    fn is_url(&self) -> bool {
        matches!(self, Self::Url(_))
    }

    /// Returns its name in errors.
    fn what(&self) -> &'static str {
        if self.is_url() { "account URL" } else { "BlobEndpoint" }
    }

    fn parse(&self) -> Result<Location> {
        match self {
            Self::Url(url) => {
                let (endpoint, sas) = Endpoint::parse(self.what(), url)?;
                let found = sas.map_or(StringCredential::Missing, StringCredential::Sas);
                Ok(Location { endpoint, secondary: None, found })
            }
            Self::ConnectionString(text) => {
                let ConnectionString { endpoint, secondary, credential } =
                    ConnectionString::parse(text)?;
                Ok(Location { endpoint, secondary, found: credential })
            }
        }
    }
}

/// Neither the host nor the container name is shown before it is checked, because a secret may be in its place.
impl fmt::Debug for BlobCheckpointStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobCheckpointStoreBuilder")
            .field("container_name", &ContainerName::new(&self.container_name).ok())
            .field("credential", &self.credential)
            .field("store", &self.store)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}
