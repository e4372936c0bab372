//! Operations that are dropped at every point where they can be.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use eventhub_checkpointstore::checkpointstoreblob_aio::{
    BlobCheckpointStore, Credential, Transport, async_trait,
};
use eventhub_checkpointstore::{
    AccessToken, ETag, PartitionOwnership, SendOptions, TransportError,
};

use crate::support::blob_service::{BlobService, Fault};
use crate::support::loopback::Loopback;
use crate::surface::script::{HOST, Script};
use crate::surface::{assert_all_closed, checkpoint, group, ownership};

/// Is pending so many times.
struct Pending(usize);

impl Future for Pending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A script that can be dropped before and after each request, and in each wait.
#[derive(Clone)]
struct Hesitant(Script);

#[async_trait]
impl Transport for Hesitant {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendOptions,
    ) -> Result<http::Response<Bytes>, TransportError> {
        Pending(2).await;
        let answer = Transport::send(&self.0, request, options).await;
        Pending(2).await;
        answer
    }

    async fn sleep(&self, duration: Duration) {
        Pending(1).await;
        // The limit of a wait for a token is not what ends here.
        if duration < Duration::from_secs(5) {
            Transport::sleep(&self.0, duration).await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    fn now(&self) -> Instant {
        Transport::now(&self.0)
    }

    fn system_time(&self) -> SystemTime {
        Transport::system_time(&self.0)
    }
}

/// Polls so many times and drops; says whether the end was reached before.
fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) -> bool {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).any(|_| future.as_mut().poll(&mut context).is_ready())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("it never ends: something is locked for ever")
}

const OPERATIONS: [&str; 8] = [
    "list ownership",
    "list checkpoints",
    "get checkpoint",
    "first claims",
    "renewal",
    "relinquish",
    "checkpoint",
    "delete",
];

async fn carry_out(store: &BlobCheckpointStore, operation: &str, held: &PartitionOwnership) {
    // What comes of it does not matter: the next reads show it.
    match operation {
        "list ownership" => drop(store.list_ownership(&group()).await),
        "list checkpoints" => drop(store.list_checkpoints(&group()).await),
        "get checkpoint" => drop(store.get_checkpoint(&group(), "0").await),
        "first claims" => {
            let claims: Vec<_> = (1..6).map(|id| ownership(&id.to_string(), "a")).collect();
            drop(store.claim_ownership(&claims).await);
        }
        "renewal" => drop(store.claim_ownership(std::slice::from_ref(held)).await),
        "relinquish" => drop(store.relinquish_ownership(std::slice::from_ref(held)).await),
        "checkpoint" => drop(store.update_checkpoint(&checkpoint("0", "2", 2)).await),
        _ => drop(store.delete_checkpoint(&group(), "0").await),
    }
}

const ROOT: &str = "ns.servicebus.windows.net/hub/$default";

fn service() -> (BlobService, PartitionOwnership) {
    let service = BlobService::new("checkpoints");
    let etag = service.put(&format!("{ROOT}/ownership/0"), &[("ownerid", "a")]);
    service.put(&format!("{ROOT}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")]);
    let held = ownership("0", "a").with_etag(ETag::new(etag).unwrap());
    (service, held)
}

/// Whatever was dropped: reads work and show a whole record, and the partition can be taken over.
fn check(store: &BlobCheckpointStore, service: &BlobService, operation: &str) {
    let listing = run(store.list_ownership(&group())).unwrap();
    assert!(listing.skipped().is_empty());
    for owned in &listing {
        assert!(owned.owner_id() == Some("a") || operation == "relinquish");
        let taken = run(store.claim_ownership(&[owned.claimed_by("b").unwrap()]));
        assert!(taken.all_claimed(), "{operation}: {taken:?}");
    }
    let found = run(store.get_checkpoint(&group(), "0")).unwrap();
    let position = found.and_then(|found| found.sequence_number());
    match operation {
        "checkpoint" => assert!(position == Some(1) || position == Some(2)),
        "delete" => assert!(position.is_none() || position == Some(1)),
        _ => assert_eq!(position, Some(1)),
    }
    run(store.update_checkpoint(&checkpoint("0", "9", 9))).unwrap();
    assert_eq!(service.blob(&format!("{ROOT}/checkpoint/0")).unwrap().metadata[0].1, "9");
}

#[test]
fn dropped_at_every_poll() {
    let mut points = 0;
    for operation in OPERATIONS {
        for faulty in [false, true] {
            let mut polls = 0;
            loop {
                let (service, held) = service();
                if faulty {
                    service.queue_faults([Fault::DropAfterProcessing]);
                }
                let script = Script::over(&service);
                let issued = Arc::new(AtomicUsize::new(0));
                let (count, clock) = (Arc::clone(&issued), script.clone());
                let credential = Credential::token(move || {
                    let (count, expiry) = (Arc::clone(&count), Transport::system_time(&clock));
                    async move {
                        Pending(2).await;
                        let number = count.fetch_add(1, Ordering::SeqCst);
                        let expiry = expiry + Duration::from_secs(3600);
                        Ok::<_, String>(AccessToken::new(format!("t{number}"), expiry))
                    }
                });
                let store = BlobCheckpointStore::builder(&format!("https://{HOST}"), "checkpoints")
                    .credential(credential)
                    .transport(Hesitant(script.clone()))
                    .build()
                    .unwrap();
                let ended = poll_and_drop(carry_out(&store, operation, &held), polls);
                let history = service.history();
                let writes = history.iter().filter(|write| write.request.is_some());
                // Of a batch, and one that settles a lost answer.
                let most = if operation == "first claims" { 6 } else { 2 };
                assert!(writes.count() <= most, "{operation} dropped after {polls} polls");
                service.clear_faults();
                check(&store, &service, operation);
                points += 1;
                if ended {
                    break;
                }
                polls += 1;
            }
            assert!(polls >= 5, "{operation} was only dropped at {polls} points");
        }
    }
    println!("dropped at {points} points");
    assert!(points > 150, "{points}");
}

#[tokio::test]
async fn the_pool_of_a_real_client_stays_usable() {
    let (service, held) = service();
    let loopback: Loopback = service.serve();
    let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
    let store = BlobCheckpointStore::new(&loopback.url(), "checkpoints", key).unwrap();
    for microseconds in (0..4000).step_by(100) {
        for operation in ["list ownership", "first claims", "checkpoint", "get checkpoint"] {
            let limit = Duration::from_micros(microseconds);
            let _ = tokio::time::timeout(limit, carry_out(&store, operation, &held)).await;
        }
    }
    let renewed = store.claim_ownership(&[held]).await;
    assert!(renewed.all_claimed(), "{renewed:?}");
    let listing = store.list_ownership(&group()).await.unwrap();
    assert!(listing.iter().all(|owned| owned.owner_id() == Some("a")));
    assert_eq!(loopback.protocol_errors(), [""; 0]);
    drop(store);
    assert_all_closed(&loopback).await;
}
