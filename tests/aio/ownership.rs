//! Only futures can be dropped wherever they wait, and sent to other threads.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use eventhub_checkpointstore::checkpointstoreblob_aio::{
    BlobCheckpointStore, BlobContainer, OwnershipManager, async_trait,
};
use eventhub_checkpointstore::container::{
    BlobContent, BlobProperties, BlobVisitor, BlobWritten, CreateContainer, DeleteBlob, GetBlob,
    GetBlobProperties, ListBlobs, PageEnd, PutBlob, SetBlobMetadata,
};
use eventhub_checkpointstore::{Clock, ErrorKind, ManualClock, MemoryContainer, Result};

use crate::surface::group;
use crate::surface::ownership::partitions;

/// Waits once before and once after everything it does, so that a future can be dropped there.
#[derive(Clone)]
struct Hesitant(MemoryContainer);

async fn hesitate() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

macro_rules! hesitantly {
    ($call:expr) => {{
        hesitate().await;
        let done = $call.await;
        hesitate().await;
        done
    }};
}

#[async_trait]
impl BlobContainer for Hesitant {
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten> {
        hesitantly!(BlobContainer::put_blob(&self.0, request))
    }

    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten> {
        hesitantly!(BlobContainer::set_blob_metadata(&self.0, request))
    }

    async fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties> {
        hesitantly!(BlobContainer::get_blob_properties(&self.0, request))
    }

    async fn list_blobs(
        &self,
        request: ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd> {
        hesitantly!(BlobContainer::list_blobs(&self.0, request, visitor))
    }

    async fn get_blob(&self, request: GetBlob<'_>) -> Result<BlobContent> {
        hesitantly!(BlobContainer::get_blob(&self.0, request))
    }

    async fn delete_blob(&self, request: DeleteBlob<'_>) -> Result<()> {
        hesitantly!(BlobContainer::delete_blob(&self.0, request))
    }

    async fn create_container(&self, request: CreateContainer<'_>) -> Result<()> {
        hesitantly!(BlobContainer::create_container(&self.0, request))
    }
}

/// Never writes the record of partition 2 once it is stuck.
#[derive(Clone)]
struct Stuck {
    container: MemoryContainer,
    stuck: Arc<AtomicBool>,
}

#[async_trait]
impl BlobContainer for Stuck {
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten> {
        BlobContainer::put_blob(&self.container, request).await
    }

    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten> {
        if request.name.ends_with("ownership/2") && self.stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        BlobContainer::set_blob_metadata(&self.container, request).await
    }

    async fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties> {
        BlobContainer::get_blob_properties(&self.container, request).await
    }

    async fn list_blobs(
        &self,
        request: ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd> {
        BlobContainer::list_blobs(&self.container, request, visitor).await
    }

    async fn get_blob(&self, request: GetBlob<'_>) -> Result<BlobContent> {
        BlobContainer::get_blob(&self.container, request).await
    }

    async fn delete_blob(&self, request: DeleteBlob<'_>) -> Result<()> {
        BlobContainer::delete_blob(&self.container, request).await
    }

    async fn create_container(&self, request: CreateContainer<'_>) -> Result<()> {
        BlobContainer::create_container(&self.container, request).await
    }

    fn clock(&self) -> &dyn Clock {
        BlobContainer::clock(&self.container)
    }
}

fn manager(container: &MemoryContainer, owner_id: &str) -> OwnershipManager {
    let store = BlobCheckpointStore::from_container(Hesitant(container.clone()));
    OwnershipManager::builder(store, &group(), owner_id).build().unwrap()
}

/// Polls so often; `None` if the future was dropped before it was ready.
fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    })
}

fn finish<T>(future: impl Future<Output = T>) -> T {
    poll_and_drop(future, 1000).expect("it ends")
}

/// Whatever the dropped rounds won is reported by the next one, and nothing twice.
#[test]
fn a_round_that_is_dropped_anywhere_leaves_a_usable_manager() {
    let ids = partitions(3);
    let mut dropped = 0;
    for polls in 0.. {
        let container = MemoryContainer::new();
        let a = manager(&container, "a");
        if let Some(round) = poll_and_drop(a.round(&ids), polls) {
            assert_eq!(round.unwrap().won.len(), 3);
            break;
        }
        dropped += 1;
        assert!(a.owned().is_empty(), "nobody was told where to begin");
        assert!(a.take_revoked().is_empty());
        let round = finish(a.round(&ids)).unwrap();
        assert_eq!((round.won.len(), round.owned.len(), round.lost.len()), (3, 3, 0));

        // A dropped renewal: the lease goes on, and the next round renews what is there.
        assert!(poll_and_drop(a.round(&ids), polls.min(6)).is_none_or(|round| round.is_ok()));
        assert_eq!(a.owned(), ids);
        let round = finish(a.round(&ids)).unwrap();
        assert_eq!((round.won.len(), round.owned.len(), round.lost.len()), (0, 3, 0));

        // A dropped stop can be retried, and what it did not reach is still there to be given up.
        let stopped = poll_and_drop(a.relinquish_all(Duration::from_secs(5)), polls);
        assert!(stopped.is_none_or(|claims| claims.all_released()));
        assert_eq!(a.owned().is_empty(), polls > 0, "from the first poll on nothing is owned");
        let _ = finish(a.relinquish_all(Duration::from_secs(5)));
        let b = manager(&container, "b");
        let others = finish(b.round(&ids)).unwrap();
        assert_eq!((others.won.len(), others.active_owners), (3, 1), "after {polls} polls");
    }
    // Before and after the list, the claims, and the list of checkpoints.
    assert!(dropped >= 6, "{dropped}");
}

