//! Python's own load balancer, to run mixed fleets with.

use std::time::Duration;

use serde_json::{Value, json};

use super::counterpart::python_script;
use super::process::LineProcess;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// `LoadBalancingStrategy` of the Python client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    Greedy,
    Balanced,
}

/// The settings of one member of a fleet.
#[derive(Clone, Debug)]
pub struct MemberOptions {
    pub connection_string: String,
    /// It has to exist.
    pub container: String,
    pub fully_qualified_namespace: String,
    pub eventhub_name: String,
    pub consumer_group: String,
    pub owner_id: String,
    /// The partition ids are `"0"` and up.
    pub partitions: u32,
    /// Python adds up to 20 % to it at random.
    pub interval: Duration,
    pub expiration: Duration,
    pub strategy: Strategy,
    /// Whether each round ends with a checkpoint, one further than the listed one, for every partition that is owned.
    pub write_checkpoints: bool,
}

impl MemberOptions {
    fn to_json(&self) -> Value {
        json!({
            "connection_string": self.connection_string,
            "container": self.container,
            "fully_qualified_namespace": self.fully_qualified_namespace,
            "eventhub_name": self.eventhub_name,
            "consumer_group": self.consumer_group,
            "owner_id": self.owner_id,
            "partitions": self.partitions,
            "interval": self.interval.as_secs_f64(),
            "expiration": self.expiration.as_secs_f64(),
            "strategy": match self.strategy {
                Strategy::Greedy => "greedy",
                Strategy::Balanced => "balanced",
            },
            "write_checkpoints": self.write_checkpoints,
        })
    }
}

/// A process that runs the `OwnershipManager` of `azure-eventhub` in a loop, as an `EventProcessor` does.
///
/// A round is `{"round": n, "owned": [partition ids], "at": seconds since the epoch, "checkpoints": {partition id: sequence
/// number}, "error": null}`. In a round that fails, `error` is the exception's class and message, and `owned` stays as it
/// was, because Python goes on with the partitions it has.
pub struct Member {
    process: LineProcess,
}

impl Member {
    /// Starts the first round without waiting for it.
    pub fn start(options: &MemberOptions) -> Self {
        let name = format!("the Python fleet member {}", options.owner_id);
        let mut process = LineProcess::start(name, &mut python_script("fleet.py", &[]));
        process.send(&options.to_json());
        let ready = process.receive(START_TIMEOUT);
        if ready != json!({ "ready": true }) {
            process.fail(&format!("did not get ready: {ready}"));
        }
        Self { process }
    }

    /// The process id of the member.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a round that has not been returned yet.
    pub fn next_round(&mut self, timeout: Duration) -> Value {
        self.process.receive(timeout)
    }

    /// Returns the rounds that are there already.
    pub fn rounds(&mut self) -> Vec<Value> {
        self.process.received()
    }

    /// Kills the member (SIGKILL on Unix), which leaves its ownerships to expire.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Lets the member relinquish what it owns and end, and returns the rounds that have not been returned yet.
    pub fn stop(mut self, timeout: Duration) -> Vec<Value> {
        self.process.send(&json!({ "call": "stop" }));
        let mut rounds = Vec::new();
        loop {
            match self.process.receive(timeout) {
                message if message["stopped"] == true => return rounds,
                round => rounds.push(round),
            }
        }
    }
}
