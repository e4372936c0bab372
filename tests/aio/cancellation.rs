//! Operations that are dropped at every point where they can be.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use eventhub_checkpointstore::Clock;
use eventhub_checkpointstore::checkpointstoreblob_aio::{
    BlobCheckpointStore, Credential, FencedCheckpointStore, Transport, async_trait,
};
use eventhub_checkpointstore::{
    AccessToken, Checkpoint, ETag, PartitionOwnership, Partitions, RunMode, SendLimits,
    TransportError,
};

#[cfg(feature = "legacy")]
use crate::support::blob_service::ForeignBlob;
use crate::support::blob_service::{BlobService, Fault};
use crate::support::loopback::Loopback;
use crate::support::report;
use crate::surface::script::{HOST, Script};
use crate::surface::{assert_all_closed, checkpoint, group, ownership};

const TOKEN_LIFE: Duration = Duration::from_secs(3600);

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
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        Pending(2).await;
        let response = Transport::send(&self.0, request, options).await;
        Pending(2).await;
        response
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

    fn clock(&self) -> &dyn Clock {
        Transport::clock(&self.0)
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    ListOwnership,
    ListCheckpoints,
    GetCheckpoint,
    FirstClaims,
    Renewal,
    Takeover,
    Relinquish,
    Checkpoint,
    FencedCheckpoint,
    FencedGet,
    FencedList,
    Reset,
    ResetOfOwned,
    Delete,
    DeleteAll,
    DeleteAllOwned,
    CreateContainer,
    #[cfg(feature = "legacy")]
    ListLegacy,
    #[cfg(feature = "legacy")]
    MigrateLegacy,
}

use Operation::*;

const OPERATIONS: &[Operation] = &[
    ListOwnership,
    ListCheckpoints,
    GetCheckpoint,
    FirstClaims,
    Renewal,
    Takeover,
    Relinquish,
    Checkpoint,
    FencedCheckpoint,
    FencedGet,
    FencedList,
    Reset,
    ResetOfOwned,
    Delete,
    DeleteAll,
    DeleteAllOwned,
    CreateContainer,
    #[cfg(feature = "legacy")]
    ListLegacy,
    #[cfg(feature = "legacy")]
    MigrateLegacy,
];

impl Operation {
    /// The position of partition 0 afterwards, if it was 1.
    fn position_after(self) -> Option<i64> {
        match self {
            Checkpoint | FencedCheckpoint | Reset => Some(2),
            Delete | DeleteAll => None,
            _ => Some(1),
        }
    }

    fn owner_after(self) -> Option<&'static str> {
        match self {
            Takeover => Some("c"),
            Relinquish => None,
            _ => Some("a"),
        }
    }

    /// One for each blob, and one that settles or retries it if a response is lost.
    fn most_writes(self) -> usize {
        if self == FirstClaims { 6 } else { 2 }
    }
}

async fn carry_out(
    store: &BlobCheckpointStore,
    fenced: &FencedCheckpointStore,
    held: &PartitionOwnership,
    operation: Operation,
) {
    let held = std::slice::from_ref(held);
    // What comes of it does not matter: the next reads show it.
    match operation {
        ListOwnership => drop(store.list_ownership(&group()).await),
        ListCheckpoints => drop(store.list_checkpoints(&group()).await),
        GetCheckpoint => drop(store.get_checkpoint(&group(), "0").await),
        FirstClaims => {
            let claims: Vec<_> = (1..6).map(|id| ownership(&id.to_string(), "a")).collect();
            drop(store.claim_ownership(&claims).await);
        }
        Renewal => drop(store.claim_ownership(held).await),
        Takeover => drop(store.claim_ownership(&[held[0].claimed_by("c").unwrap()]).await),
        Relinquish => drop(store.relinquish_ownership(held).await),
        Checkpoint => drop(store.update_checkpoint(&checkpoint("0", "2", 2)).await),
        FencedCheckpoint => drop(fenced.update_checkpoint(&checkpoint("0", "2", 2)).await),
        FencedGet => drop(fenced.get_checkpoint(&group(), "0").await),
        FencedList => drop(fenced.list_checkpoints(&group()).await),
        Reset => {
            drop(store.reset_checkpoints(&[checkpoint("0", "2", 2)], RunMode::Force).await);
        }
        ResetOfOwned => {
            drop(store.reset_checkpoints(&[checkpoint("0", "2", 2)], RunMode::Apply).await);
        }
        Delete => drop(store.delete_checkpoint(&group(), "0").await),
        DeleteAll => {
            drop(store.delete_checkpoints(&group(), Partitions::All, RunMode::Force).await);
        }
        DeleteAllOwned => {
            drop(store.delete_checkpoints(&group(), Partitions::All, RunMode::Apply).await);
        }
        CreateContainer => drop(store.create_container_if_not_exists().await),
        #[cfg(feature = "legacy")]
        ListLegacy => drop(store.list_legacy_checkpoints(&group(), &layout()).await),
        #[cfg(feature = "legacy")]
        MigrateLegacy => {
            drop(store.migrate_legacy_checkpoints(&group(), &layout(), RunMode::Apply).await)
        }
    }
}

