//! Model time on the async surface: tokio's clock, paused. It jumps when every task waits.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eventhub_checkpointstore::Clock;
use eventhub_checkpointstore::checkpointstoreblob_aio::{
    CheckpointStore, Checkpointer, EventHubConsumerClientBuilder,
};
use eventhub_checkpointstore::memory::EventHub;
use eventhub_checkpointstore::processing::CheckpointPolicy;

thread_local! {
    static PAUSED: std::cell::Cell<Option<tokio::runtime::Id>> = const { std::cell::Cell::new(None) };
}

#[derive(Clone)]
pub struct Time {
    origin: Instant,
}

impl Time {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Handle::current().id();
        // It is an error to pause twice, as for the second world of a test.
        if PAUSED.replace(Some(runtime)) != Some(runtime) {
            tokio::time::pause();
        }
        Self { origin: tokio::time::Instant::now().into_std() }
    }

    pub fn elapsed(&self) -> Duration {
        self.now() - self.origin
    }

    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Does work beside the test.
    pub fn spawn<T, R, W>(&self, item: T, work: impl FnOnce(T) -> W) -> Running<R>
    where
        R: Send + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        Running(tokio::spawn(work(item)))
    }

    pub fn hub(&self, partitions: usize) -> EventHub {
        EventHub::new(partitions)
    }

    pub fn build(&self, builder: EventHubConsumerClientBuilder) -> EventHubConsumerClientBuilder {
        builder
    }

    pub fn checkpointer(
        &self,
        store: impl CheckpointStore + 'static,
        policy: CheckpointPolicy,
    ) -> Checkpointer {
        Checkpointer::new(store, policy).unwrap()
    }
}

impl Clock for Time {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn system_time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.elapsed()
    }
}

pub struct Running<R>(tokio::task::JoinHandle<R>);

impl<R> Running<R> {
    pub async fn join(self) -> R {
        self.0.await.expect("work beside the test")
    }

    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}
