//! What every test stands on: a storage account, a hub, and a way to run a command line.

use std::ffi::OsString;
use std::io::{self, BufReader, Cursor, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use eventhub_checkpoints::console::Console;
use eventhub_checkpoints::exit::{Exit, Failure};
use eventhub_checkpoints::hub::{EventPlace, HubData, Place};
use eventhub_checkpoints::progress::Progress;
use eventhub_checkpoints::{HubPartition, HubPartitions, World, run};
use eventhub_checkpointstore::ConsumerGroup;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::blob_service::{BlobService, Fault, ForeignBlob};
use crate::support::loopback::Loopback;

/// Blob names begin so, in lower case.
pub const GROUP: &str = "contoso.servicebus.windows.net/telemetry/billing";
/// The target of most tests.
pub const TARGET: &str = "contoso/telemetry/billing";

/// 2026-11-28 21:04:11Z.
fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_899_851)
}

/// A storage account with one container, an event hub, and a folder for files.
pub struct Bed {
    pub service: BlobService,
    pub loopback: Loopback,
    pub folder: TempDir,
    pub interrupted: Arc<AtomicBool>,
    hub: Arc<Hub>,
    has_real_hub: bool,
    vars: Vec<(String, String)>,
    answer: Option<String>,
    /// When it is, if the clock stands still.
    moment: Option<SystemTime>,
}

/// What a run said.
#[derive(Debug)]
pub struct Ran {
    pub exit: Exit,
    pub out: String,
    pub err: String,
}

#[derive(Default)]
pub struct Hub {
    partitions: Mutex<HubPartitions>,
    is_away: AtomicBool,
    /// How often it was asked for all partitions.
    asked: AtomicUsize,
}

impl HubData for Hub {
    fn partitions(
        &self,
        namespace: &str,
        eventhub: &str,
        _: &Progress,
    ) -> Result<HubPartitions, Failure> {
        assert_eq!((namespace, eventhub), ("contoso.servicebus.windows.net", "telemetry"));
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Failure::failed("the event hub is away"));
        }
        Ok(self.partitions.lock().unwrap().clone())
    }

    /// An event a second up to the last one; the offsets of all end in `00`.
    fn event(
        &self,
        via: &ConsumerGroup,
        partition_id: &str,
        from: &Place,
    ) -> Result<Option<EventPlace>, Failure> {
        assert_eq!(via.consumer_group(), "tools", "no other group is read with");
        let partitions = self.partitions.lock().unwrap();
        let hub = &partitions[partition_id];
        let end = hub.last_enqueued.unwrap();
        let enqueued =
            |number: i64| end - Duration::from_secs(u64::try_from(hub.last - number).unwrap());
        let mut numbers = hub.first..=hub.last;
        let found = match from {
            Place::Number(number) => numbers.find(|found| found >= number),
            Place::Time(time) => numbers.find(|found| enqueued(*found) >= *time),
            Place::Offset(offset) => {
                let offset: i64 = offset.parse().unwrap();
                numbers.find(|found| found * 100 >= offset)
            }
        };
        Ok(found.map(|number| EventPlace {
            sequence_number: number,
            offset: (number * 100).to_string(),
            enqueued: enqueued(number),
        }))
    }
}

impl Hub {
    /// Sets the end of a partition to this many events after the fleet's, and the time at which the last one was enqueued.
    pub fn publish(&self, partition_id: &str, events: i64, at: SystemTime) {
        let mut partitions = self.partitions.lock().unwrap();
        let partition = partitions.get_mut(partition_id).unwrap();
        partition.last = crate::reading::LAST + events;
        partition.last_enqueued = Some(at);
    }
}

/// What a stream was given; another thread may look.
#[derive(Clone, Default)]
pub struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).expect("UTF-8")
    }
}

impl Bed {
    pub fn new() -> Self {
        let service = BlobService::new("checkpoints");
        let loopback = service.serve();
        let storage = format!(
            "DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=c2VjcmV0;BlobEndpoint={}",
            loopback.url()
        );
        let vars = vec![
            ("AZURE_STORAGE_CONNECTION_STRING".to_owned(), storage),
            ("AZURE_STORAGE_CONTAINER".to_owned(), "checkpoints".to_owned()),
        ];
        Self {
            service,
            loopback,
            folder: TempDir::new().expect("a folder"),
            interrupted: Arc::default(),
            hub: Arc::default(),
            has_real_hub: false,
            vars,
            answer: None,
            moment: None,
        }
    }

    /// One whose clocks stand still.
    pub fn at_one_moment() -> Self {
        let bed = Self { moment: Some(moment()), ..Self::new() };
        bed.service.inject(move |_| Fault::edit(move |reply| reply.date(moment())));
        bed
    }

    /// Somebody sits at a terminal and answers the question so.
    pub fn answering(mut self, answer: &str) -> Self {
        self.answer = Some(format!("{answer}\n"));
        self
    }

