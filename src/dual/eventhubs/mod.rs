//! The event source that reads Azure Event Hubs over AMQP 1.0 (feature `amqp`).

mod builder;
mod reader;

use std::fmt;
use std::sync::Arc;

use self::reader::HubReader;
use super::runtime::eventhubs::{Driver, channel};
use super::{Credential, EventSource, PartitionReader, maybe_async};
use crate::amqp::{Hub, Window};
use crate::error::{Error, Result};
use crate::model::{ConsumerGroup, check_partition_id};
use crate::processing::{EventHubProperties, OpenPartition, PartitionProperties};

pub use self::builder::EventHubBuilder;

/// An event hub of Azure Event Hubs, its emulator, or a compatible service.
///
/// All readers share one connection, which is opened on demand. The readers recover on their own from broken
/// connections, detached links, expired tokens and restarts of the service. Each event is delivered once and in order,
/// and readers of other partitions are not affected: see [Recovery](crate::_documentation::recovery). Cloning is cheap.
///
/// On the blocking surface, the connection runs in a tokio runtime of its own, so the caller needs none: a thread and at
/// most two workers, all named `eventhub-amqp`. They end after the last clone and the last reader are dropped. On the
/// async surface, the connection runs in tasks on the caller's tokio runtime, which must have its I/O and time drivers
/// enabled.
///
#[doc = example!("eventhubs/event_hub")]
#[derive(Clone)]
pub struct EventHub {
    hub: Arc<Hub>,
    group: ConsumerGroup,
    driver: Arc<Driver>,
}

impl EventHub {
    /// Creates an event hub for a consumer group, from the connection string of a namespace, of an event hub, or of the
    /// emulator.
    ///
    /// `eventhub_name` may be `None` if the string has an `EntityPath`. Nothing is sent yet.
    ///
    #[doc = example!("eventhubs/from_connection_string")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the string or a name is not valid, or if the
    /// string is for another event hub. The message names the fault, never a key.
    pub fn from_connection_string<'a>(
        connection_string: &str,
        consumer_group: &str,
        eventhub_name: impl Into<Option<&'a str>>,
    ) -> Result<Self> {
        EventHubBuilder::from_connection_string(connection_string, consumer_group, eventhub_name)
            .build()
    }

    /// Creates an event hub for a consumer group, with tokens of Microsoft Entra ID for the scope
    /// `https://eventhubs.azure.net/.default`.
    ///
    #[cfg_attr(not(doctest), doc = example!("eventhubs/new"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a name is not valid.
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if the credential is not a token credential, or if
    /// no feature for TLS is enabled.
    pub fn new(
        fully_qualified_namespace: &str,
        eventhub_name: &str,
        consumer_group: &str,
        credential: impl Into<Credential>,
    ) -> Result<Self> {
        Self::builder(fully_qualified_namespace, eventhub_name, consumer_group)
            .credential(credential)
            .build()
    }

    /// Returns a builder with all options.
    ///
    #[cfg_attr(not(doctest), doc = example!("eventhubs/new"))]
    pub fn builder(
        fully_qualified_namespace: &str,
        eventhub_name: &str,
        consumer_group: &str,
    ) -> EventHubBuilder {
        EventHubBuilder::new(fully_qualified_namespace, eventhub_name, consumer_group)
    }

    /// Returns a builder with all options, starting with a connection string as in
    /// [`from_connection_string`](Self::from_connection_string).
    ///
    #[cfg_attr(not(doctest), doc = example!("eventhubs/from_connection_string"))]
    pub fn builder_from_connection_string<'a>(
        connection_string: &str,
        consumer_group: &str,
        eventhub_name: impl Into<Option<&'a str>>,
    ) -> EventHubBuilder {
        EventHubBuilder::from_connection_string(connection_string, consumer_group, eventhub_name)
    }

    fn over(hub: Arc<Hub>, group: ConsumerGroup) -> Self {
        let driver = Arc::new(Driver::new(Arc::clone(&hub)));
        Self { hub, group, driver }
    }
}

#[maybe_async]
impl EventSource for EventHub {
    fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    async fn properties(&self) -> Result<EventHubProperties> {
        self.driver.run(Arc::clone(&self.hub).properties()).await
    }

    async fn partition_properties(&self, partition_id: &str) -> Result<PartitionProperties> {
        check_partition_id(partition_id)?;
        let read = Arc::clone(&self.hub).partition_properties(partition_id.to_owned());
        self.driver.run(read).await
    }

    async fn open(&self, request: OpenPartition) -> Result<Box<dyn PartitionReader>> {
        check_partition_id(&request.partition_id)?;
        let id = request.partition_id.clone();
        let window = Arc::new(Window::new(request.prefetch, self.hub.max_prefetch_bytes()));
        let (deliver, inbox) = channel();
        // The reader exists before its task. If the caller stops waiting, the reader is dropped, and that ends the
        // task.
        let reader = HubReader::new(inbox, Arc::clone(&window), Arc::clone(&self.driver));
        let hub = Arc::clone(&self.hub);
        let start = |opened| hub.read_partition(request, window, deliver, opened);
        let opened = self.driver.run_reporting(start).await;
        let failed =
            |error: Error| error.with_action(format!("open partition {id} of {}", self.group));
        opened.map_err(failed)?;
        Ok(Box::new(reader))
    }

    async fn close(&self) -> Result<()> {
        let hub = Arc::clone(&self.hub);
        self.driver.run(hub.close_all()).await
    }
}

impl fmt::Debug for EventHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventHub").field("group", &self.group).finish_non_exhaustive()
    }
}
