//! One consumer's part in sharing the partitions: list, balance, claim.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::runtime::Lock;
use super::{CheckpointStore, by_surface, maybe_async};
use crate::balance::{OwnershipOptions, PlannedClaim, Revocation};
use crate::error::Result;
use crate::model::{ClaimOutcome, Claims, ConsumerGroup, Listing, PartitionOwnership};
use crate::ownership::{Round, RoundState, StartingPositions, Tally, WonPartition, out_of_time};

/// What is added to a moment must not exceed what a moment can be.
const LONGEST_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Shares the partitions of an event hub with the other consumers of a group.
///
/// Each [`round`](Self::round) lists who owns what, decides, and claims: one list, one request per partition that is
/// renewed or claimed, and one list of checkpoints if something was won. Nothing happens between the rounds: there is
/// no hidden thread or task. Call it again after [`Round::next_round_in`], from a thread, a task or a loop of your own.
///
/// Between the rounds ask [`is_owned`](Self::is_owned) before each batch and each checkpoint: if renewals fail, a
/// partition ends to be owned before any other consumer may take it. A steal is different by protocol: the former owner
/// learns of it in its next round. See the [`balance`](mod@crate::balance) module for how shares and expirations are
/// chosen in mixed fleets.
///
/// Cheap to clone; clones are the same consumer.
///
/// # A consumer's loop
///
#[doc = by_surface!(
    blocking: r#"
```
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use eventhub_checkpointstore::checkpointstoreblob::OwnershipManager;

/// Runs on a thread of its own until it is told to stop.
fn consume(manager: &OwnershipManager, partitions: &[String], stop: &Receiver<()>) {
    let mut readers = BTreeMap::new();
    loop {
        let (revoked, won, pause) = match manager.round(partitions) {
            Ok(round) => (round.revoked, round.won, round.next_round_in),
            // The leases go on until they end; what has ended is to be left all the same.
            Err(error) => {
                eprintln!("{error}");
                (manager.take_revoked(), Vec::new(), manager.retry_in())
            }
        };
        for partition in revoked {
            readers.remove(&partition.partition_id); // ends its link
        }
        for partition in won {
            readers.insert(partition.partition_id, partition.start); // opens a link there
        }
        // Before each batch and each checkpoint a reader asks `manager.is_owned(partition_id)`.
        if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    drop(readers);
    let released = manager.relinquish_all(Duration::from_secs(5));
    println!("gave up {} partitions", released.claimed().count());
}
# use eventhub_checkpointstore::ConsumerGroup;
# use eventhub_checkpointstore::balance::OwnershipOptions;
# use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
# let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
# let store = BlobCheckpointStore::in_memory();
# let manager = OwnershipManager::new(store.clone(), &group, "consumer-a", OwnershipOptions::default())?;
# let (sender, stop) = std::sync::mpsc::channel();
# sender.send(())?;
# consume(&manager, &["0".to_owned()], &stop);
# assert!(store.list_ownership(&group)?.iter().all(|record| !record.is_owned()));
# Ok::<(), Box<dyn std::error::Error>>(())
```"#,
    aio: r#"
```
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;
use eventhub_checkpointstore::checkpointstoreblob_aio::OwnershipManager;

/// Runs in a task of its own until `stop` is ready.
async fn consume(manager: &OwnershipManager, partitions: &[String], stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut readers = BTreeMap::new();
    loop {
        // A round may be dropped anywhere: nothing is lost by it.
        let round = tokio::select! {
            round = manager.round(partitions) => round,
            () = &mut stop => break,
        };
        let (revoked, won, pause) = match round {
            Ok(round) => (round.revoked, round.won, round.next_round_in),
            // The leases go on until they end; what has ended is to be left all the same.
            Err(error) => {
                eprintln!("{error}");
                (manager.take_revoked(), Vec::new(), manager.retry_in())
            }
        };
        for partition in revoked {
            readers.remove(&partition.partition_id); // ends its link
        }
        for partition in won {
            readers.insert(partition.partition_id, partition.start); // opens a link there
        }
        // Before each batch and each checkpoint a reader asks `manager.is_owned(partition_id)`.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut stop => break,
        }
    }
    drop(readers);
    let released = manager.relinquish_all(Duration::from_secs(5)).await;
    println!("gave up {} partitions", released.claimed().count());
}
# use eventhub_checkpointstore::ConsumerGroup;
# use eventhub_checkpointstore::balance::OwnershipOptions;
# use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
# #[tokio::main(flavor = "current_thread")]
# async fn main() -> Result<(), eventhub_checkpointstore::Error> {
# let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
# let store = BlobCheckpointStore::in_memory();
# let manager = OwnershipManager::new(store.clone(), &group, "consumer-a", OwnershipOptions::default())?;
# consume(&manager, &["0".to_owned()], tokio::time::sleep(Duration::from_millis(20))).await;
# assert!(store.list_ownership(&group).await?.iter().all(|record| !record.is_owned()));
# Ok(())
# }
```"#
)]
#[derive(Clone)]
pub struct OwnershipManager {
    inner: Arc<Inner>,
}

