//! The example itself, as a process that is killed and started again.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eventhubs_double::{Config, EventHubsDouble};

use crate::support::azurite::Azurite;

const PARTITIONS: usize = 2;
const EVENTS: i64 = 50;
const CONNECTION_STRING: &str = "Endpoint=sb://double.servicebus.windows.net/;SharedAccessKeyName=any;SharedAccessKey=worthless";

struct Sample(Child);

impl Sample {
    fn start(double: &EventHubsDouble, container: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_event-processor-example"))
            .env("EVENT_HUB_CONN_STR", CONNECTION_STRING)
            .env("EVENT_HUB_NAME", "telemetry")
            .env("EVENT_HUB_ENDPOINT", double.endpoint())
            .env("AZURE_STORAGE_CONN_STR", Azurite::shared().connection_string())
            .env("BLOB_CONTAINER_NAME", container)
            .env("UPDATE_INTERVAL_MS", "500")
            .env("EXPIRATION_MS", "4000")
            .env_remove("CONSUMER_GROUP")
            .env_remove("CHECKPOINT_EVERY")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Reads until every partition has come to that sequence number.
    fn events_to(&mut self, last: i64) -> BTreeMap<String, Vec<i64>> {
        let mut events = BTreeMap::<String, Vec<i64>>::new();
        for line in BufReader::new(self.0.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            let Some((id, rest)) = line.split_once(": event ") else { continue };
            let (number, _) = rest.split_once(" at offset ").unwrap();
            events.entry(id.to_owned()).or_default().push(number.parse().unwrap());
            let at_the_end = |numbers: &Vec<i64>| numbers.last() == Some(&last);
            if events.len() == PARTITIONS && events.values().all(at_the_end) {
                break;
            }
        }
        events
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_resumes_where_it_was_killed() {
    let double = EventHubsDouble::start(Config::new("telemetry", PARTITIONS)).await.unwrap();
    let container = Azurite::shared().new_container_name();
    for round in 0..2 {
        for id in 0..PARTITIONS {
            double.fill(&id.to_string(), (0..EVENTS).map(|number| format!("{round} {number}")));
        }
        let begin = round * EVENTS;
        let last = begin + EVENTS - 1;
        let mut sample = Sample::start(&double, &container);
        let reading = tokio::task::spawn_blocking(move || sample.events_to(last));
        let events = tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap().unwrap();
        assert_eq!(events.len(), PARTITIONS);
        for numbers in events.into_values() {
            // The checkpoint of the very last event may not have been written when the process was killed.
            assert!(numbers[0] == begin || (round > 0 && numbers[0] == begin - 1), "{numbers:?}");
            assert_eq!(numbers, (numbers[0]..=last).collect::<Vec<_>>());
        }
    }
}
