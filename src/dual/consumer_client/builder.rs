//! The options of a consumer, named as Python's where Python has them.

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

/// Sets the options of a consumer.
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

    /// The id that this consumer claims with; a random one by default. It must be unique among the running consumers.
    ///
    #[doc = example!("client_builder/balancing")]
    pub fn owner_id(mut self, owner_id: impl Into<String>) -> Self {
        self.settings.owner_id = owner_id.into();
        self
    }

    /// The longest time between two rounds of the load balancing, 15 s by default.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/balancing"))]
    pub fn load_balancing_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// The age beyond which this consumer takes another one's ownership, 120 s by default. With this or the interval
    /// set, the whole fleet is expected to have the same values; else see [`ownership_options`](Self::ownership_options).
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/balancing"))]
    pub fn partition_ownership_expiration_interval(mut self, expiration: Duration) -> Self {
        self.expiration = Some(expiration);
        self
    }

    /// How fast this consumer goes for its share; greedy by default.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/balancing"))]
    pub fn load_balancing_strategy(mut self, strategy: BalanceStrategy) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Interval, expiration, strategy and margin at once, for a mixed fleet.
    ///
    #[doc = example!("client_builder/ownership_options")]
    pub fn ownership_options(mut self, options: OwnershipOptions) -> Self {
        self.settings.ownership = options;
        self
    }

    /// Reads only this partition, without load balancing. With a store it resumes at the checkpoint, and stores its own.
    ///
    #[doc = example!("client_builder/one_partition")]
    pub fn partition_id(mut self, partition_id: impl Into<String>) -> Self {
        self.settings.partition_id = Some(partition_id.into());
        self
    }

    /// Where partitions without a checkpoint begin: the earliest event by default, so that nothing is lost.
    ///
    /// `inclusive` of a position is for just this; reading always resumes behind a checkpoint.
    ///
    #[doc = example!("client_builder/positions")]
    pub fn starting_position(mut self, position: StartingPosition) -> Self {
        self.settings.positions = StartingPositions::new(position);
        self
    }

    /// The same, with other positions for some partitions.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/positions"))]
    pub fn starting_positions(mut self, positions: StartingPositions) -> Self {
        self.settings.positions = positions;
        self
    }

    /// The owner level (epoch) of the links: a reader with a higher level displaces this one.
    ///
    /// With load balancing it is 0 by default, as in the other SDKs: whoever takes a partition ends the former owner's
    /// link at once. Without load balancing there is none by default.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/one_partition"))]
    pub fn owner_level(mut self, owner_level: i64) -> Self {
        self.settings.owner_level = Some(owner_level);
        self
    }

    /// How many events of a partition are fetched ahead, 300 by default.
    ///
    #[doc = example!("client_builder/batches")]
    pub fn prefetch(mut self, prefetch: u32) -> Self {
        self.settings.prefetch = prefetch;
        self
    }

    /// How many events a batch has at most, 300 by default. A batch is handed over as soon as there is an event.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/batches"))]
    pub fn max_batch_size(mut self, events: usize) -> Self {
        self.settings.max_batch_size = events;
        self
    }

    /// After how long without an event `receive_batch` hands over an empty batch. `None`, the default: never.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/batches"))]
    pub fn max_wait_time(mut self, wait: Option<Duration>) -> Self {
        self.settings.max_wait_time = wait;
        self
    }

    /// Asks the service to send the end of the partition with each event, for
    /// [`PartitionContext::last_enqueued`] and [`PartitionContext::lag`].
    ///
    #[doc = example!("client_builder/track")]
    pub fn track_last_enqueued_event_properties(mut self, track: bool) -> Self {
        self.settings.tracks_last_enqueued = track;
        self
    }

    /// How events are retried on which the handler failed: for ever by default, at a pace from 100 ms to 30 s.
    ///
    #[doc = example!("client_builder/failures")]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.settings.retry = retry;
        self
    }

    /// When checkpoints are written: every 1,000 events or 10 s by default, whichever comes first.
    ///
    #[doc = example!("client_builder/checkpoint_policy")]
    pub fn checkpoint_policy(mut self, policy: CheckpointPolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// How many handlers run at once inside a partition; one, in order, by default. With others, `receive_batch` and
    /// [`EventProcessor`] hand over events one by one.
    ///
    #[doc = example!("client_builder/concurrency")]
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.settings.concurrency = concurrency;
        self
    }

    /// How many events of a partition are held that are not done, 1,000 by default. At the limit the partition pauses.
    ///
    /// No more than this and `prefetch` together are in memory for each owned partition.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/concurrency"))]
    pub fn max_in_flight(mut self, events: usize) -> Self {
        self.settings.max_in_flight = events;
        self
    }

    /// How long a stop waits for handlers and last checkpoints, 30 s by default. Ownerships are not renewed meanwhile, so
    /// more than their expiration is of no use.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/failures"))]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }

    /// Whether the consumer stops when the position of a partition no longer exists. By default it goes on at the
    /// earliest event, with a warning.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/positions"))]
    pub fn stop_at_lost_position(mut self, stop: bool) -> Self {
        self.settings.stops_at_lost_position = stop;
        self
    }

    /// Takes the events that the handler gives up.
    ///
    #[doc = example!("client_builder/dead_letter")]
    pub fn dead_letter(mut self, sink: impl DeadLetterSink + 'static) -> Self {
        self.settings.dead_letters = Some(Arc::new(sink));
        self
    }

    /// Is told what the consumer does. May be called several times.
    ///
    #[doc = example!("client_builder/observer")]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.settings.observers.push(Arc::new(observer));
        self
    }

    /// Called before the first event of a partition. A panic in it is logged.
    ///
    #[doc = example!("client_builder/callbacks")]
    pub fn on_partition_initialize(
        mut self,
        callback: impl Fn(&PartitionContext) + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_initialize = Some(Arc::new(callback));
        self
    }

    /// Called after the last event of a partition, before its last checkpoint. A panic in it is logged.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/callbacks"))]
    pub fn on_partition_close(
        mut self,
        callback: impl Fn(&PartitionContext, &CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_close = Some(Arc::new(callback));
        self
    }

    /// Called after a fault of the storage or the source, which the consumer survives. A panic in it is logged.
    ///
    #[cfg_attr(not(doctest), doc = example!("client_builder/callbacks"))]
    pub fn on_error(
        mut self,
        callback: impl Fn(Option<&PartitionContext>, &Error) + Send + Sync + 'static,
    ) -> Self {
        self.settings.on_error = Some(Arc::new(callback));
        self
    }

    /// The client, for closures.
    ///
    #[doc = example!("client/builder")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] or [`ErrorKind::InvalidInput`] for options that cannot work, with their values.
    /// Nothing is sent yet.
    pub fn build(self) -> Result<EventHubConsumerClient> {
        let (origin, settings) = self.checked()?;
        Ok(EventHubConsumerClient::assemble(origin, settings))
    }

    /// The processor, for a [`PartitionHandler`](super::super::PartitionHandler) of each partition.
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

    /// The partitions to pull events from. The load balancing begins at once.
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
