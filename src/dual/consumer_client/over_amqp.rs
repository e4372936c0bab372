//! The client over Event Hubs itself.

use super::super::eventhubs::EventHub;
use super::super::{CheckpointStore, Credential};
use super::EventHubConsumerClient;
use crate::error::Result;

impl EventHubConsumerClient {
    /// Creates a consumer of an event hub from the connection string of its namespace, of the event hub, or of the
    /// emulator.
    ///
    /// `eventhub_name` may be `None` if the string has an `EntityPath`. Nothing is sent yet. For options, use
    /// [`builder`](Self::builder) with an [`EventHub`].
    ///
    #[doc = example!("client/over_amqp")]
    ///
    /// # Errors
    ///
    /// As [`EventHub::from_connection_string`].
    pub fn from_connection_string<'a>(
        connection_string: &str,
        consumer_group: &str,
        eventhub_name: impl Into<Option<&'a str>>,
        store: impl CheckpointStore + 'static,
    ) -> Result<Self> {
        let source =
            EventHub::from_connection_string(connection_string, consumer_group, eventhub_name)?;
        Self::builder(source, store).build()
    }

    /// Creates a consumer of an event hub with tokens of Microsoft Entra ID. Nothing is sent yet.
    ///
    #[doc = example!("client/over_amqp_with_tokens")]
    ///
    /// # Errors
    ///
    /// As [`EventHub::new`].
    pub fn new(
        fully_qualified_namespace: &str,
        eventhub_name: &str,
        consumer_group: &str,
        credential: impl Into<Credential>,
        store: impl CheckpointStore + 'static,
    ) -> Result<Self> {
        let source =
            EventHub::new(fully_qualified_namespace, eventhub_name, consumer_group, credential)?;
        Self::builder(source, store).build()
    }
}