    pub fn var(&self, name: &str) -> &str {
        let found = self.vars.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub fn set_var(&mut self, name: &str, value: &str) {
        self.vars.retain(|(known, _)| known != name);
        self.vars.push((name.to_owned(), value.to_owned()));
    }

    /// The hub is the one that the environment names.
    pub fn with_real_hub(mut self) -> Self {
        self.has_real_hub = true;
        self.set_var(
            "EVENTHUBS_CONNECTION_STRING",
            "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=c2VjcmV0",
        );
        self
    }

    /// The hub, for another thread.
    pub fn hub(&self) -> Arc<Hub> {
        Arc::clone(&self.hub)
    }

    /// How often the hub was asked for all its partitions.
    pub fn hub_was_asked(&self) -> usize {
        self.hub.asked.load(Ordering::SeqCst)
    }

    pub fn hub_is_away(&self) {
        self.hub.is_away.store(true, Ordering::SeqCst);
    }

    /// The hub has events from `first` to `last`, of which the last came so long ago.
    pub fn partition(&self, id: &str, first: i64, last: i64, enqueued: u64) {
        let partition = HubPartition {
            first,
            last,
            last_offset: (last * 100).to_string(),
            last_enqueued: Some(self.ago(enqueued)),
            is_empty: last < first,
        };
        self.hub.partitions.lock().unwrap().insert(id.to_owned(), partition);
    }

    /// A moment of the server's clock, in seconds before now.
    pub fn ago(&self, seconds: u64) -> SystemTime {
        self.moment.unwrap_or_else(|| self.service.now()) - Duration::from_secs(seconds)
    }

    /// A checkpoint that was written so long ago.
    pub fn checkpoint(&self, id: &str, number: i64, seconds_ago: u64) {
        let (offset, number) = ((number * 100).to_string(), number.to_string());
        self.blob(
            &format!("{GROUP}/checkpoint/{id}"),
            &[("offset", &offset), ("sequencenumber", &number)],
            seconds_ago,
        );
    }

    /// An ownership that was renewed so long ago.
    pub fn owner(&self, id: &str, owner: &str, seconds_ago: u64) {
        self.blob(&format!("{GROUP}/ownership/{id}"), &[("ownerid", owner)], seconds_ago);
    }

    pub fn blob(&self, name: &str, metadata: &[(&str, &str)], seconds_ago: u64) {
        let blob = ForeignBlob::new(name).metadata(metadata).last_modified(self.ago(seconds_ago));
        self.service.put_with(blob);
    }

    /// The stored offset and sequence number of a partition.
    pub fn stored(&self, id: &str) -> Option<(String, String)> {
        let blob = self.service.blob(&format!("{GROUP}/checkpoint/{id}"))?;
        let value = |key: &str| {
            let pair = blob.metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            pair.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Some((value("offset"), value("sequencenumber")))
    }

    /// How many writes have come by requests.
    pub fn writes(&self) -> usize {
        self.service.history().iter().filter(|write| write.request.is_some()).count()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command line; `{NAME}` stands for a file of the folder.
    pub fn run(&self, line: &str) -> Ran {
        let args = line.split_whitespace().map(|word| match word.strip_prefix('{') {
            Some(name) => self.path(name.trim_end_matches('}')).into_os_string(),
            None => OsString::from(word),
        });
        self.run_args(args)
    }

    pub fn run_with_input(&self, line: &str, input: &str) -> Ran {
        self.start(line.split_whitespace().map(OsString::from), input.as_bytes().to_vec(), false)
    }

    pub fn run_args(&self, args: impl Iterator<Item = OsString>) -> Ran {
        let input = self.answer.clone().unwrap_or_default();
        self.start(args, input.into_bytes(), self.answer.is_some())
    }

    /// Runs a command that goes on until `client`, which is given what it says, has done its part.
    pub fn run_beside(&self, line: &str, client: impl FnOnce(Buffer) + Send + 'static) -> Ran {
        let err = Buffer::default();
        let (seen, interrupted) = (err.clone(), Arc::clone(&self.interrupted));
        let client = thread::spawn(move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client(seen)));
            interrupted.store(true, Ordering::SeqCst);
            done
        });
        let ran =
            self.start_with(line.split_whitespace().map(OsString::from), Vec::new(), false, err);
        if let Err(panic) = client.join().expect("the client") {
            std::panic::resume_unwind(panic);
        }
        ran
    }

    fn start(&self, args: impl Iterator<Item = OsString>, input: Vec<u8>, can_ask: bool) -> Ran {
        self.start_with(args, input, can_ask, Buffer::default())
    }

    fn start_with(
        &self,
        args: impl Iterator<Item = OsString>,
        input: Vec<u8>,
        can_ask: bool,
        err: Buffer,
    ) -> Ran {
        let out = Buffer::default();
        let console = Console {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(BufReader::new(Cursor::new(input))),
            out_is_terminal: false,
            err_is_terminal: false,
            can_ask,
            is_quiet: false,
        };
        let vars = self.vars.clone();
        let world = World {
            console,
            vars: Box::new(move |name| {
                vars.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }),
            interrupted: Arc::clone(&self.interrupted),
            clock: if self.moment.is_some() { moment } else { SystemTime::now },
            storage: None,
            hub: (!self.has_real_hub).then(|| self.hub.clone() as Arc<dyn HubData>),
        };
        let program = std::iter::once(OsString::from("eventhub-checkpoints"));
        let exit = run(program.chain(args), world);
        let ran = Ran { exit, out: out.text(), err: err.text() };
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains("c2VjcmV0"), "a secret is shown: {text}");
        }
        ran
    }
}

impl Ran {
    #[track_caller]
    pub fn ends(self, exit: Exit) -> Self {
        assert_eq!(self.exit, exit, "{self}");
        self
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.err.contains(part), "stderr lacks {part:?}: {self}");
        self
    }

    #[track_caller]
    pub fn shows(self, part: &str) -> Self {
        assert!(self.out.contains(part), "stdout lacks {part:?}: {self}");
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The rows of the first group.
    #[track_caller]
    pub fn rows(&self, key: &str) -> Vec<Value> {
        self.json()["groups"][0][key]
            .as_array()
            .unwrap_or_else(|| panic!("no {key}: {self}"))
            .clone()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}\n--- stdout\n{}\n--- stderr\n{}", self.exit, self.out, self.err)
    }
}