/// A service and a store for one point at which an operation is dropped.
struct Place {
    service: BlobService,
    script: Script,
    store: BlobCheckpointStore,
    fenced: FencedCheckpointStore,
    held: PartitionOwnership,
    tokens: Arc<AtomicUsize>,
}

const ROOT: &str = "ns.servicebus.windows.net/hub/$default";

fn service() -> (BlobService, PartitionOwnership) {
    let service = BlobService::new("checkpoints");
    let etag = service.put(&format!("{ROOT}/ownership/0"), &[("ownerid", "a")]);
    service.put(&format!("{ROOT}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")]);
    #[cfg(feature = "legacy")]
    service.put_with(ForeignBlob::new("NS.servicebus.windows.net/Hub/$Default/3").content(
        r#"{"PartitionId":"3","Owner":"","Token":"","Epoch":1,"Offset":"5","SequenceNumber":5}"#,
    ));
    let held = ownership("0", "a").with_etag(ETag::new(etag).unwrap());
    (service, held)
}

impl Place {
    fn new(operation: Operation) -> Self {
        let (mut service, held) = service();
        if operation == CreateContainer {
            service = BlobService::without_container("checkpoints");
        }
        let script = Script::over(&service);
        let tokens = Arc::new(AtomicUsize::new(0));
        let (count, clock) = (Arc::clone(&tokens), script.clone());
        let credential = Credential::token(move || {
            let (count, expiry) = (Arc::clone(&count), clock.system_time() + TOKEN_LIFE);
            async move {
                Pending(2).await;
                let number = count.fetch_add(1, Ordering::SeqCst);
                Ok::<_, String>(AccessToken::new(format!("t{number}"), expiry))
            }
        });
        let store = BlobCheckpointStore::builder(&format!("https://{HOST}"), "checkpoints")
            .credential(credential)
            .transport(Hesitant(script.clone()))
            .build()
            .unwrap();
        Self { fenced: store.fenced(), service, script, store, held, tokens }
    }

    async fn carry_out(&self, operation: Operation) {
        carry_out(&self.store, &self.fenced, &self.held, operation).await;
    }

    /// Whatever was dropped: reads work and show a whole record, and everything can be written.
    fn check(&self, operation: Operation, is_done: bool) {
        let Self { service, store, fenced, .. } = self;
        if operation == CreateContainer {
            run(store.create_container_if_not_exists()).unwrap();
        } else {
            self.check_records(operation, is_done);
        }
        let name = format!("{ROOT}/checkpoint/0");
        let stored = |service: &BlobService| service.blob(&name).unwrap().metadata[0].1.clone();
        let update = run(fenced.update_checkpoint(&checkpoint("0", "8", 8))).unwrap();
        assert!(update.is_written(), "{update:?}");
        assert_eq!(stored(service), "8", "{operation:?}");
        run(store.update_checkpoint(&checkpoint("0", "9", 9))).unwrap();
        assert_eq!(stored(service), "9", "{operation:?}");
    }

    fn check_records(&self, operation: Operation, is_done: bool) {
        let listing = run(self.store.list_ownership(&group())).unwrap();
        assert!(listing.skipped().is_empty());
        for owned in &listing {
            let owner = owned.owner_id();
            let may_be_untouched = !is_done && owner == Some("a");
            assert!(owner == operation.owner_after() || may_be_untouched, "{operation:?}");
            let taken = run(self.store.claim_ownership(&[owned.claimed_by("b").unwrap()]));
            assert!(taken.all_claimed(), "{operation:?}: {taken:?}");
        }
        let found = run(self.store.get_checkpoint(&group(), "0")).unwrap();
        let position = found.and_then(|found| found.sequence_number());
        let may_be_untouched = !is_done && position == Some(1);
        assert!(position == operation.position_after() || may_be_untouched, "{operation:?}");
    }

