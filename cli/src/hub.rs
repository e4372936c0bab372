//! The numbers of an event hub: from where they come.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::checkpointstoreblob::eventhubs::EventHub;
use eventhub_checkpointstore::checkpointstoreblob::{Credential, EventSource, PartitionReader};
use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::processing::{OpenPartition, PartitionProperties};
use eventhub_checkpointstore::{ConsumerGroup, Error, ErrorKind};
use serde::Deserialize;

use crate::core::partition::{HubPartition, HubPartitions};
use crate::exit::{Exit, Failure, with_causes};
use crate::parallel;
use crate::progress::Progress;

/// Tells the properties of hubs, and reads single events on behalf of a group of its own.
pub trait HubData: Send + Sync {
    /// Every partition of a hub. No receiver is opened, which would throw a consumer out.
    fn partitions(
        &self,
        namespace: &str,
        eventhub: &str,
        progress: &Progress,
    ) -> Result<HubPartitions, Failure>;

    /// The first event from a place on, read by a group that nobody else uses; `None` if there is none yet.
    fn event(
        &self,
        via: &ConsumerGroup,
        partition_id: &str,
        from: &Place,
    ) -> Result<Option<EventPlace>, Failure>;
}

/// From where an event is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// From the event with this number on.
    Number(i64),
    /// From the first event that came at this time or later.
    Time(SystemTime),
    /// From the event with this offset on.
    Offset(String),
}

/// Where an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPlace {
    pub sequence_number: i64,
    pub offset: String,
    pub enqueued: SystemTime,
}

/// How long an event that must be there is waited for.
const READ: Duration = Duration::from_secs(10);

/// What opens the hubs.
pub enum HubAccess {
    /// Those of one namespace.
    ConnectionString(String),
    /// Those that whoever signs in may read.
    Credential(Credential),
}

impl std::fmt::Debug for HubAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ConnectionString(_) => "ConnectionString(..)",
            Self::Credential(_) => "Credential(..)",
        })
    }
}

/// The event hub itself, over AMQP.
pub struct AmqpHub {
    access: HubAccess,
    endpoint: Option<String>,
    timeout: Duration,
    /// One connection a group.
    open: Mutex<BTreeMap<String, EventHub>>,
}

impl std::fmt::Debug for AmqpHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AmqpHub").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl AmqpHub {
    /// Hubs, by AMQP at their namespaces or at another address.
    pub fn new(access: HubAccess, endpoint: Option<&str>, timeout: Duration) -> Self {
        Self { access, endpoint: endpoint.map(str::to_owned), timeout, open: Mutex::default() }
    }

    fn source(&self, namespace: &str, eventhub: &str, group: &str) -> Result<EventHub, Failure> {
        let name = format!("{namespace}/{eventhub}/{group}");
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = open.get(&name) {
            return Ok(source.clone());
        }
        let builder = match &self.access {
            HubAccess::ConnectionString(text) => {
                EventHub::builder_from_connection_string(text, group, eventhub)
            }
            HubAccess::Credential(credential) => {
                EventHub::builder(namespace, eventhub, group).credential(credential.clone())
            }
        };
        let mut builder = builder.request_timeout(self.timeout).open_timeout(self.timeout);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.custom_endpoint(endpoint);
        }
        let source = builder.build().map_err(|error| refused(&error))?;
        let own = source.group().fully_qualified_namespace();
        if !own.eq_ignore_ascii_case(namespace) {
            return Err(Failure::usage(format!(
                "the target is in {namespace}, but the connection string of the event hub is for {own}"
            ))
            .with_hint("Correct the target, or set EVENTHUBS_CONNECTION_STRING to that of its namespace."));
        }
        open.insert(name, source.clone());
        Ok(source)
    }
}

impl HubData for AmqpHub {
    fn partitions(
        &self,
        namespace: &str,
        eventhub: &str,
        progress: &Progress,
    ) -> Result<HubPartitions, Failure> {
        // The group is that of no link: properties are asked for at the management node.
        let source = self.source(namespace, eventhub, "$Default")?;
        let ids = source.properties().map_err(|error| refused(&error))?.partition_ids;
        progress.begin(ids.len());
        let partitions = parallel::try_map(&ids, |id| {
            let properties = source.partition_properties(id).map_err(|error| refused(&error))?;
            progress.step();
            Ok::<_, Failure>((id.clone(), numbers(properties)))
        });
        Ok(partitions?.into_iter().collect())
    }

