//! The orders of the fleet to a consumer of events that is another process.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventhub_checkpointstore::ConsumerGroup;
use eventhub_checkpointstore::processing::StopHandle;
use serde_json::{Value, json};

use super::super::orders::Surface;
use crate::support::process::{self, Killed};

pub const PARTITIONS: usize = 12;
/// Between two events of a partition.
pub const PERIOD: Duration = Duration::from_millis(20);
/// A checkpoint is written after so many events, or half a second.
pub const POLICY_EVENTS: u64 = 25;

#[derive(Clone, Debug)]
pub struct FlowOrders {
    pub surface: Surface,
    pub connection_string: String,
    pub container: String,
    /// The owner id as well, and new with each start.
    pub instance: String,
    pub folder: PathBuf,
    /// When the first events came, in milliseconds since the Unix epoch.
    pub began: u64,
}

pub fn group() -> ConsumerGroup {
    ConsumerGroup::new("NS.servicebus.windows.net", "Flow", "$Default").unwrap()
}

pub fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl FlowOrders {
    /// Those of this process, if it is a consumer.
    pub fn received() -> Option<Self> {
        let orders: Value = serde_json::from_str(&process::argument()?).unwrap();
        let field = |name: &str| orders[name].as_str().unwrap().to_owned();
        Some(Self {
            // Orders of the other fleet have none.
            instance: orders["instance"].as_str()?.to_owned(),
            surface: if orders["blocking"] == true { Surface::Blocking } else { Surface::Aio },
            connection_string: field("connection_string"),
            container: field("container"),
            folder: field("folder").into(),
            began: orders["began"].as_u64().unwrap(),
        })
    }

    /// Starts the consumer.
    pub fn give(&self) -> Killed {
        let orders = json!({
            "blocking": self.surface == Surface::Blocking,
            "connection_string": self.connection_string,
            "container": self.container,
            "instance": self.instance,
            "folder": self.folder,
            "began": self.began,
        });
        let mut command = process::in_a_process_of_its_own(super::super::TEST, &orders.to_string());
        Killed(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }
}

/// Tells a consumer to stop.
pub fn stop(process: &mut Killed) {
    process.0.stdin.as_mut().unwrap().write_all(b"stop\n").unwrap();
}

/// The other side. If the fleet is killed itself, the kernel closes the stdin of its consumers.
pub fn stop_when_told(stop: StopHandle) {
    std::thread::spawn(move || {
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
            std::process::exit(0);
        }
        stop.stop();
    });
}
