//! Reads the properties of an event hub and its partitions from `$management`, without a receiver in any consumer
//! group.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::{ApplicationProperties, Body, Message};
use fe2o3_amqp_management::client::MgmtClient;
use fe2o3_amqp_management::error::Error as RequestError;
use fe2o3_amqp_management::request::Request;
use fe2o3_amqp_management::response::Response;
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::decode::{system_time, text};
use super::encoded::Encoded;
use super::encoding::{Raw, Values};
use super::fault::Fault;
use super::hub::{Hub, closed, end_session, in_background};
use crate::error::{Error, ErrorKind, Result};
use crate::processing::{EventHubProperties, LastEnqueued, PartitionProperties};

/// The maximum number of concurrent requests. A client has one at a time, and a tool may ask for thousands of
/// partitions.
const MAX_CLIENTS: usize = 8;
/// How long a client may be idle. It is ended before the service detaches its idle links.
const MAX_IDLE: Duration = Duration::from_secs(30);
/// The maximum number of attempts for a request.
const ATTEMPTS: u32 = 4;

/// The idle clients, and the permits that limit concurrent requests.
pub(super) struct Clients {
    idle: Mutex<Vec<Client>>,
    permits: Semaphore,
}

/// A pair of links in its own session. It ignores correlation ids, so it is discarded after a timeout.
struct Client {
    links: MgmtClient,
    session: SessionHandle<()>,
    since: Instant,
}

impl Default for Clients {
    fn default() -> Self {
        Self { idle: Mutex::default(), permits: Semaphore::new(MAX_CLIENTS) }
    }
}

impl Clients {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Client>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the idle client that was used last, and ends those that are too old.
    fn take(&self) -> Option<Client> {
        let mut idle = self.idle();
        let young =
            |client: &Client| client.since.elapsed() < MAX_IDLE && !client.session.is_ended();
        let old: Vec<Client> = idle.extract_if(.., |client| !young(client)).collect();
        let taken = idle.pop();
        drop(idle);
        for client in old {
            drop(tokio::spawn(client.end()));
        }
        taken
    }

    pub(super) async fn close(&self) {
        let clients = std::mem::take(&mut *self.idle());
        join_all(clients.into_iter().map(Client::end)).await;
    }
}

impl Client {
    async fn attach(hub: &Arc<Hub>) -> Result<Self, Fault> {
        let mut session = hub.session().await?;
        in_background(
            "attaching the management links",
            hub.options.request_timeout,
            async move {
                let address = format!("management-{:016x}", fastrand::u64(..));
                let links = MgmtClient::attach(&mut session, address).await?;
                Ok(Self { links, session, since: Instant::now() })
            },
            Self::end,
        )
        .await
    }

    async fn end(self) {
        end_session(self.session, self.links).await;
    }
}

impl Hub {
    /// Returns the properties of the event hub.
    pub(crate) async fn properties(self: Arc<Self>) -> Result<EventHubProperties> {
        let attributes = self.read(None).await;
        attributes
            .and_then(|attributes| eventhub(&attributes).ok_or_else(unreadable))
            .map_err(|error| error.with_action(format!("read the properties of {}", self.name())))
    }

    /// Returns the properties of a partition.
    pub(crate) async fn partition_properties(
        self: Arc<Self>,
        partition_id: String,
    ) -> Result<PartitionProperties> {
        let attributes = self.read(Some(&partition_id)).await;
        attributes
            .and_then(|attributes| partition(&partition_id, &attributes).ok_or_else(unreadable))
            .map_err(|error| {
                let name = self.name();
                error.with_action(format!(
                    "read the properties of partition {partition_id} of {name}"
                ))
            })
    }

    fn name(&self) -> &str {
        self.options.group.eventhub_name()
    }

    async fn read(self: &Arc<Self>, partition_id: Option<&str>) -> Result<Attributes> {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        loop {
            let fault = match self.try_read(partition_id).await {
                Ok(attributes) => return Ok(attributes),
                Err(fault) => fault,
            };
            self.forget_if_refused(&fault);
            let pause = backoff.next_pause();
            match fault {
                Fault::Transient(error, at_least) if backoff.failures() < ATTEMPTS => {
                    log::debug!(target: super::LOG, "could not read the properties of {}: {error}", self.name());
                    sleep(pause.max(at_least)).await;
                }
                fault => return Err(fault.into_error()),
            }
        }
    }

