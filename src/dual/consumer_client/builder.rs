//! The options of a consumer, with the same names as in Python where Python has them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::super::processor::{
    DeadLetterSink, Origin, PartitionContext, PartitionStreams, Settings,
};
use super::super::{CheckpointStore, EventProcessor, EventSource};
use super::EventHubConsumerClient;
use crate::error::{Error, ErrorKind, Result};
use crate::ownership::{BalanceStrategy, OwnershipOptions, StartingPosition, StartingPositions};
use crate::processing::{
    CheckpointPolicy, CloseReason, Concurrency, Observer, RetryPolicy, StopHandle,
};

/// A builder for a consumer.
#[must_use = "it has to be built"]
pub struct EventHubConsumerClientBuilder {
    origin: Origin,
    pub(crate) settings: Settings,
    interval: Option<Duration>,
    expiration: Option<Duration>,
    strategy: Option<BalanceStrategy>,
}

impl EventHubConsumerClientBuilder {
    pub(super) fn new(
        source: Arc<dyn EventSource>,
        store: Option<Arc<dyn CheckpointStore>>,
    ) -> Self {
        let (origin, settings) = (Origin { source, store }, Settings::new());
        Self { origin, settings, interval: None, expiration: None, strategy: None }
    }

    /// Sets the owner id of this consumer. It must be unique among the running consumers. Default: a random id.
    ///
    #[doc = example!("client_builder/balancing")]
    pub fn owner_id(mut self, owner_id: impl Into<String>) -> Self {
        self.settings.owner_id = owner_id.into();
        self
    }

    /// Sets whether the consumer stops with an error if another process uses its owner id. By default, it reports that to
    /// the observers and to [`on_error`](Self::on_error), and continues; both then process the same events.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/balancing"))]
    pub fn fail_on_shared_owner_id(mut self, fail: bool) -> Self {
        self.settings.fails_on_shared_owner_id = fail;
        self
    }

    /// Sets the longest time between two load balancing rounds. Default: 15 s.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/balancing"))]
    pub fn load_balancing_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// Sets the age beyond which this consumer takes over the ownership of another one. Default: 120 s. If you set this or
    /// the interval, the whole fleet is expected to have the same values; otherwise use
    /// [`ownership_options`](Self::ownership_options).
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/balancing"))]
    pub fn partition_ownership_expiration_interval(mut self, expiration: Duration) -> Self {
        self.expiration = Some(expiration);
        self
    }

    /// Sets how fast this consumer takes its share. Default: greedy.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/balancing"))]
    pub fn load_balancing_strategy(mut self, strategy: BalanceStrategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Sets the interval, expiration, strategy and margin together, for a mixed fleet.
    ///
    #[doc = example!("client_builder/ownership_options")]
    pub fn ownership_options(mut self, options: OwnershipOptions) -> Self {
        self.settings.ownership = options;
        self
    }

    /// Reads only this partition, without load balancing. With a store, the consumer resumes at the checkpoint and stores
    /// its own. If another reader takes the partition, the consumer ends with an error.
    ///
    #[doc = example!("client_builder/one_partition")]
    pub fn partition_id(mut self, partition_id: impl Into<String>) -> Self {
        self.settings.partition_id = Some(partition_id.into());
        self
    }

    /// Sets where partitions without a checkpoint begin. Default: at the earliest event, so that no event is skipped.
    ///
    /// `inclusive` only applies to this position; a consumer always resumes after a checkpoint.
    ///
    #[doc = example!("client_builder/positions")]
    pub fn starting_position(mut self, position: StartingPosition) -> Self {
        self.settings.positions = StartingPositions::new(position);
        self
    }

    /// Sets where partitions without a checkpoint begin, with other positions for some of them.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/positions"))]
    pub fn starting_positions(mut self, positions: StartingPositions) -> Self {
        self.settings.positions = positions;
        self
    }

    /// Sets the owner level (epoch) of the links. A reader with a higher level displaces this one.
    ///
    /// Default with load balancing: 0, as in the other SDKs, so that the new owner of a partition ends the link of the
    /// former owner at once. Default without load balancing: none.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/one_partition"))]
    pub fn owner_level(mut self, owner_level: i64) -> Self {
        self.settings.owner_level = Some(owner_level);
        self
    }

    /// Sets how many events of a partition are fetched ahead. Default: 300.
    ///
    #[doc = example!("client_builder/batches")]
    pub fn prefetch(mut self, prefetch: u32) -> Self {
        self.settings.prefetch = prefetch;
        self
    }

    /// Sets the maximum number of events in a batch. A batch is delivered as soon as there is an event. Default: 300.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/batches"))]
    pub fn max_batch_size(mut self, events: usize) -> Self {
        self.settings.max_batch_size = events;
        self
    }

    /// Sets after how long without an event `receive_batch` delivers an empty batch. Default: `None`, never. As in
    /// Python, zero also means never.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/batches"))]
    pub fn max_wait_time(mut self, wait: Option<Duration>) -> Self {
        self.settings.max_wait_time = wait.filter(|wait| !wait.is_zero());
        self
    }

    /// Requests the end of the partition with each event, for [`PartitionContext::last_enqueued`] and
    /// [`PartitionContext::lag`].
    ///
    #[doc = example!("client_builder/track")]
    pub fn track_last_enqueued_event_properties(mut self, track: bool) -> Self {
        self.settings.tracks_last_enqueued = track;
        self
    }

    /// Sets how events are retried after the handler failed. Default: forever, with pauses from 100 ms to 30 s.
    ///
    #[doc = example!("client_builder/failures")]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.settings.retry = retry;
        self
    }