struct Inner {
    store: Box<dyn CheckpointStore>,
    /// One round at a time; held while it waits.
    round: Lock<()>,
    /// Never held while something waits, so that `is_owned` answers at once.
    state: Mutex<RoundState>,
}

impl OwnershipManager {
    /// A consumer that owns nothing yet. Partitions without a checkpoint begin at the earliest event.
    ///
    /// The owner id must be unique among the running consumers of the group. A consumer that keeps it over a restart
    /// goes on with its records without waiting for them to expire.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the owner id cannot be stored, as in
    /// [`PartitionOwnership::new`].
    pub fn new(
        store: impl CheckpointStore + 'static,
        group: &ConsumerGroup,
        owner_id: impl Into<String>,
        options: OwnershipOptions,
    ) -> Result<Self> {
        Self::with_starting_positions(store, group, owner_id, options, StartingPositions::default())
    }

    /// The same, with the positions at which partitions without a checkpoint begin.
    ///
    /// A checkpoint that is stored without a readable position counts as none, as in `list_checkpoints`; with
    /// `strict` of the store's builder it fails the round instead.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_starting_positions(
        store: impl CheckpointStore + 'static,
        group: &ConsumerGroup,
        owner_id: impl Into<String>,
        options: OwnershipOptions,
        positions: StartingPositions,
    ) -> Result<Self> {
        let (group, owner_id) = (group.clone(), owner_id.into());
        let state = RoundState::new(group, owner_id, options, positions, fastrand::u64(..))?;
        let store = Box::new(store);
        let inner = Inner { store, round: Lock::default(), state: Mutex::new(state) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The id that this consumer claims with.
    pub fn owner_id(&self) -> String {
        self.state().owner_id().to_owned()
    }

    /// Whether a partition may be worked on at this moment. Takes no request and does not wait for a round.
    pub fn is_owned(&self, partition_id: &str) -> bool {
        self.state().is_owned(partition_id, self.now())
    }

    /// The partitions that may be worked on at this moment, sorted.
    pub fn owned(&self) -> Vec<String> {
        self.state().owned(self.now())
    }

    /// The partitions that may no longer be worked on and were not reported yet, by a round or by this.
    ///
    /// A failed round reports none, so look here after one.
    #[must_use = "each revocation is reported only once"]
    pub fn take_revoked(&self) -> Vec<Revocation> {
        self.state().take_revoked(self.now())
    }

    /// When to try again after a round that failed: a third of the interval, so that a lease outlives two failures.
    pub fn retry_in(&self) -> Duration {
        self.state().options().jittered_interval(fastrand::u64(..)) / 3
    }

    fn state(&self) -> MutexGuard<'_, RoundState> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        self.inner.store.now()
    }

    /// A store whose calls end by a moment, if it can be limited.
    fn until(&self, deadline: Instant) -> Result<Limited<'_>> {
        let left = deadline.saturating_duration_since(self.now());
        if left.is_zero() {
            return Err(out_of_time());
        }
        Ok(match self.inner.store.limited(left) {
            Some(store) => Limited::Own(store),
            None => Limited::Shared(&*self.inner.store),
        })
    }
}

/// A store for the rest of a round.
enum Limited<'a> {
    Own(Box<dyn CheckpointStore>),
    Shared(&'a dyn CheckpointStore),
}

impl Limited<'_> {
    fn store(&self) -> &dyn CheckpointStore {
        match self {
            Self::Own(store) => &**store,
            Self::Shared(store) => *store,
        }
    }
}

/// Until it is dropped, also with a future that is not polled to its end, rounds win nothing.
struct Stopping<'a>(&'a OwnershipManager);

impl<'a> Stopping<'a> {
    fn begin(manager: &'a OwnershipManager) -> Self {
        manager.state().begin_stop();
        Self(manager)
    }
}

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.state().end_stop();
    }
}

