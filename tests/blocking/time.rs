//! Model time on the blocking surface: a clock that jumps when every thread waits.

use std::time::{Duration, Instant, SystemTime};

use eventhub_checkpointstore::Clock;
use eventhub_checkpointstore::checkpointstoreblob::{
    CheckpointStore, Checkpointer, EventHubConsumerClientBuilder,
};
use eventhub_checkpointstore::memory::{EventHub, TestClock, TestThread};
use eventhub_checkpointstore::processing::CheckpointPolicy;

#[derive(Clone)]
pub struct Time(TestClock);

impl Time {
    pub fn new() -> Self {
        Self(TestClock::new())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    pub fn sleep(&self, duration: Duration) {
        self.0.sleep(duration);
    }

    /// Does work beside the test.
    pub fn spawn<T, R>(&self, item: T, work: impl FnOnce(T) -> R + Send + 'static) -> Running<R>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        Running(self.0.spawn(move || work(item)))
    }

    pub fn hub(&self, partitions: usize) -> EventHub {
        EventHub::with_clock(partitions, &self.0)
    }

    pub fn build(&self, builder: EventHubConsumerClientBuilder) -> EventHubConsumerClientBuilder {
        builder.test_clock(&self.0)
    }

    pub fn checkpointer(
        &self,
        store: impl CheckpointStore + 'static,
        policy: CheckpointPolicy,
    ) -> Checkpointer {
        Checkpointer::with_test_clock(store, policy, &self.0).unwrap()
    }
}

impl Clock for Time {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn system_time(&self) -> SystemTime {
        self.0.system_time()
    }
}

pub struct Running<R>(TestThread<R>);

impl<R> Running<R> {
    pub fn join(self) -> R {
        self.0.join()
    }

    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}