    /// Sets when checkpoints are written. Default: every 1,000 events or 10 s, whichever comes first.
    ///
    #[doc = example!("client_builder/checkpoint_policy")]
    pub fn checkpoint_policy(mut self, policy: CheckpointPolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Sets how many handlers run concurrently within a partition. Default: one, in order. With other values,
    /// `receive_batch` and [`EventProcessor`] deliver events one by one. After a stop, an event that waits is still delivered
    /// if a later one was, so that the next owner repeats nothing.
    ///
    #[doc = example!("client_builder/concurrency")]
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.settings.concurrency = concurrency;
        self
    }

    /// Sets the maximum number of unfinished events of a partition. At the limit, the partition pauses. Default: 1,000.
    ///
    /// Each owned partition holds at most this plus `prefetch` events in memory.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/concurrency"))]
    pub fn max_in_flight(mut self, events: usize) -> Self {
        self.settings.max_in_flight = events;
        self
    }

    /// Sets how long a stop waits for handlers and last checkpoints. Default: 30 s. In the meantime, the ownerships of these
    /// partitions are renewed.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/failures"))]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }

    /// Sets whether the consumer stops if the position of a partition no longer exists. By default, it continues at the
    /// earliest event, with a warning.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/positions"))]
    pub fn stop_at_lost_position(mut self, stop: bool) -> Self {
        self.settings.stops_at_lost_position = stop;
        self
    }

    /// Sets the sink for dead letters: events that the handler will never process.
    ///
    #[doc = example!("client_builder/dead_letter")]
    pub fn dead_letter(mut self, sink: impl DeadLetterSink + 'static) -> Self {
        self.settings.dead_letters = Some(Arc::new(sink));
        self
    }

    /// Adds an observer of what the consumer does. May be called several times.
    ///
    #[doc = example!("client_builder/observer")]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.settings.observers.push(Arc::new(observer));
        self
    }

    /// Sets a callback that runs before the first event of a partition. A panic in it is logged.
    ///
    #[doc = example!("client_builder/callbacks")]
    pub fn on_partition_initialize(
        mut self,
        callback: impl Fn(&PartitionContext) + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_initialize = Some(Arc::new(callback));
        self
    }

    /// Sets a callback that runs after the last event of a partition, before its last checkpoint. A panic in it is logged.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/callbacks"))]
    pub fn on_partition_close(
        mut self,
        callback: impl Fn(&PartitionContext, &CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_close = Some(Arc::new(callback));
        self
    }

    /// Sets a callback after a failure of the storage or the source that the consumer survives. A panic in it is logged.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/callbacks"))]
    pub fn on_error(
        mut self,
        callback: impl Fn(Option<&PartitionContext>, &Error) + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_error = Some(Arc::new(callback));
        self
    }

    /// Creates the client, which calls closures.
    ///
    #[doc = example!("client/builder")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] or [`ErrorKind::InvalidInput`] for invalid options; the message contains their values.
    /// Nothing is sent yet.
    pub fn build(self) -> Result<EventHubConsumerClient> {
        let (origin, settings) = self.checked()?;
        Ok(EventHubConsumerClient::assemble(origin, settings))
    }

    /// Creates a processor, which runs a [`PartitionHandler`](super::super::PartitionHandler) for each partition.
    ///
    #[doc = example!("processor/event_processor")]
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_processor(self) -> Result<EventProcessor> {
        let (origin, settings) = self.checked()?;
        Ok(EventProcessor::new(origin, settings))
    }

    /// Creates streams to pull events from. Load balancing starts at once.
    ///
    #[doc = example!("processor/partition_streams")]
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build); on the async surface also outside of a tokio runtime.
    pub fn build_streams(self) -> Result<PartitionStreams> {
        let (origin, settings) = self.checked()?;
        PartitionStreams::start(origin, settings, StopHandle::default())
    }

    fn checked(mut self) -> Result<(Origin, Settings)> {
        let settings = &mut self.settings;
        for (name, value) in [
            ("max_batch_size", settings.max_batch_size),
            ("max_in_flight", settings.max_in_flight),
            (
                "concurrency",
                match settings.concurrency {
                    Concurrency::InOrder => 1,
                    Concurrency::ByKey(limit) | Concurrency::Unordered(limit) => limit,
                },
            ),
        ] {
            if value == 0 {
                let text = format!("{name} 0: it must be at least 1");
                return Err(Error::new(ErrorKind::Configuration, text));
            }
        }
        if self.interval.is_some() || self.expiration.is_some() {
            let interval = self.interval.unwrap_or(settings.ownership.interval());
            let expiration = self.expiration.unwrap_or(settings.ownership.expiration());
            let strategy = settings.ownership.strategy();
            settings.ownership =
                OwnershipOptions::new(interval, expiration)?.with_strategy(strategy);
        }
        if let Some(strategy) = self.strategy {
            settings.ownership = settings.ownership.with_strategy(strategy);
        }
        Ok((self.origin, self.settings))
    }
}

impl fmt::Debug for EventHubConsumerClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventHubConsumerClientBuilder")
            .field("group", self.origin.source.group())
            .field("owner_id", &self.settings.owner_id)
            .finish_non_exhaustive()
    }
}
