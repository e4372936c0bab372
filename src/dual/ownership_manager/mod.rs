//! One consumer's part in sharing the partitions: list, balance, claim.

mod builder;
mod round;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::runtime::{Interrupt, Lock};
use super::{CheckpointStore, maybe_async};
use crate::error::{Error, Result};
use crate::model::{Claims, ConsumerGroup, Listing, PartitionOwnership, Relinquished};
use crate::ownership::{Released, Revocation, Round, RoundState, out_of_time, stopped, unsent};

pub use builder::OwnershipManagerBuilder;

/// What is added to a moment must not exceed what a moment can be.
const LONGEST_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a stop looks for its records whose version is in doubt: a request of ours that is late may change one
/// after it was listed.
const MAX_LOOKS: usize = 3;

/// Shares the partitions of an event hub with the other consumers of a group.
///
/// Each [`round`](Self::round) lists who owns what, decides, and claims: one list, one request per partition that is
/// renewed or claimed, and one list of checkpoints if something was won. Nothing happens between the rounds: there is
/// no hidden thread or task. Call it again after [`Round::next_round_in`], from a thread, a task or a loop of your own.
///
/// Between the rounds ask [`is_owned`](Self::is_owned) before each batch and each checkpoint: if renewals fail, a
/// partition ceases to be owned before another consumer may take it. A steal is different by protocol: the former owner
/// learns of it in its next round. See the [`balance`](mod@crate::ownership::balance) module for how shares and expirations are
/// chosen in mixed fleets.
///
/// Cheap to clone; clones are the same consumer.
///
/// # A consumer's loop
///
#[doc = example!("manager/ownership_manager")]
///
/// # Testing
///
/// The container in memory takes a clock, so a test need not wait for a lease to end:
///
#[doc = example!("manager/test_leases")]
#[derive(Clone)]
pub struct OwnershipManager {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn CheckpointStore>,
    /// One round at a time; held while it waits.
    round: Lock<()>,
    /// For the round that has its turn.
    interrupt: Interrupt,
    /// Never held while something waits, so that `is_owned` answers at once.
    state: Mutex<RoundState>,
}

impl OwnershipManager {
    /// A consumer that owns nothing yet, with options to be set.
    ///
    /// The owner id must be unique among the running consumers of the group. A consumer that keeps it over a restart
    /// goes on with its records without waiting for them to expire.
    ///
    #[cfg_attr(not(doctest), doc = example!("manager/builder"))]
    pub fn builder(
        store: impl CheckpointStore + 'static,
        group: &ConsumerGroup,
        owner_id: impl Into<String>,
    ) -> OwnershipManagerBuilder {
        OwnershipManagerBuilder::new(Arc::new(store), group.clone(), owner_id.into())
    }

    /// The id that this consumer claims with.
    pub fn owner_id(&self) -> String {
        self.state().owner_id().to_owned()
    }

    /// Whether a partition may be worked on at this moment. Takes no request and does not wait for a round.
    ///
    #[doc = example!("manager/is_owned")]
    pub fn is_owned(&self, partition_id: &str) -> bool {
        self.state().is_owned(partition_id, self.now())
    }

    /// The partitions that may be worked on at this moment, sorted.
    ///
    #[doc = example!("manager/owned")]
    pub fn owned(&self) -> Vec<String> {
        self.state().owned(self.now())
    }

    /// The partitions that may no longer be worked on and were not reported yet, by a round or by this.
    ///
    /// A failed round reports none, so look here after one.
    ///
    #[doc = example!("manager/take_revoked")]
    #[must_use = "each revocation is reported only once"]
    pub fn take_revoked(&self) -> Vec<Revocation> {
        self.state().take_revoked(self.now())
    }

    /// Notes that another consumer has a partition, as a reader learns when the service closes its link in favor of another
    /// one: it is not owned any more, and reported as revoked.
    ///
    /// The next round tells who has it. If the record is still this consumer's, because only an old link of its own was in
    /// the way, the partition is reported as won again.
    ///
    #[doc = example!("manager/note_taken")]
    pub fn note_taken(&self, partition_id: &str) {
        let now = self.now();
        self.state().note_taken(partition_id, now);
    }

    /// When to try again after a round that failed: a third of the interval after its start, so that a lease outlives
    /// two failures. Zero if the round took longer than that.
    ///
    #[doc = example!("manager/retry_in")]
    pub fn retry_in(&self) -> Duration {
        let state = self.state();
        let pause = state.options().jittered_interval(fastrand::u64(..)) / 3;
        state.retry_in(pause, self.now())
    }

    fn state(&self) -> MutexGuard<'_, RoundState> {
        lock(&self.inner.state)
    }

    fn now(&self) -> Instant {
        self.inner.store.clock().now()
    }

    /// A store whose calls end by a moment, if it can be limited.
    fn until(&self, deadline: Instant) -> Result<Box<dyn CheckpointStore>> {
        let left = deadline.saturating_duration_since(self.now());
        if left.is_zero() { Err(out_of_time()) } else { Ok(self.with_time_limit(left)) }
    }

    fn with_time_limit(&self, limit: Duration) -> Box<dyn CheckpointStore> {
        let store = &self.inner.store;
        store.with_time_limit(limit).unwrap_or_else(|| Box::new(Arc::clone(store)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until it is dropped, also with a future that is not polled to its end, no round begins.
struct Stopping<'a>(&'a OwnershipManager);

impl<'a> Stopping<'a> {
    fn begin(manager: &'a OwnershipManager) -> Self {
        manager.state().begin_stop();
        manager.inner.interrupt.interrupt();
        Self(manager)
    }
}

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.state().end_stop();
    }
}

