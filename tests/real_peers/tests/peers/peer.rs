//! Consumers and producers of every language, each in a process of its own.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bed::{Bed, HUB, NAMESPACE, PATIENCE, in_time, program};
use crate::support::counterpart::{javascript_script, python_script};
use crate::support::process::LineProcess;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Which consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `azure.eventhub.EventHubConsumerClient`
    PythonSync,
    /// `azure.eventhub.aio.EventHubConsumerClient`
    PythonAio,
    /// `EventHubConsumerClient` of `@azure/event-hubs`
    JavaScript,
    /// Ours, on the blocking surface.
    Ours,
    /// Ours, on the async surface.
    OursAio,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::PythonSync, Self::PythonAio, Self::JavaScript, Self::Ours, Self::OursAio];

    pub fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::OursAio)
    }

    fn command(self) -> Command {
        let ours = |surface: &str| {
            let mut command = Command::new(program("consumer"));
            command.arg(surface);
            command
        };
        match self {
            Self::PythonSync => python_script("consumer.py", &["sync"]),
            Self::PythonAio => python_script("consumer.py", &["aio"]),
            Self::JavaScript => javascript_script("consumer.js"),
            Self::Ours => ours("blocking"),
            Self::OursAio => ours("aio"),
        }
    }
}

/// The settings of a consumer beside the bed.
#[derive(Clone, Debug)]
pub struct Options {
    pub group: String,
    pub interval: Duration,
    pub expiration: Duration,
    /// A checkpoint after so many events of a partition; 0: none.
    pub checkpoint_every: u64,
    /// Only this partition, with this owner level.
    pub partition: Option<(String, i64)>,
    /// Without a store a consumer reads all partitions, beside all others.
    pub has_store: bool,
    /// Receives batches and only counts the events. Reports the seconds once this many have come.
    pub expect: Option<usize>,
}

impl Options {
    /// A consumer that shares the partitions.
    pub fn sharing(group: &str) -> Self {
        Self {
            group: group.to_owned(),
            interval: Duration::from_secs(2),
            expiration: Duration::from_secs(8),
            checkpoint_every: 3,
            partition: None,
            has_store: true,
            expect: None,
        }
    }

    /// A consumer of one partition with an owner level.
    pub fn level(group: &str, partition_id: &str, owner_level: i64) -> Self {
        let partition = Some((partition_id.to_owned(), owner_level));
        Self { checkpoint_every: 0, partition, has_store: false, ..Self::sharing(group) }
    }

    fn json(&self, bed: &Bed) -> Value {
        let (partition_id, owner_level) = self.partition.clone().unzip();
        json!({
            "connection_string": bed.connection_string,
            "container": self.has_store.then_some(&bed.container),
            "namespace": NAMESPACE,
            "eventhub": HUB,
            "group": self.group,
            "port": bed.double.port(),
            "interval": self.interval.as_secs_f64(),
            "expiration": self.expiration.as_secs_f64(),
            "checkpoint_every": self.checkpoint_every,
            "partition_id": partition_id,
            "owner_level": owner_level,
            "expect": self.expect,
        })
    }
}

/// A running consumer, and what it has said.
pub struct Consumer {
    pub kind: Kind,
    pub name: String,
    process: LineProcess,
    pub heard: Heard,
}

/// The reports of a consumer.
#[derive(Clone, Debug, Default)]
pub struct Heard(pub Vec<Value>);

impl Consumer {
    /// Starts the process without waiting for it.
    pub fn launch(kind: Kind, name: &str, bed: &Bed, options: &Options) -> Self {
        let name = format!("{name} ({kind:?})");
        let mut process = LineProcess::start(&name, &mut kind.command());
        process.send(&options.json(bed));
        Self { kind, name, process, heard: Heard::default() }
    }

    /// Starts it and waits until it receives, or tries to.
    pub fn start(kind: Kind, bed: &Bed, options: &Options) -> Self {
        let mut consumer = Self::launch(kind, &options.group, bed, options);
        consumer.is_ready();
        consumer
    }

    pub fn is_ready(&mut self) {
        let ready = self.process.receive(START_TIMEOUT);
        assert_eq!(ready, json!({ "ready": true }), "{}", self.name);
    }

