//! The command line tool over a fleet of the official Rust client with the official store, which writes the names of a group
//! as they are given: a reset is refused while it runs, and a new fleet resumes where the plan says.

#[path = "../../support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use azure_messaging_eventhubs::models::StartPositions;
use azure_messaging_eventhubs::processor::PartitionClient;
use azure_messaging_eventhubs::{ConsumerClient, EventProcessor, StartLocation, StartPosition};
use azure_messaging_eventhubs_checkpointstore_blob::BlobCheckpointStore;
use azure_storage_blob::BlobContainerClient;
use eventhub_checkpoints::World;
use eventhub_checkpoints::console::Console;
use eventhub_checkpoints::exit::Exit;
use eventhubs_double::{Config, EventHubsDouble};
use futures::StreamExt;
use serde_json::Value;
use support::blob_service::BlobService;
use support::loopback::Loopback;
use tempfile::TempDir;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

const NAMESPACE: &str = "NS.servicebus.windows.net";
const HUB: &str = "Telemetry";
const GROUP: &str = "Readers";
const TARGET: &str = "NS.servicebus.windows.net/Telemetry/Readers";

/// How many events each partition has at the start, and how many of them came an hour ago.
const EVENTS: i64 = 20;
const OLD: i64 = 10;

/// Each partition with its goal, and the first event that is received then.
const GOALS: [(&str, &str, i64); 6] = [
    ("0", "--to-earliest", 0),
    ("1", "--to-latest", EVENTS),
    ("2", "--to-sequence 13 --via-group tools", 13),
    ("3", "--by-duration 30m --via-group tools", OLD),
    ("4", "--shift-by -5 --via-group tools", EVENTS - 5),
    ("5", "--to-current", EVENTS),
];

/// Long enough for two shared cores, short enough for a test that hangs.
const PATIENCE: Duration = Duration::from_secs(90);

struct Fixture {
    double: EventHubsDouble,
    service: BlobService,
    loopback: Loopback,
    folder: TempDir,
}

/// The numbers of the events, by partition.
type Received = Rc<RefCell<BTreeMap<String, Vec<i64>>>>;

/// A credential whose token is worth nothing.
#[derive(Debug)]
struct AnyToken;

#[async_trait::async_trait]
impl TokenCredential for AnyToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let expires_on = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new("worthless", expires_on))
    }
}

impl Fixture {
    async fn start() -> Self {
        let double = EventHubsDouble::start(Config::new(HUB, GOALS.len())).await.unwrap();
        for (id, ..) in GOALS {
            let events = |from: i64, to: i64| (from..to).map(|number| number.to_string());
            double.fill_aged(id, Duration::from_secs(3_600), events(0, OLD));
            double.fill(id, events(OLD, EVENTS));
        }
        let service = BlobService::new("checkpoints");
        let loopback = service.serve();
        Self { double, service, loopback, folder: TempDir::new().unwrap() }
    }

    /// A processor of the official client, with all its partitions below one task, so that aborting it ends everything.
    async fn processor(&self, name: &str) -> (JoinHandle<()>, Received) {
        let client = ConsumerClient::builder()
            .with_custom_endpoint(self.double.endpoint())
            .with_consumer_group(GROUP.to_owned())
            .with_application_id(name.to_owned())
            .open(NAMESPACE, HUB.to_owned(), Arc::new(AnyToken))
            .await
            .unwrap();
        let url = format!("{}/checkpoints", self.loopback.url().trim_end_matches('/'));
        let container = BlobContainerClient::new(url.parse().unwrap(), None, None).unwrap();
        let default = StartPosition { location: StartLocation::Earliest, inclusive: false };
        let processor = EventProcessor::builder()
            .with_update_interval(Duration::from_millis(500).try_into().unwrap())
            .with_partition_expiration_duration(Duration::from_secs(4).try_into().unwrap())
            .with_start_positions(StartPositions { default, ..Default::default() })
            .build(client, BlobCheckpointStore::new(container))
            .await
            .unwrap();
        let received = Received::default();
        let events = Rc::clone(&received);
        let running = spawn_local(async move {
            let partitions = LocalSet::new();
            let dispatch = async {
                while let Ok(partition) = processor.next_partition_client().await {
                    partitions.spawn_local(process(partition, Rc::clone(&events)));
                }
            };
            let running = async {
                tokio::select! {
                    ended = processor.run() => ended,
                    () = dispatch => Ok(()),
                }
            };
            panic!("the processor has ended: {:?}", partitions.run_until(running).await);
        });
        (running, received)
    }

    /// The number in the checkpoint's blob, under the names as they are given.
    fn stored(&self, id: &str) -> Option<i64> {
        let blob = self.service.blob(&format!("{TARGET}/checkpoint/{id}"))?;
        let (_, number) = blob.metadata.iter().find(|(name, _)| name == "sequencenumber")?;
        number.parse().ok()
    }

