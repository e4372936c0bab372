//! The threads of the blocking surface end with their last user. Alone in its process, because threads are counted.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use clean_environment as _;
use eventhub_checkpointstore::checkpointstoreblob::EventSource;
use eventhub_checkpointstore::checkpointstoreblob::eventhubs::EventHub;
use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::processing::OpenPartition;
use eventhubs_double::{Config, EventHubsDouble};

fn engine_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    let names = tasks.filter_map(|task| name(task.ok()?).ok());
    names.filter(|name| name.trim_end() == "eventhub-amqp").count()
}

#[test]
fn the_threads_end_with_the_last_clone_and_the_last_reader() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let double = runtime.block_on(EventHubsDouble::start(Config::new("telemetry", 2))).unwrap();
    let text = "Endpoint=sb://double.example/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=telemetry";
    let hub = EventHub::builder_from_connection_string(text, "$Default", None)
        .custom_endpoint(double.endpoint())
        .build()
        .unwrap();
    assert_eq!(engine_threads(), 0, "nothing is started before it is needed");
    let mut reader = hub.open(OpenPartition::new("0", StartingPosition::Earliest)).unwrap();
    let clone = hub.clone();
    assert_eq!(clone.properties().unwrap().partition_ids, ["0", "1"]);
    let threads = engine_threads();
    assert!(
        (2..=3).contains(&threads),
        "{threads} threads, but one and at most two workers are needed"
    );
    drop((hub, clone));
    double.append("0", "event");
    let mut events = Vec::new();
    while events.is_empty() {
        reader.receive(&mut events, 1, Duration::from_secs(1)).unwrap();
    }
    assert_eq!(engine_threads(), threads, "the reader still needs them");
    let begun = Instant::now();
    drop(reader);
    while engine_threads() > 0 || !double.receivers().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{} threads", engine_threads());
        std::thread::sleep(Duration::from_millis(10));
    }
}