    fn assert_few_writes(&self, operation: Operation) {
        let history = self.service.history();
        let writes = history.iter().filter(|write| write.request.is_some());
        assert!(writes.count() <= operation.most_writes(), "{operation:?}");
    }
}

#[cfg(feature = "legacy")]
fn layout() -> eventhub_checkpointstore::LegacyLayout {
    eventhub_checkpointstore::LegacyLayout::event_processor_host(&group())
}

/// The request whose response is lost, if any.
const FAULTS: [Option<usize>; 4] = [None, Some(0), Some(1), Some(2)];

#[test]
fn dropped_at_every_poll() {
    let mut points = 0;
    for operation in OPERATIONS {
        for fault in FAULTS {
            let mut polls = 0;
            loop {
                let place = Place::new(*operation);
                if let Some(request) = fault {
                    let before = (0..request).map(|_| Fault::None);
                    place.service.queue_faults(before.chain([Fault::DropAfterProcessing]));
                }
                let ended = poll_and_drop(place.carry_out(*operation), polls);
                place.assert_few_writes(*operation);
                place.service.clear_faults();
                place.check(*operation, ended && fault.is_none());
                points += 1;
                if ended {
                    break;
                }
                polls += 1;
            }
            assert!(polls >= 5, "{operation:?} was only dropped at {polls} points");
        }
    }
    report::show(&format!("dropped at {points} points"));
    assert!(points > 600, "{points}");
}

/// Whoever is dropped while it renews a token early leaves the renewal to the next one.
#[test]
fn dropped_while_a_token_is_renewed_early() {
    let mut renewals = Vec::new();
    for polls in 0.. {
        let place = Place::new(ListOwnership);
        run(place.carry_out(ListOwnership));
        place.script.advance(TOKEN_LIFE - Duration::from_secs(60));
        let ended = poll_and_drop(place.carry_out(ListOwnership), polls);
        renewals.push(place.tokens.load(Ordering::SeqCst) - 1);
        place.check(ListOwnership, ended);
        assert_eq!(place.tokens.load(Ordering::SeqCst), 2, "dropped after {polls} polls");
        if ended {
            break;
        }
    }
    // It was dropped before, in and after the renewal.
    let before = renewals.iter().filter(|count| **count == 0).count();
    assert!(before >= 3 && renewals.len() > before + 3, "{renewals:?}");
}

/// The next update is not taken for another writer's, whatever part of the dropped one was applied.
#[test]
fn a_fenced_update_that_was_dropped_makes_nobody_stale() {
    let at = |offset: &str| {
        Checkpoint::with_position(&group(), "0", Some(offset.to_owned()), None).unwrap()
    };
    let mut polls = 0;
    loop {
        let service = BlobService::new("checkpoints");
        let store = Script::over(&service).builder().transport(Hesitant(Script::over(&service)));
        let fenced = store.build().unwrap().fenced();
        let first = run(fenced.update_checkpoint(&at("10"))).unwrap();
        let ended = poll_and_drop(fenced.update_checkpoint(&at("20")), polls);
        let next = run(fenced.update_checkpoint(&at("30"))).unwrap();
        assert!(first.is_written() && next.is_written(), "after {polls} polls");
        if ended {
            break;
        }
        polls += 1;
    }
    assert!(polls >= 5, "only dropped at {polls} points");
}

#[tokio::test]
async fn the_pool_of_a_real_client_stays_usable() {
    let (service, held) = service();
    let loopback: Loopback = service.serve();
    let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
    let store = BlobCheckpointStore::new(&loopback.url(), "checkpoints", key).unwrap();
    let fenced = store.fenced();
    for microseconds in (0..4000).step_by(100) {
        for operation in [ListOwnership, FirstClaims, Checkpoint, GetCheckpoint] {
            let limit = Duration::from_micros(microseconds);
            let operation = carry_out(&store, &fenced, &held, operation);
            let _ = tokio::time::timeout(limit, operation).await;
        }
    }
    let renewed = store.claim_ownership(&[held]).await;
    assert!(renewed.all_claimed(), "{renewed:?}");
    let listing = store.list_ownership(&group()).await.unwrap();
    assert!(listing.iter().all(|owned| owned.owner_id() == Some("a")));
    assert_eq!(loopback.protocol_errors(), [""; 0]);
    drop((store, fenced));
    assert_all_closed(&loopback).await;
}
