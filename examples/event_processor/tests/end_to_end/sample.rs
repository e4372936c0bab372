//! The example itself, as a process that is killed and started again.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use eventhubs_double::{Config, EventHubsDouble};

use crate::support::azurite::Azurite;

const PARTITIONS: usize = 2;
const CONNECTION_STRING: &str = "Endpoint=sb://double.servicebus.windows.net/;SharedAccessKeyName=any;SharedAccessKey=worthless";

struct Sample(Child);

impl Sample {
    fn start(
        double: &EventHubsDouble,
        azurite: &Azurite,
        container: &str,
        settings: &[(&str, &str)],
    ) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_event-processor-example"))
            .env("EVENT_HUB_CONN_STR", CONNECTION_STRING)
            .env("EVENT_HUB_NAME", "telemetry")
            .env("EVENT_HUB_ENDPOINT", double.endpoint())
            .env("AZURE_STORAGE_CONN_STR", azurite.connection_string())
            .env("BLOB_CONTAINER_NAME", container)
            .env("UPDATE_INTERVAL_MS", "500")
            .env("EXPIRATION_MS", "4000")
            .env_remove("CONSUMER_GROUP")
            .env_remove("CHECKPOINT_EVERY")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
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

    /// Waits until it ends by itself.
    fn end(&mut self) -> (ExitStatus, String) {
        let mut stderr = String::new();
        self.0.stderr.as_mut().unwrap().read_to_string(&mut stderr).unwrap();
        (self.0.wait().unwrap(), stderr)
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fill(double: &EventHubsDouble, count: i64) {
    for id in 0..PARTITIONS {
        double.fill(&id.to_string(), (0..count).map(|number| number.to_string()));
    }
}

/// Waits in a thread, because the double runs on this one's runtime.
async fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let waiting = tokio::task::spawn_blocking(work);
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("in time").unwrap()
}

/// What a sample that is killed at the `count`-th event has received, and what the next one has, up to twice that.
async fn killed_and_started_again(
    count: i64,
    settings: &[(&str, &str)],
) -> [BTreeMap<String, Vec<i64>>; 2] {
    let double = EventHubsDouble::start(Config::new("telemetry", PARTITIONS)).await.unwrap();
    let azurite = Azurite::shared();
    let container = azurite.new_container_name();
    let mut rounds = [BTreeMap::new(), BTreeMap::new()];
    for (round, events) in (1..).zip(&mut rounds) {
        fill(&double, count);
        let mut sample = Sample::start(&double, azurite, &container, settings);
        *events = in_time(move || sample.events_to(round * count - 1)).await;
        assert_eq!(events.len(), PARTITIONS);
    }
    rounds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_resumes_where_it_was_killed() {
    let [first, second] = killed_and_started_again(50, &[]).await;
    for numbers in first.into_values() {
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    }
    for numbers in second.into_values() {
        // The checkpoint of the very last event may not have been written when the process was killed.
        assert!((49..=50).contains(&numbers[0]), "{numbers:?}");
        assert_eq!(numbers, (numbers[0]..100).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_may_keep_a_checkpoint_of_every_tenth_event() {
    let [_, second] = killed_and_started_again(45, &[("CHECKPOINT_EVERY", "10")]).await;
    for numbers in second.into_values() {
        assert_eq!(numbers, (40..90).collect::<Vec<_>>());
    }
}

/// Its processor notices nothing: only the partitions' own tasks meet the failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_ends_when_a_partition_fails() {
    let double = EventHubsDouble::start(Config::new("telemetry", PARTITIONS)).await.unwrap();
    let azurite = Azurite::start();
    let container = azurite.new_container_name();
    fill(&double, 1);
    let settings = [("UPDATE_INTERVAL_MS", "600000"), ("EXPIRATION_MS", "1200000")];
    let mut sample = Sample::start(&double, &azurite, &container, &settings);
    let mut sample = in_time(move || {
        assert_eq!(sample.events_to(0).len(), PARTITIONS);
        sample
    })
    .await;
    azurite.stop();
    fill(&double, 1);
    let (status, stderr) = in_time(move || sample.end()).await;
    assert!(!status.success());
    assert!(stderr.contains("Failed to update checkpoint"), "{stderr}");
}