    fn event(
        &self,
        via: &ConsumerGroup,
        partition_id: &str,
        from: &Place,
    ) -> Result<Option<EventPlace>, Failure> {
        let source = self.source(
            via.fully_qualified_namespace(),
            via.eventhub_name(),
            via.consumer_group(),
        )?;
        let position = match from {
            Place::Number(sequence_number) => StartingPosition::SequenceNumber {
                sequence_number: *sequence_number,
                inclusive: true,
            },
            Place::Time(enqueued_time) => {
                StartingPosition::EnqueuedTime { enqueued_time: *enqueued_time, inclusive: true }
            }
            Place::Offset(offset) => {
                StartingPosition::Offset { offset: offset.clone(), inclusive: true }
            }
        };
        // Without an owner level nobody is displaced.
        let request = OpenPartition::new(partition_id, position).with_prefetch(1);
        let mut reader = source.open(request).map_err(|error| refused(&error))?;
        let mut events = Vec::new();
        let read = reader.receive(&mut events, 1, READ.min(self.timeout));
        let closed = reader.close();
        if let Err(end) = read {
            return Err(Failure::failed(format!(
                "partition {partition_id}: cannot read the event: {end}"
            )));
        }
        // What was read is read, however the link ended.
        drop(closed);
        Ok(events.pop().map(|event| EventPlace {
            sequence_number: event.sequence_number(),
            offset: event.offset().unwrap_or_default().to_owned(),
            enqueued: event.enqueued_time(),
        }))
    }
}

fn numbers(properties: PartitionProperties) -> HubPartition {
    let last = properties.last_enqueued;
    HubPartition {
        first: properties.beginning_sequence_number,
        last: last.sequence_number,
        last_offset: last.offset.unwrap_or_default(),
        last_enqueued: (last.sequence_number >= 0).then_some(last.enqueued_time),
        is_empty: properties.is_empty,
    }
}

fn refused(error: &Error) -> Failure {
    let failure = Failure::failed(with_causes(error));
    match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::Configuration => {
            Failure { exit: Exit::Usage, ..failure }
        }
        ErrorKind::AccessDenied => failure.with_hint(
            "The credential needs the claim Listen, or the role Azure Event Hubs Data Receiver.",
        ),
        _ => failure.with_hint("Use --no-hub to show only what the container has."),
    }
}

/// The numbers of a file: one group, or the groups of `lag -o json`.
#[derive(Debug)]
pub struct HubFile {
    path: PathBuf,
    hubs: Vec<FileHub>,
}

#[derive(Debug, Deserialize)]
struct Document {
    groups: Vec<FileHub>,
}

#[derive(Debug, Deserialize)]
struct FileHub {
    namespace: String,
    eventhub: String,
    partitions: Vec<FilePartition>,
}

#[derive(Debug, Deserialize)]
struct FilePartition {
    partition_id: String,
    #[serde(flatten)]
    numbers: HubPartition,
}

impl HubFile {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |error: String| Failure::usage(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let document: Document =
            serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        Ok(Self { path: path.to_owned(), hubs: document.groups })
    }
}

impl HubData for HubFile {
    fn partitions(
        &self,
        namespace: &str,
        eventhub: &str,
        _: &Progress,
    ) -> Result<HubPartitions, Failure> {
        let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
        let hub = self
            .hubs
            .iter()
            .find(|hub| same(&hub.namespace, namespace) && same(&hub.eventhub, eventhub));
        let hub = hub.ok_or_else(|| {
            Failure::nothing(format!(
                "{} has no numbers of {namespace}/{eventhub}",
                self.path.display()
            ))
            .with_hint("Write the file with `lag -o json` for a group of this event hub.")
        })?;
        let numbers =
            hub.partitions.iter().map(|one| (one.partition_id.clone(), one.numbers.clone()));
        Ok(numbers.collect::<BTreeMap<_, _>>())
    }

    fn event(&self, _: &ConsumerGroup, _: &str, _: &Place) -> Result<Option<EventPlace>, Failure> {
        Err(Failure::usage(
            "--hub-file has numbers but no events; omit it to read events from the event hub",
        ))
    }
}
