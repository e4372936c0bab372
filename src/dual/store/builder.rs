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
use crate::transport::{ProxyOptions, TlsBackend, TransportOptions};

/// Collects the options of a store; [`build`](Self::build) checks them all. Nothing is sent.
///
/// ```
/// use std::time::Duration;
/// use eventhub_checkpointstore::NameCase;
#[doc = super::by_surface!(
    blocking: "use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential};",
    aio: "use eventhub_checkpointstore::checkpointstoreblob_aio::{BlobCheckpointStore, Credential};"
)]
///
/// let store = BlobCheckpointStore::builder("http://127.0.0.1:10000/devstoreaccount1", "checkpoints")
///     .credential(Credential::account_key("devstoreaccount1", "c2VjcmV0")?)
///     .call_timeout(Duration::from_secs(10))
///     .name_case(NameCase::AsGiven)
///     .build()?;
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[must_use = "nothing exists before `build`"]
pub struct BlobCheckpointStoreBuilder {
    account: Account,
    container_name: String,
    credential: Option<Credential>,
    store: StoreOptions,
    rest: RestOptions,
    transport: Option<Arc<dyn Transport>>,
}

/// Where the account is; both may hold secrets.
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

    /// The credential; it wins over one in the URL or the connection string. An anonymous one wins over that of a
    /// connection string only: a SAS in the URL is sent all the same.
    pub fn credential(mut self, credential: impl Into<Credential>) -> Self {
        self.credential = Some(credential.into());
        self
    }

    /// The version of the REST protocol. Default: 2019-07-07.
    pub fn api_version(mut self, api_version: ApiVersion) -> Self {
        self.rest.api_version = api_version;
        self
    }

    /// Where reads are repeated after a failure of the primary, as in `contoso-secondary.blob.core.windows.net`.
    /// Writes never go there. Wins over `BlobSecondaryEndpoint` of a connection string.
    pub fn secondary_hostname(mut self, hostname: impl Into<String>) -> Self {
        self.rest.secondary_hostname = Some(hostname.into());
        self
    }

    /// Whether a list of checkpoints may come from the secondary, too. It may lag by minutes: consumers would repeat
    /// events. [`Listing::is_from_secondary`](crate::Listing::is_from_secondary) tells. Default: no.
    pub fn list_checkpoints_from_secondary(mut self, allow: bool) -> Self {
        self.store.list_checkpoints_from_secondary = allow;
        self
    }

    /// How names are written into blob names. Default: lower case.
    pub fn name_case(mut self, name_case: NameCase) -> Self {
        self.store.name_case = name_case;
        self
    }

    /// Whether reads also look under the other [`NameCase`], for moving a fleet from one camp to the other.
    /// Default: no.
    ///
    /// - A partition's record under the store's own naming wins. From the first claim or checkpoint on, only that one
    ///   counts.
    /// - An ownership that is only found under the other naming is listed with its owner and its time, so that an
    ///   [`OwnershipManager`](super::OwnershipManager) leaves a live owner alone, but without an ETag: claiming it makes
    ///   a new record under the own naming, which succeeds for one consumer only. Another balancer must know that: a
    ///   live owner would not see that it was robbed.
    /// - A checkpoint that is only found under the other naming is where processing goes on.
    /// - Nothing is ever written or deleted under the other naming. So a checkpoint that is deleted under the own
    ///   naming lets an older one of the other naming show again.
    ///
    /// To move, start the new consumers and then stop all old ones at once: the new ones leave live owners alone, and
    /// take over what is relinquished or expires. The old ones never look under the new naming; if only some of them
    /// stop, the others take the same partitions as the new ones, and both process them.
    ///
    /// The cost: a list takes a second request per 5,000 partitions, [`get_checkpoint`] a second one where the own
    /// naming has no checkpoint. Groups whose names are all in lower case are the same in both namings and cost
    /// nothing. Claims and updates cost nothing, but for a [fenced](BlobCheckpointStore::fenced) store: where it reads
    /// before an update and the own naming has no checkpoint, it reads a second time.
    /// [`delete_checkpoints`](BlobCheckpointStore::delete_checkpoints) takes a second list, too.
    ///
    /// [`get_checkpoint`]: BlobCheckpointStore::get_checkpoint
    pub fn read_other_name_case(mut self, read_fallback: bool) -> Self {
        self.store.read_fallback = read_fallback;
        self
    }

    /// Whether a blob that is not readable as a record fails the read, instead of being left out with a warning.
    /// Default: no.
    pub fn fail_on_unreadable(mut self, strict: bool) -> Self {
        self.store.strict = strict;
        self
    }

    /// How often and how long requests are repeated.
    pub fn retry(mut self, retry: RetryOptions) -> Self {
        self.rest.retry = retry;
        self
    }

    /// The limit of a whole call with all its attempts, pages and claims. Default: 20 s. Keep it well below the time
    /// after which ownerships expire.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.store.call_timeout = timeout;
        self
    }

    /// The limit of one attempt, from connecting to the end of the answer. Default: 8 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.rest.transport.attempt_timeout = timeout;
        self
    }

    /// The limit of connecting, from looking up the name to the end of the TLS handshake. Default: 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.rest.transport.connect_timeout = timeout;
        self
    }

    /// How long a connection without a request is kept. Default: 60 s, longer than the rounds of a load balancer. Set it
    /// below the limit of a firewall or proxy that drops such connections without a word.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.rest.transport.idle_timeout = timeout;
        self
    }

    /// How many claims of a batch are under way at a time, and how many idle connections are kept. Default: 16, at
    /// most 256.
    pub fn claim_concurrency(mut self, limit: usize) -> Self {
        self.store.claim_concurrency = limit;
        self.rest.transport.max_idle_connections = limit;
        self
    }

    /// Which proxy is used. Default: what the environment says.
    pub fn proxy(mut self, proxy: ProxyOptions) -> Self {
        self.rest.transport.proxy = proxy;
        self
    }

    /// Trusts the certificates of a PEM text, and no others: the platform's roots do not count any more. Call it
    /// again for more.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.rest.transport.root_certificates.push(pem.into());
        self
    }

    /// Which TLS implementation is used. Default: rustls if it is compiled in.
    pub fn tls_backend(mut self, backend: TlsBackend) -> Self {
        self.rest.transport.tls_backend = backend;
        self
    }

    /// What stands before our own name in `User-Agent`, as in `my-app/1.0`.
    pub fn user_agent_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.rest.user_agent_prefix = Some(prefix.into());
        self
    }

    /// An HTTP client of your own, or an `Arc` or `Box` of one. The options about connections, proxies and TLS do not
    /// count then.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// A store over a container of your own with these options; those about the account, HTTP and retries do not
    /// count.
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

    /// Checks all options and makes the store. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for a value that is not allowed, which the text names;
    /// [`ErrorKind::Configuration`] if the options contradict each other or need a Cargo feature.
    pub fn build(self) -> Result<BlobCheckpointStore> {
        self.store.check()?;
        self.rest.check()?;
        let name = ContainerName::new(&self.container_name)?;
        let Location { endpoint, secondary, found } = self.account.parse()?;
        let credential = choose_credential(self.credential, found, self.account.is_url())?;
        let (account, sas) = (credential.account_name(), credential.as_sas());
        let what = self.account.what();
        let endpoint = endpoint.of_account(what, &name, account, sas)?;
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
            None => connect(&self.rest.transport, &endpoint, secondary.as_ref())?,
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

/// One client serves both hosts, so it can do TLS if one of them needs it.
fn connect(
    options: &TransportOptions,
    endpoint: &Endpoint,
    secondary: Option<&Endpoint>,
) -> Result<Arc<dyn Transport>> {
    let secure = endpoint.is_secure() || secondary.is_some_and(Endpoint::is_secure);
    default_transport(options, secure, endpoint.host())
}

/// What the URL or the connection string says.
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
                "there is no credential: give one, a URL with a SAS, or `Credential::anonymous()`"
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

    /// What errors call it.
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

/// Neither the host nor the name of the container is shown before it was checked: a secret may stand in its place.
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