fn unsent(record: PartitionOwnership) -> ClaimOutcome {
    ClaimOutcome::Failed(record, out_of_time())
}

#[maybe_async]
impl OwnershipManager {
    /// One round: lists the ownerships, decides, claims, and reads where the won partitions begin.
    ///
    /// It ends in time for the next one to renew the leases. Clones that call it at once take turns.
    ///
    /// # Errors
    ///
    /// The list of ownerships or of checkpoints could not be read. Nothing is lost by that: leases go on until they
    /// end, and partitions that were won already are reported by the next round that succeeds. A claim that fails is
    /// no error but stands in [`Round::failed`]. [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a
    /// partition id that cannot be stored.
    pub async fn round(&self, partition_ids: &[String]) -> Result<Round> {
        let _turn = self.inner.round.lock().await;
        let started = self.now();
        let deadline = started + self.state().options().round_timeout();

        let listing = self.list(deadline).await?;
        let now = self.now();
        let plan = self.state().plan(partition_ids, listing, now)?;

        let mut tally = Tally::default();
        let (needed, mut spare) = (plan.needed, plan.spare.iter().cloned());
        let mut claims: Vec<PlannedClaim> = plan.claims().cloned().collect();
        while !claims.is_empty() && !self.state().is_stopping() {
            self.claim(claims, deadline, &mut tally).await;
            // Others were faster: what else would do is tried in their place.
            let missing = needed.saturating_sub(tally.won).min(tally.replaceable);
            tally.replaceable = 0;
            claims = spare.by_ref().take(missing).collect();
        }

        let won = self.start(deadline).await?;
        let now = self.now();
        let mut state = self.state();
        let pause = state.options().jittered_interval(fastrand::u64(..));
        Ok(Round {
            revoked: state.take_revoked(now),
            owned: state.owned(now),
            won,
            lost: tally.lost,
            failed: tally.failed,
            next_round_in: pause.saturating_sub(now.saturating_duration_since(started)),
            active_owners: plan.active_owners,
            share: plan.share,
        })
    }

    /// Gives up all partitions, so that others take them in their next round instead of after the expiration. From its
    /// beginning on nothing is owned.
    ///
    /// Stop reading first, and run no further rounds: a later one joins the fleet again. A round that is still running
    /// wins nothing any more and ends after the request at hand, which is waited for,
    #[doc = by_surface!(
        blocking: "but not beyond the limit.",
        aio: "so drop its future if it may take longer than the limit."
    )]
    /// Nothing is sent after the limit.
    ///
    /// Only versions of the records that this consumer wrote are touched; for those, claimed means relinquished, and
    /// lost that another consumer has the partition. What failed may be tried again, or expires.
    pub async fn relinquish_all(&self, limit: Duration) -> Claims {
        let deadline = self.now() + limit.min(LONGEST_LIMIT);
        let _stopping = Stopping::begin(self);
        let turn = self.inner.round.lock_within(limit).await;
        let records = self.state().records();
        let released = match (&turn, self.until(deadline)) {
            (Some(_), Ok(store)) => store.store().relinquish_ownership(&records).await,
            _ => Claims::new(records.into_iter().map(unsent).collect()),
        };
        self.state().settle_relinquished(&released);
        released
    }

    async fn list(&self, deadline: Instant) -> Result<Listing<PartitionOwnership>> {
        let group = self.state().group().clone();
        let store = self.until(deadline)?;
        store.store().list_ownership(&group).await
    }

    async fn claim(&self, claims: Vec<PlannedClaim>, deadline: Instant, tally: &mut Tally) {
        let ownerships: Vec<_> = claims.iter().map(|claim| claim.ownership.clone()).collect();
        let started = self.now();
        let outcomes = match self.until(deadline) {
            Ok(store) => store.store().claim_ownership(&ownerships).await,
            Err(_) => Claims::default(),
        };
        let now = self.now();
        self.state().settle(claims, outcomes, (started, now), tally);
    }

    /// Reads the checkpoints of what was won, all at once; a failed read is never "start at the default".
    async fn start(&self, deadline: Instant) -> Result<Vec<WonPartition>> {
        if !self.state().has_unstarted(self.now()) {
            return Ok(Vec::new());
        }
        let group = self.state().group().clone();
        let store = self.until(deadline)?;
        let checkpoints = store.store().list_checkpoints(&group).await?;
        Ok(self.state().start(checkpoints, self.now()))
    }
}

impl fmt::Debug for OwnershipManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnershipManager").field("state", &*self.state()).finish_non_exhaustive()
    }
}