    /// The process id.
    #[allow(dead_code, reason = "the bench measures the process")]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn look(&mut self) -> &Heard {
        let lines = self.process.received();
        self.heard.0.extend(lines.into_iter().filter(|line| line["ready"] != true));
        &self.heard
    }

    /// Waits until it has said something.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Heard) -> Option<T>) -> T {
        let found = in_time(|| look(self.look()));
        found.unwrap_or_else(|| {
            let last = &self.heard.0[self.heard.0.len().saturating_sub(20)..];
            self.process.fail(&format!("is waited for in vain ({what}); it said {last:#?}"))
        })
    }

    /// Waits for an event.
    #[track_caller]
    pub fn until_event(&mut self, partition_id: &str, number: i64) {
        let what = format!("event {number} of partition {partition_id}");
        self.until(&what, |heard| heard.numbers(partition_id).contains(&number).then_some(()));
    }

    /// Lets it leave its partitions and end.
    pub fn stop(mut self) -> Heard {
        self.process.send(&json!({ "call": "stop" }));
        loop {
            match self.process.receive(PATIENCE) {
                message if message["stopped"] == true => return self.heard,
                message => self.heard.0.push(message),
            }
        }
    }

    /// Ends it without a warning (SIGKILL on Unix).
    pub fn kill(mut self) -> Heard {
        self.heard.0.extend(self.process.kill_and_read());
        self.heard
    }
}

impl Heard {
    /// The events of a partition, in the order in which they were handled.
    pub fn events(&self, partition_id: &str) -> Vec<&Value> {
        let of = |line: &&Value| line["partition"] == partition_id && !line["event"].is_null();
        self.0.iter().filter(of).map(|line| &line["event"]).collect()
    }

    pub fn numbers(&self, partition_id: &str) -> Vec<i64> {
        let events = self.events(partition_id).into_iter();
        events.map(|event| event["number"].as_i64().expect("a number")).collect()
    }

    /// The partitions that it reads, as far as it has said.
    pub fn open(&self) -> BTreeSet<String> {
        let mut open = BTreeSet::new();
        for line in &self.0 {
            let Some(partition) = line["partition"].as_str() else { continue };
            if line["initialized"] == true {
                open.insert(partition.to_owned());
            } else if !line["closed"].is_null() {
                open.remove(partition);
            }
        }
        open
    }

    /// Why partitions were left.
    pub fn reasons(&self, partition_id: &str) -> Vec<&str> {
        let of = self.0.iter().filter(|line| line["partition"] == partition_id);
        of.filter_map(|line| line["closed"].as_str()).collect()
    }

    pub fn errors(&self) -> Vec<&str> {
        self.0.iter().filter_map(|line| line["error"].as_str()).collect()
    }

    /// Whether another reader took the link of a partition, in the words of the consumer's language.
    pub fn is_displaced(&self, kind: Kind, partition_id: &str) -> bool {
        if kind.is_ours() {
            return self.reasons(partition_id).contains(&"Displaced");
        }
        self.errors().iter().any(|error| error.contains("is created hence current receiver"))
    }
}

/// Which producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// `azure.eventhub.EventHubProducerClient`
    Python,
    /// `EventHubProducerClient` of `@azure/event-hubs`
    JavaScript,
}

pub struct Producer {
    process: LineProcess,
}

impl Producer {
    pub fn start(sender: Sender, bed: &Bed) -> Self {
        let mut command = match sender {
            Sender::Python => python_script("producer.py", &[]),
            Sender::JavaScript => javascript_script("producer.js"),
        };
        let mut process = LineProcess::start(format!("the {sender:?} producer"), &mut command);
        process.send(&json!({
            "namespace": NAMESPACE, "eventhub": HUB, "port": bed.double.port(),
        }));
        assert_eq!(process.receive(START_TIMEOUT), json!({ "ready": true }));
        Self { process }
    }

    /// Sends events to a partition, by a key, or to any partition.
    #[track_caller]
    pub fn send(
        &mut self,
        how: &str,
        partition: Option<&str>,
        key: Option<&str>,
        events: &[Value],
    ) {
        self.process
            .send(&json!({ "events": events, "how": how, "partition": partition, "key": key }));
        let answer = self.process.receive(PATIENCE);
        assert_eq!(answer, json!({ "sent": events.len() }), "{how}");
    }
}
