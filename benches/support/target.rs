//! What all requests are about, and where they go.

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, ETag, PartitionOwnership};

pub const ACCOUNT: &str = "devstoreaccount1";
/// The published key of the storage emulator.
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoMGGw==";
pub const CONTAINER: &str = "checkpoints";
pub const NAMESPACE: &str = "contoso.servicebus.windows.net";
/// The event hub whose lists have 32 blobs.
pub const SHORT: &str = "telemetry";
/// The event hub whose list of checkpoints has 10,000 blobs.
pub const LONG: &str = "archive";

pub const OWNER_ID: &str = "3c1f2c5e-8a30-4f6e-9f54-0d6a5b0e7c11";
pub const ETAG: &str = "\"0x8DE29A5B1C3D0F1\"";
pub const OFFSET: &str = "8589934592";
pub const SEQUENCE_NUMBER: i64 = 960_180;

/// A port of the server.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub port: u16,
    /// What its clients trust, if it speaks TLS.
    pub ca_pem: Option<String>,
}

impl Endpoint {
    pub fn origin(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub fn account_url(&self) -> String {
        format!("{}/{ACCOUNT}", self.origin())
    }

    /// For a process of its own.
    pub fn arguments(&self) -> Vec<String> {
        std::iter::once(self.port.to_string()).chain(self.ca_pem.clone()).collect()
    }

    pub fn from_arguments(arguments: &[String]) -> Self {
        let port = arguments[0].parse().expect("a port");
        Self { port, ca_pem: arguments.get(1).cloned() }
    }
}

/// An operation of the store, which a bare client does as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Checkpoint,
    /// Of a partition that has none.
    FirstCheckpoint,
    ReadCheckpoint,
    DeleteCheckpoint,
    FirstClaim,
    /// So many at once. A steal is the same request.
    Renew(usize),
    Relinquish,
    CreateContainer,
    List(List),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// 32 of them.
    Checkpoints,
    /// 32 of them.
    Ownerships,
    /// 10,000 checkpoints, on two pages.
    Long,
}

impl List {
    pub fn len(self) -> usize {
        if self == Self::Long { 10_000 } else { 32 }
    }

    /// The event hub, and the kind of the records.
    pub fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Checkpoints => (SHORT, "checkpoint"),
            Self::Ownerships => (SHORT, "ownership"),
            Self::Long => (LONG, "checkpoint"),
        }
    }

    pub fn prefix(self) -> String {
        let (eventhub, kind) = self.place();
        format!("{NAMESPACE}/{eventhub}/$default/{kind}/")
    }
}

/// What the store's calls take, made once.
pub struct Inputs {
    pub group: ConsumerGroup,
    pub long_group: ConsumerGroup,
    pub checkpoint: Checkpoint,
    pub claim: [PartitionOwnership; 1],
    pub ownerships: Vec<PartitionOwnership>,
}

impl Inputs {
    pub fn new() -> Self {
        let group = |eventhub| ConsumerGroup::new(NAMESPACE, eventhub, "$Default").expect("names");
        let short = group(SHORT);
        let ownership = |number: usize| {
            PartitionOwnership::new(&short, number.to_string(), OWNER_ID).expect("an ownership")
        };
        let etag = ETag::new(ETAG).expect("an ETag");
        Self {
            long_group: group(LONG),
            checkpoint: Checkpoint::new(&short, "0", OFFSET, SEQUENCE_NUMBER).expect("a position"),
            claim: [ownership(0)],
            ownerships: (0..1024).map(|it| ownership(it).with_etag(etag.clone())).collect(),
            group: short,
        }
    }
}
