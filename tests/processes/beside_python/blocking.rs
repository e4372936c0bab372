//! Consumers on the blocking surface, each on a thread of its own.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use eventhub_checkpointstore::checkpointstoreblob as subject;
use maybe_async::must_be_sync as maybe_async;

use super::member::{ConsumerOptions, Desk, Running};

#[allow(clippy::duplicate_mod, reason = "one consumer for both surfaces")]
#[path = "consumer.rs"]
mod consumer;

fn pause(duration: std::time::Duration) {
    thread::sleep(duration);
}

struct Thread {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

pub fn start(options: ConsumerOptions) -> Box<dyn Running> {
    let desk = Arc::new(Desk::default());
    let consumer = consumer::Consumer::new(options, Arc::clone(&desk));
    Box::new(Thread { desk, thread: thread::spawn(|| consumer.run()) })
}

impl Running for Thread {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn abandon(self: Box<Self>) {
        // A thread cannot be killed; it ends after the request that is under way.
        self.desk.ask_to_abandon();
    }

    fn stop(self: Box<Self>) {
        self.desk.ask_to_stop();
        self.thread.join().unwrap();
    }
}
