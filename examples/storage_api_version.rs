//! Which version of the storage REST protocol requests carry. An Azure Stack Hub before 2301 knows none later than
//! 2017-11-09.
//!
//! ```sh
//! cargo run --example storage_api_version                # the default
//! cargo run --example storage_api_version 2017-11-09     # for such an Azure Stack Hub
//! ```
//!
//! Nothing leaves the process: a transport of the example's own shows each request and responds in place of the
//! service. The same transport, with an HTTP client inside, would plug that client in.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use bytes::Bytes;
use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential, Transport};
use eventhub_checkpointstore::{
    ApiVersion, ConsumerGroup, PartitionOwnership, SendLimits, TransportError,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let api_version: ApiVersion = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => ApiVersion::default(),
    };
    let store = BlobCheckpointStore::builder(
        "https://contoso.blob.local.azurestack.external",
        "checkpoints",
    )
    .credential(Credential::account_key("contoso", "c2VjcmV0")?)
    .api_version(api_version)
    .transport(ShowOnly)
    .build()?;

    let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
    let claims = store.claim_ownership(&[PartitionOwnership::new(&group, "0", "consumer-a")?]);
    for (_, error) in claims.failed() {
        println!("the claim failed: {error}");
    }
    Ok(())
}

/// Shows requests instead of sending them.
struct ShowOnly;

impl Transport for ShowOnly {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        println!("{} {}", request.method(), request.uri());
        // Only these: `authorization` would be a signature.
        for name in ["x-ms-version", "x-ms-date", "x-ms-blob-type", "if-none-match"] {
            if let Some(value) = request.headers().get(name).and_then(|value| value.to_str().ok()) {
                println!("{name}: {value}");
            }
        }
        // The response of the service to a first claim that wins.
        http::Response::builder()
            .status(201)
            .header("x-ms-request-id", "5f2b1d9c-0001-0000-0000-000000000000")
            .header("etag", "\"0x8DE29A5B1C3D0F1\"")
            .header("last-modified", "Fri, 20 Nov 2026 06:00:00 GMT")
            .body(Bytes::new())
            .map_err(TransportError::unsupported)
    }

    fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}