#[maybe_async]
impl OwnershipManager {
    /// One round: lists the ownerships, decides, claims, and reads where the won partitions begin.
    ///
    /// The partitions are all those of the event hub, as its own client lists them. One that is new there may be named
    /// from any round on; one that is not named any more is not renewed, so its lease ends.
    ///
    /// It ends in time for the next one to renew the leases. Clones that call it at once take turns. A list that a
    /// secondary answered is only good for renewals: it may not show yet what others have claimed.
    ///
    #[doc = example!("manager/round")]
    ///
    /// A claim that hangs holds up nothing else: each has a limit of its own, partitions whose last claim failed go
    /// last, and what was won is reported by the round that won it. Each outcome counts as soon as it is known, also
    /// if the round goes no further. A store that cannot be [limited](CheckpointStore::with_time_limit) must end its calls itself.
    ///
    /// # Errors
    ///
    /// The list of ownerships could not be read, or no checkpoint of the partitions that were won could. Nothing is lost
    /// by that: leases go on until they end, and partitions that were won already are reported by the next round that can
    /// read where they begin. A claim that fails is not an error but stands in [`Round::failed`], and a partition whose
    /// own checkpoint cannot be read in [`Round::unstarted`].
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if the manager was
    /// [told](OwnershipManagerBuilder::fail_on_shared_owner_id) to fail where its owner id is shared.
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if there is no partition, or for a partition id that
    /// cannot be stored. [`ErrorKind::Other`](crate::ErrorKind::Other) if [`relinquish_all`](Self::relinquish_all) was
    /// called meanwhile: then nothing is won.
    pub async fn round<T: AsRef<str> + Sync>(&self, partition_ids: &[T]) -> Result<Round> {
        let partition_ids: Vec<_> = partition_ids.iter().map(|id| id.as_ref().to_owned()).collect();
        if partition_ids.is_empty() {
            return Err(Error::invalid_input("partition ids: an event hub has at least one"));
        }
        let token = self.state().begin_round(self.now())?;
        let _turn = self.inner.round.lock().await;
        let round = self.inner.interrupt.run(self.run_round(token, &partition_ids)).await;
        round.unwrap_or_else(|| Err(stopped()))
    }

    /// Gives up all partitions, so that others take them in their next round instead of after the expiration. From its
    /// beginning on nothing is owned.
    ///
    /// Stop reading first, and run no further rounds: a later one joins the fleet again. A round that is still running
    /// wins nothing any more and fails.
    /// On the blocking surface, claims in flight are awaited, but for no more than half of the limit. On the async one the
    /// round is interrupted wherever it waits, as if its future were dropped.
    /// Nothing is sent after the limit.
    ///
    /// Only versions of the records that this consumer wrote are touched. What failed may be tried again, or expires. One
    /// request per partition; lists come on top only if answers were lost, or not waited for, so that it must be found out what
    /// is stored. What reaches the service later than the last of them expires.
    ///
    #[doc = example!("manager/relinquish_all")]
    pub async fn relinquish_all(&self, limit: Duration) -> Relinquished {
        let deadline = self.now() + limit.min(LONGEST_LIMIT);
        let _stopping = Stopping::begin(self);
        let mut released = Released::default();
        let was_in_doubt = self.state().has_doubts();
        self.give_up(deadline, &mut released).await;
        if was_in_doubt || self.state().has_doubts() {
            // The rest is for finding out what nobody learned.
            let patience = deadline.saturating_duration_since(self.now()) / 2;
            let _turn = self.inner.round.lock_after_interrupt(patience).await;
            self.give_up(deadline, &mut released).await;
            let mut looks = 0;
            while looks < MAX_LOOKS && self.look(deadline, &mut released).await {
                self.give_up(deadline, &mut released).await;
                looks += 1;
            }
        }
        released.into_relinquished()
    }

    async fn give_up(&self, deadline: Instant, released: &mut Released) {
        let records = self.state().give_up(released);
        if records.is_empty() {
            return;
        }
        let outcomes = match self.until(deadline) {
            Ok(store) => store.relinquish_ownership(&records).await,
            Err(_) => Claims::new(records.iter().cloned().map(unsent).collect()).into(),
        };
        self.state().settle_released(&records, outcomes, released);
    }

    /// Finds out which versions are stored; `false` if there is nothing to find out, or no way.
    async fn look(&self, deadline: Instant, released: &mut Released) -> bool {
        if !self.state().has_doubts() {
            return false;
        }
        let listing = self.list(deadline).await;
        self.state().resolve(listing, released)
    }

    async fn list(&self, deadline: Instant) -> Result<Listing<PartitionOwnership>> {
        let group = self.state().group().clone();
        let store = self.until(deadline)?;
        store.list_ownership(&group).await
    }
}

impl fmt::Debug for OwnershipManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnershipManager").field("state", &*self.state()).finish_non_exhaustive()
    }
}