    async fn try_read(self: &Arc<Self>, partition_id: Option<&str>) -> Result<Attributes, Fault> {
        let _permit = self.clients.permits.acquire().await.map_err(|_| closed())?;
        let request = Read {
            eventhub_name: self.name().to_owned(),
            partition_id: partition_id.map(str::to_owned),
            security_token: self.token().await?.text.as_str().to_owned(),
        };
        // The service may have detached an idle link. Such a failure does not mean that the service is failing.
        if let Some(client) = self.clients.take()
            && let Ok(attributes) = self.call(client, request.clone()).await
        {
            return Ok(attributes);
        }
        let client = Client::attach(self).await?;
        self.call(client, request).await
    }

    async fn call(&self, mut client: Client, request: Read) -> Result<Attributes, Fault> {
        let limit = self.options.request_timeout;
        let outcome = match timeout(limit, client.links.call(request)).await {
            Ok(response) => response.map_err(Fault::from),
            Err(_) => Err(Fault::timeout("reading properties", limit)),
        };
        if outcome.is_ok() && !self.is_closed() {
            client.since = Instant::now();
            self.clients.idle().push(client);
        } else {
            drop(tokio::spawn(client.end()));
        }
        outcome
    }
}

/// A READ request, in the form of
/// [Event Hubs](https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response) and the
/// other SDKs.
#[derive(Clone)]
struct Read {
    eventhub_name: String,
    partition_id: Option<String>,
    security_token: String,
}

impl Request for Read {
    const OPERATION: &'static str = "READ";
    type Response = Attributes;
    type Body = ();

    fn manageable_entity_type(&mut self) -> Option<String> {
        Some(match self.partition_id {
            Some(_) => "com.microsoft:partition".to_owned(),
            None => "com.microsoft:eventhub".to_owned(),
        })
    }

    fn encode_application_properties(&mut self) -> Option<ApplicationProperties> {
        let properties = ApplicationProperties::builder()
            .insert("name", std::mem::take(&mut self.eventhub_name))
            .insert("security_token", std::mem::take(&mut self.security_token));
        Some(match self.partition_id.clone() {
            Some(id) => properties.insert("partition", id).build(),
            None => properties.build(),
        })
    }

    fn encode_body(self) -> Self::Body {}
}

/// The encoded map in the response to a read.
#[derive(Debug)]
pub(super) struct Attributes(Bytes);

impl Response for Attributes {
    const STATUS_CODE: u16 = 200;
    type Body = Body<Encoded>;
    type Error = RequestError;

    fn decode_message(message: Message<Self::Body>) -> Result<Self, Self::Error> {
        match message.body.try_into_value() {
            Ok(value) => Ok(Self(value.into_bytes())),
            Err(_) => Err(RequestError::DecodeError(None)),
        }
    }
}

impl Attributes {
    fn find(&self, name: &str) -> Option<Raw<'_>> {
        let mut pairs = Values::new(&self.0).take()?.pairs()?;
        let (_, value) = pairs.find_map(|pair| pair.filter(|(key, _)| key.text() == Some(name)))?;
        Some(value)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.find(name).and_then(text)
    }

    fn integer(&self, name: &str) -> Option<i64> {
        self.find(name)?.integer()
    }

    fn time(&self, name: &str) -> Option<SystemTime> {
        self.find(name)?.timestamp().map(system_time)
    }
}

pub(super) fn eventhub(attributes: &Attributes) -> Option<EventHubProperties> {
    let partition_ids = attributes.find("partition_ids")?.items()?;
    Some(EventHubProperties::new(
        attributes.text("name")?,
        attributes.time("created_at").unwrap_or(UNIX_EPOCH),
        partition_ids.map(|id| id.and_then(text)).collect::<Option<_>>()?,
    ))
}

pub(super) fn partition(id: &str, attributes: &Attributes) -> Option<PartitionProperties> {
    let last = LastEnqueued::new(
        attributes.integer("last_enqueued_sequence_number")?,
        attributes.text("last_enqueued_offset"),
        attributes.time("last_enqueued_time_utc").unwrap_or(UNIX_EPOCH),
    );
    let beginning = attributes.integer("begin_sequence_number")?;
    let is_empty = attributes.find("is_partition_empty").and_then(Raw::bool);
    let is_empty = is_empty.unwrap_or(last.sequence_number < beginning);
    Some(PartitionProperties::new(id, beginning, last, is_empty))
}

fn unreadable() -> Error {
    Error::new(ErrorKind::InvalidResponse, "an attribute is missing or has the wrong type")
}
