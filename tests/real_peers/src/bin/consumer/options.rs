//! What the consumer is given.

use std::time::Duration;

use eventhub_checkpointstore::ownership::OwnershipOptions;
use serde_json::Value;

pub struct Options {
    pub connection_string: String,
    pub container: Option<String>,
    pub namespace: String,
    pub eventhub: String,
    pub group: String,
    pub port: u64,
    pub interval: Duration,
    pub expiration: Duration,
    /// A checkpoint after so many events; 0: none.
    pub checkpoint_every: u64,
    pub partition_id: Option<String>,
    pub owner_level: Option<i64>,
    /// Receives batches and only counts the events. Reports the seconds once this many have come.
    pub expect: Option<usize>,
}

impl Options {
    pub fn parse(line: &str) -> Self {
        let json: Value = serde_json::from_str(line).expect("options in JSON");
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let seconds = |name: &str| Duration::from_secs_f64(json[name].as_f64().expect(name));
        Self {
            connection_string: text("connection_string").expect("connection_string"),
            container: text("container"),
            namespace: text("namespace").expect("namespace"),
            eventhub: text("eventhub").expect("eventhub"),
            group: text("group").expect("group"),
            port: json["port"].as_u64().expect("port"),
            interval: seconds("interval"),
            expiration: seconds("expiration"),
            checkpoint_every: json["checkpoint_every"].as_u64().expect("checkpoint_every"),
            partition_id: text("partition_id"),
            owner_level: json["owner_level"].as_i64(),
            expect: json["expect"].as_u64().map(|count| usize::try_from(count).expect("expect")),
        }
    }

    /// The connection string of the hub; its names stay those of the namespace.
    pub fn event_hub(&self) -> String {
        let Self { namespace, eventhub, .. } = self;
        format!(
            "Endpoint=sb://{namespace}/;SharedAccessKeyName=key-name;SharedAccessKey=key;EntityPath={eventhub}"
        )
    }

    pub fn endpoint(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.port)
    }

    pub fn ownership(&self) -> OwnershipOptions {
        OwnershipOptions::new(self.interval, self.expiration).expect("intervals that can work")
    }
}
