//! A program with both SDKs: the types of the model are the same ones, and each SDK has its surface.

use blocking_sdk::{Checkpoint, ConsumerGroup, Error};

fn main() -> Result<(), Error> {
    let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
    let checkpoint = Checkpoint::new(&group, "0", "8589934592", 41)?;

    let store = blocking_sdk::BlobCheckpointStore::in_memory();
    store.update_checkpoint(&checkpoint)?;
    let blocking = blocking_sdk::next_sequence_number(&store, &group, "0")?;

    let store = async_sdk::BlobCheckpointStore::in_memory();
    let work = async {
        store.update_checkpoint(&checkpoint).await?;
        async_sdk::next_sequence_number(&store, &group, "0").await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let asynchronous = runtime.expect("a runtime without drivers").block_on(work)?;

    assert_eq!((blocking, asynchronous), (42, 42));
    println!("both SDKs resume at {blocking}");
    Ok(())
}
