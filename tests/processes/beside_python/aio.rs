//! Consumers on the async surface, each in a runtime of its own.

use std::sync::Arc;

use eventhub_checkpointstore::checkpointstoreblob_aio as subject;
use maybe_async::must_be_async as maybe_async;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::member::{ConsumerOptions, Desk, Running};

#[allow(clippy::duplicate_mod, reason = "one consumer for both surfaces")]
#[path = "consumer.rs"]
mod consumer;

async fn pause(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}

struct Task {
    desk: Arc<Desk>,
    task: JoinHandle<()>,
    runtime: Runtime,
}

pub fn start(options: ConsumerOptions) -> Box<dyn Running> {
    let desk = Arc::new(Desk::default());
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let consumer = consumer::Consumer::new(options, Arc::clone(&desk));
    let task = runtime.spawn(consumer.run());
    Box::new(Task { desk, task, runtime })
}

impl Running for Task {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn abandon(self: Box<Self>) {
        // Wherever it is, its connections included.
        self.desk.ask_to_abandon();
        self.runtime.shutdown_background();
    }

    fn stop(self: Box<Self>) {
        self.desk.ask_to_stop();
        self.runtime.block_on(self.task).unwrap();
    }
}
