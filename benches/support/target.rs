//! What all requests are about.

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, ETag, PartitionOwnership};

pub const ACCOUNT: &str = "devstoreaccount1";
/// The published key of the storage emulator.
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoMGGw==";
/// The container whose list has 32 blobs.
pub const SHORT: &str = "short";
/// The container whose list has 10,000 blobs.
pub const LONG: &str = "long";

pub const PREFIX: &str = "contoso.servicebus.windows.net/telemetry/$default/checkpoint/";
pub const ENCODED_CHECKPOINTS: &str =
    "contoso.servicebus.windows.net/telemetry/%24default/checkpoint/";
pub const ENCODED_OWNERSHIPS: &str =
    "contoso.servicebus.windows.net/telemetry/%24default/ownership/";
pub const QUERY_PREFIX: &str =
    "contoso.servicebus.windows.net%2Ftelemetry%2F%24default%2Fcheckpoint%2F";

pub const OWNER_ID: &str = "3c1f2c5e-8a30-4f6e-9f54-0d6a5b0e7c11";
pub const ETAG: &str = "\"0x8DE29A5B1C3D0F1\"";
pub const OFFSET: &str = "8589934592";

pub fn account_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/{ACCOUNT}")
}

pub fn group() -> ConsumerGroup {
    ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default").expect("names")
}

pub fn checkpoint(sequence_number: i64) -> Checkpoint {
    Checkpoint::new(&group(), "0", OFFSET, sequence_number).expect("a checkpoint")
}

pub fn ownerships(count: usize) -> Vec<PartitionOwnership> {
    let etag = ETag::new(ETAG).expect("an ETag");
    let ownership = |number: usize| {
        PartitionOwnership::new(&group(), number.to_string(), OWNER_ID)
            .expect("an ownership")
            .with_etag(etag.clone())
    };
    (0..count).map(ownership).collect()
}
