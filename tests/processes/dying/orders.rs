//! The orders of the fleet to a consumer that is another process.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use eventhub_checkpointstore::ConsumerGroup;
use eventhub_checkpointstore::ownership::OwnershipOptions;
use serde_json::{Value, json};

use crate::support::process::{self, Killed};

pub const PARTITIONS: usize = 12;
/// As short as the service's clock with its whole seconds allows.
pub const INTERVAL: Duration = Duration::from_secs(1);
pub const EXPIRATION: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    Blocking,
    Aio,
}

/// The settings of one consumer.
#[derive(Clone, Debug)]
pub struct Orders {
    pub surface: Surface,
    pub connection_string: String,
    pub container: String,
    pub owner_id: String,
    /// Gets a line `partition,sequence number` for each checkpoint that the store acknowledged.
    pub acknowledged: PathBuf,
}

pub fn group() -> ConsumerGroup {
    ConsumerGroup::new("NS.servicebus.windows.net", "Hub", "$Default").unwrap()
}

pub fn partition_ids() -> Vec<String> {
    (0..PARTITIONS).map(|id| id.to_string()).collect()
}

pub fn ownership_options() -> OwnershipOptions {
    OwnershipOptions::new(INTERVAL, EXPIRATION).unwrap()
}

impl Orders {
    /// Those of this process, if it is a consumer.
    pub fn received() -> Option<Self> {
        let orders: Value = serde_json::from_str(&process::argument()?).unwrap();
        let field = |name: &str| orders[name].as_str().unwrap().to_owned();
        Some(Self {
            // Orders of the other fleet have none.
            owner_id: orders["owner_id"].as_str()?.to_owned(),
            surface: if orders["blocking"] == true { Surface::Blocking } else { Surface::Aio },
            connection_string: field("connection_string"),
            container: field("container"),
            acknowledged: field("acknowledged").into(),
        })
    }

    /// Starts the consumer.
    pub fn give(&self) -> Killed {
        let orders = json!({
            "blocking": self.surface == Surface::Blocking,
            "connection_string": self.connection_string,
            "container": self.container,
            "owner_id": self.owner_id,
            "acknowledged": self.acknowledged,
        });
        let mut command = process::in_a_process_of_its_own(super::TEST, &orders.to_string());
        Killed(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }
}

/// If the fleet is killed itself, the kernel closes the stdin of its consumers.
pub fn end_with_the_parent() {
    std::thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}
