//! Both surfaces, used side by side while `maybe-async/is_sync` is on.
#![cfg(test)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use clean_environment as _;
use eventhub_checkpointstore::{
    Checkpoint, ConsumerGroup, checkpointstoreblob, checkpointstoreblob_aio,
};

/// Not async at all where the switch is on.
#[maybe_async::maybe_async]
async fn switched() -> u8 {
    7
}

/// In memory nothing has to be waited for.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("an in-memory call waits"),
    }
}

fn checkpoint() -> (ConsumerGroup, Checkpoint) {
    let group = ConsumerGroup::new("ns.servicebus.windows.net", "hub", "$Default").unwrap();
    let checkpoint = Checkpoint::new(&group, "0", "4711", 42).unwrap();
    (group, checkpoint)
}

#[test]
fn the_switch_is_on() {
    let value: u8 = switched();
    assert_eq!(value, 7);
}

#[test]
fn the_blocking_surface_blocks() {
    let (group, checkpoint) = checkpoint();
    let store = checkpointstoreblob::BlobCheckpointStore::in_memory();
    store.update_checkpoint(&checkpoint).unwrap();
    let read: Option<Checkpoint> = store.get_checkpoint(&group, "0").unwrap();
    assert_eq!(read.unwrap().sequence_number(), Some(42));
}

#[test]
fn the_async_surface_is_async() {
    let (group, checkpoint) = checkpoint();
    let store = checkpointstoreblob_aio::BlobCheckpointStore::in_memory();
    at_once(store.update_checkpoint(&checkpoint)).unwrap();
    let read: Option<Checkpoint> = at_once(store.get_checkpoint(&group, "0")).unwrap();
    assert_eq!(read.unwrap().sequence_number(), Some(42));
}

/// The traits, too: one type implements the async one while another is implemented for the blocking one.
#[test]
fn the_traits_are_as_different_as_the_surfaces() {
    let blocking: &dyn checkpointstoreblob::CheckpointStore =
        &checkpointstoreblob::BlobCheckpointStore::in_memory();
    let aio: &dyn checkpointstoreblob_aio::CheckpointStore =
        &checkpointstoreblob_aio::BlobCheckpointStore::in_memory();
    let (group, _) = checkpoint();
    assert!(blocking.list_checkpoints(&group).unwrap().into_iter().next().is_none());
    assert!(at_once(aio.list_checkpoints(&group)).unwrap().into_iter().next().is_none());
}

/// With the clients of the default features; nothing is sent.
#[test]
fn both_clients_are_built() {
    const NOWHERE: &str = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=MTIz;BlobEndpoint=http://127.0.0.1:1/a";
    let blocking =
        checkpointstoreblob::BlobCheckpointStore::from_connection_string(NOWHERE, "checkpoints");
    let aio = checkpointstoreblob_aio::BlobCheckpointStore::from_connection_string(
        NOWHERE,
        "checkpoints",
    );
    assert!(blocking.is_ok() && aio.is_ok(), "{blocking:?} {aio:?}");
}