/// Two partitions respond at once, the third never does. Whoever gives up waiting for it keeps what was done until then.
#[test]
fn a_dropped_round_keeps_its_finished_renewals() {
    let ids = partitions(3);
    let clock = ManualClock::new();
    let container = MemoryContainer::new().with_clock(clock.clone());
    let container = Stuck { container, stuck: Arc::default() };
    let store = BlobCheckpointStore::from_container(container.clone());
    let a = OwnershipManager::builder(store, &group(), "a").build().unwrap();
    assert_eq!(finish(a.round(&ids)).unwrap().won.len(), 3);
    container.stuck.store(true, Ordering::Relaxed);
    for _ in 0..10 {
        clock.advance(Duration::from_secs(15));
        assert!(poll_and_drop(a.round(&ids), 50).is_none(), "it waits for the third one");
    }
    assert_eq!(a.owned(), ["0", "1"]);
    let revoked = a.take_revoked();
    assert_eq!((revoked.len(), revoked[0].partition_id.as_str()), (1, "2"));
}

/// The loop of the manager's documentation: the stop comes while a round waits, and no other round tells what it did.
#[test]
fn a_consumer_that_drops_a_round_and_stops_leaves_nothing_behind() {
    let ids = partitions(3);
    for is_renewal in [false, true] {
        for polls in 0.. {
            let container = MemoryContainer::new();
            let a = manager(&container, "a");
            if is_renewal {
                let _ = finish(a.round(&ids)).unwrap();
            }
            let round = poll_and_drop(a.round(&ids), polls);
            let released = finish(a.relinquish_all(Duration::from_secs(5)));
            assert!(released.all_released(), "after {polls} polls: {released:?}");
            let b = manager(&container, "b");
            let others = finish(b.round(&ids)).unwrap();
            assert_eq!((others.won.len(), others.active_owners), (3, 1), "after {polls} polls");
            if round.is_some() {
                break;
            }
        }
    }
}

/// Nobody drops the round here, and nobody polls it until the stop has ended: it goes no further all the same.
#[test]
fn a_stop_does_not_wait_for_a_round_in_another_task() {
    let ids = partitions(3);
    let mut interrupted = 0;
    for polls in 1.. {
        let container = MemoryContainer::new();
        let a = manager(&container, "a");
        let mut round = Box::pin(a.round(&ids));
        let mut context = Context::from_waker(Waker::noop());
        if (0..polls).any(|_| round.as_mut().poll(&mut context).is_ready()) {
            break;
        }
        interrupted += 1;
        let released = finish(a.relinquish_all(Duration::from_secs(5)));
        assert!(released.all_released(), "after {polls} polls: {released:?}");
        let ended = finish(round);
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Other, "after {polls} polls");
        let b = manager(&container, "b");
        assert_eq!(finish(b.round(&ids)).unwrap().won.len(), 3, "after {polls} polls");
        assert!(a.owned().is_empty() && finish(a.relinquish_all(Duration::ZERO)).is_empty());
    }
    assert!(interrupted >= 6, "{interrupted}");
}

/// The former round was dropped while it held the turn.
#[test]
fn a_dropped_round_does_not_block_the_next_one() {
    let a = manager(&MemoryContainer::new(), "a");
    let ids = partitions(1);
    let mut first = Box::pin(a.round(&ids));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(poll_and_drop(a.round(&ids), 50).is_none(), "it waits for its turn");
    drop(first);
    assert_eq!(finish(a.round(&ids)).unwrap().won.len(), 1);
}

#[test]
fn futures_can_be_sent_to_other_threads() {
    fn assert_send<T: Send>(_: T) {}
    let a = manager(&MemoryContainer::new(), "a");
    assert_send(a.round::<&str>(&[]));
    assert_send(a.relinquish_all(Duration::ZERO));
    fn assert_shared<T: Send + Sync + Clone>(_: &T) {}
    assert_shared(&a);
}