    /// Runs the tool, on a thread because the double is on this one.
    async fn tool(&self, line: &str) -> Ran {
        let words = line.split_whitespace().map(str::to_owned);
        let endpoint = ["--hub-endpoint".to_owned(), self.double.endpoint()];
        let words: Vec<_> = ["eventhub-checkpoints".to_owned()]
            .into_iter()
            .chain(words)
            .chain(endpoint)
            .map(Into::into)
            .collect();
        let vars = BTreeMap::from([
            ("AZURE_STORAGE_CONTAINER", "checkpoints".to_owned()),
            (
                "AZURE_STORAGE_CONNECTION_STRING",
                format!(
                    "DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=c2VjcmV0;BlobEndpoint={}",
                    self.loopback.url()
                ),
            ),
            (
                "EVENTHUBS_CONNECTION_STRING",
                format!(
                    "Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=a;SharedAccessKey=c2VjcmV0"
                ),
            ),
        ]);
        let ran = tokio::task::spawn_blocking(move || {
            let (out, err) = (Buffer::default(), Buffer::default());
            let console = Console {
                out: Box::new(out.clone()),
                err: Box::new(err.clone()),
                input: Box::new(io::empty()),
                out_is_terminal: false,
                err_is_terminal: false,
                can_ask: false,
                is_quiet: false,
            };
            let world = World {
                console,
                vars: Box::new(move |name| vars.get(name).cloned()),
                interrupted: Arc::default(),
                clock: SystemTime::now,
                storage: None,
                hub: None,
            };
            let exit = eventhub_checkpoints::run(words, world);
            Ran { exit, out: out.text(), err: err.text() }
        });
        ran.await.unwrap()
    }
}

/// The output of a run.
#[derive(Debug)]
struct Ran {
    exit: Exit,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn ends(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit, "{self:#?}");
        self
    }

    #[track_caller]
    fn rows(&self, key: &str) -> Vec<Value> {
        let json: Value = serde_json::from_str(&self.out).unwrap();
        let groups = json["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 1, "{self:#?}");
        assert_eq!(groups[0]["name_case"], "as-given", "{self:#?}");
        groups[0][key].as_array().unwrap().clone()
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a partition, with a checkpoint after every event.
async fn process(partition: Arc<PartitionClient>, received: Received) {
    let id = partition.get_partition_id().to_owned();
    let mut events = partition.stream_events();
    while let Some(event) = events.next().await {
        let event = event.expect("an event");
        let number = event.sequence_number().expect("a sequence number");
        received.borrow_mut().entry(id.clone()).or_default().push(number);
        partition.update_checkpoint(&event).await.expect("a checkpoint");
    }
}

/// Waits until the condition holds.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, holds).await;
    held.unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn the_plan_is_where_they_resume() {
    let fixture = Fixture::start().await;
    let (running, _) = fixture.processor("first").await;
    let is_at_the_end = |id: &str| fixture.stored(id) == Some(EVENTS - 1);
    eventually("all is processed", || GOALS.iter().all(|(id, ..)| is_at_the_end(id))).await;

    // The target says how the names are written; other spellings are other groups.
    for names in ["", "--name-case as-given"] {
        let ran = fixture.tool(&format!("lag {TARGET} {names} -o json")).await.ends(Exit::Done);
        let rows = ran.rows("partitions");
        assert_eq!(rows.len(), GOALS.len());
        for row in rows {
            assert!(row["owner_id"].is_string() && row["lag"] == 0, "{row}");
        }
    }
    fixture.tool(&format!("show {TARGET} --name-case lower")).await.ends(Exit::NothingFound);
    fixture.tool(&format!("show {}", TARGET.to_lowercase())).await.ends(Exit::NothingFound);
    // Nobody is displaced, and nothing is changed under a running fleet.
    let counters = fixture.double.counters();
    assert_eq!((counters.stolen_links, counters.refused_links), (0, 0));
    let flags = "--execute --yes --expiration 4s -o json --name-case as-given --backup";
    let backup = |name: &str| fixture.folder.path().join(name).display().to_string();
    let line = format!("reset {TARGET} --to-earliest {flags} {}", backup("refused"));
    let ran = fixture.tool(&line).await.ends(Exit::Refused);
    assert!(ran.err.contains("--wait"), "{ran:#?}");
    assert!(GOALS.iter().all(|(id, ..)| is_at_the_end(id)));

    // This client keeps its partitions when it stops, so they expire.
    running.abort();
    for (id, goal, first) in GOALS {
        let line = format!("reset {TARGET} -p {id} {goal} --wait 60s {flags} {}", backup(id));
        let rows = fixture.tool(&line).await.ends(Exit::Done).rows("changes");
        let to = rows[0]["to_sequence_number"].as_i64();
        assert_eq!((rows.len(), to), (1, Some(first - 1)), "{goal}: {rows:?}");
        assert_eq!(fixture.stored(id), Some(first - 1), "{goal}");
    }

    let (running, received) = fixture.processor("second").await;
    let receivers = || fixture.double.receivers().len();
    eventually("the second one has all", || receivers() == GOALS.len()).await;
    for (id, ..) in GOALS {
        fixture.double.append(id, "one more");
    }
    eventually("the last events are received", || {
        let received = received.borrow();
        let has_last = |id: &str| received.get(id).is_some_and(|all| all.contains(&EVENTS));
        GOALS.iter().all(|(id, ..)| has_last(id))
    })
    .await;
    running.abort();
    for (id, goal, first) in GOALS {
        let expected: Vec<_> = (first..=EVENTS).collect();
        assert_eq!(received.borrow()[id], expected, "{goal}");
    }
}

#[test]
fn a_fleet_of_the_official_client_and_store_resumes_where_the_plan_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, the_plan_is_where_they_resume());
}
