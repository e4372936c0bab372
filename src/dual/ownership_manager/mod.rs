//! Shares the partitions between consumers: lists, balances and claims.

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

/// The longest limit that can be added to an `Instant` without an overflow.
const LONGEST_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// The maximum number of lists with which a stop resolves unknown outcomes. A late request of ours may change a record
/// after it was listed.
const MAX_LOOKS: usize = 3;

/// Shares the partitions of an event hub with the other consumers of a group.
///
/// Each [`round`](Self::round) lists the ownerships, plans, and claims. It sends one list, one request per partition that
/// is renewed or claimed, and one list of checkpoints if a partition was won. Nothing happens between rounds: there is no
/// hidden thread or task. Call it again after [`Round::next_round_in`], from a thread, a task or your own loop.
///
/// Between rounds, call [`is_owned`](Self::is_owned) before each batch and each checkpoint: if renewals fail, a partition
/// ceases to be owned before another consumer may take it. A steal is different: the former owner learns of it in its next
/// round. The module [`balance`](mod@crate::ownership::balance) explains shares, and the choice of expirations in mixed
/// fleets.
///
/// Cloning is cheap. Clones are the same consumer.
///
/// # A consumer's loop
///
#[doc = example!("manager/ownership_manager")]
///
/// # Testing
///
/// The container in memory accepts a clock, so a test need not wait until a lease ends:
///
#[doc = example!("manager/test_leases")]
#[derive(Clone)]
pub struct OwnershipManager {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn CheckpointStore>,
    /// Held during a round, so that only one runs at a time.
    round: Lock<()>,
    /// Interrupts the current round.
    interrupt: Interrupt,
    /// Never held while waiting, so that `is_owned` returns at once.
    state: Mutex<RoundState>,
}

impl OwnershipManager {
    /// Returns a builder for a consumer that owns nothing yet.
    ///
    /// The owner id must be unique among the running consumers of the group. A consumer that keeps its id across a restart
    /// continues with its records without waiting for them to expire.
    ///
    #[cfg_attr(not(doctest), doc = example!("manager/builder"))]
    pub fn builder(
        store: impl CheckpointStore + 'static,
        group: &ConsumerGroup,
        owner_id: impl Into<String>,
    ) -> OwnershipManagerBuilder {
        OwnershipManagerBuilder::new(Arc::new(store), group.clone(), owner_id.into())
    }

    /// Returns the owner id of this consumer.
    pub fn owner_id(&self) -> String {
        self.state().owner_id().to_owned()
    }

    /// Returns whether this consumer owns a partition at this moment. Sends no request, and does not wait for a round.
    ///
    #[doc = example!("manager/is_owned")]
    pub fn is_owned(&self, partition_id: &str) -> bool {
        self.state().is_owned(partition_id, self.now())
    }

    /// Returns the partitions that this consumer owns at this moment, sorted.
    ///
    #[doc = example!("manager/owned")]
    pub fn owned(&self) -> Vec<String> {
        self.state().owned(self.now())
    }

    /// Returns the partitions that are no longer owned, and that neither a round nor this method has reported yet.
    ///
    /// A failed round reports none, so call this after one.
    ///
    #[doc = example!("manager/take_revoked")]
    #[must_use = "each revocation is reported only once"]
    pub fn take_revoked(&self) -> Vec<Revocation> {
        self.state().take_revoked(self.now())
    }

    /// Notes that another consumer has a partition. A reader learns this when the service closes its link in favor of
    /// another reader. The partition is no longer owned, and will be reported as revoked.
    ///
    /// The next round checks the record. If it is still this consumer's, because only an old link of its own was in the
    /// way, the partition is reported as won again.
    ///
    #[doc = example!("manager/note_taken")]
    pub fn note_taken(&self, partition_id: &str) {
        let now = self.now();
        self.state().note_taken(partition_id, now);
    }

    /// Returns the pause after a failed round: a third of the interval, counted from its start, so that a lease survives
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

    /// Returns the store with calls that end by a deadline, if it supports limits.
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

/// No round begins until this is dropped, even with a future that is not polled to its end.
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
    /// Runs one round: lists the ownerships, plans, claims, and reads the starting positions of won partitions.
    ///
    /// Pass all partitions of the event hub, as its client lists them. You may add a new partition in any round. A
    /// partition that you leave out is not renewed, and its lease runs out.
    ///
    /// A round ends in time for the next one to renew the leases. Concurrent calls, also on clones, take turns. If a
    /// secondary responded to the list, the round only renews, because the list may not show recent claims of other
    /// consumers.
    ///
    #[doc = example!("manager/round")]
    ///
    /// A claim that hangs does not delay the others: each has its own limit, partitions whose last claim failed go last,
    /// and each round reports what it won. An outcome takes effect as soon as it is known, even if the round is dropped
    /// afterwards. A store that cannot be [limited](CheckpointStore::with_time_limit) must end its calls itself.
    ///
    /// # Errors
    ///
    /// The ownerships, or the checkpoints of all won partitions, could not be read. Nothing is lost: leases continue until
    /// they end, and the next round that can read the checkpoints reports the won partitions. A failed claim is not an
    /// error of the round, but part of [`Round::failed`]; a partition whose checkpoint cannot be read is part of
    /// [`Round::unstarted`].
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if another process uses the owner id, and the manager
    /// is [configured](OwnershipManagerBuilder::fail_on_shared_owner_id) to fail then.
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the list of partitions is empty, or for a partition
    /// id that cannot be stored. [`ErrorKind::Other`](crate::ErrorKind::Other) if [`relinquish_all`](Self::relinquish_all)
    /// was called in the meantime; then nothing is won.
    pub async fn round<T: AsRef<str> + Sync>(&self, partition_ids: &[T]) -> Result<Round> {
        self.take_turn(partition_ids, false).await
    }

    /// Runs a round that only renews, for a consumer that finishes its work before it stops.
    ///
    /// Pass the partitions that are still being read. Nothing is claimed from other consumers, not even what they took from
    /// this one; those partitions are reported as revoked.
    ///
    #[doc = example!("manager/renew")]
    ///
    /// # Errors
    ///
    /// As [`round`](Self::round).
    pub async fn renew<T: AsRef<str> + Sync>(&self, partition_ids: &[T]) -> Result<Round> {
        self.take_turn(partition_ids, true).await
    }

    async fn take_turn<T: AsRef<str> + Sync>(
        &self,
        partition_ids: &[T],
        renews_only: bool,
    ) -> Result<Round> {
        let partition_ids: Vec<_> = partition_ids.iter().map(|id| id.as_ref().to_owned()).collect();
        if partition_ids.is_empty() {
            return Err(Error::invalid_input(
                "partition ids: the list is empty, but an event hub has at least one partition",
            ));
        }
        let token = self.state().begin_round(self.now())?;
        let _turn = self.inner.round.lock().await;
        let round = self.run_round(token, &partition_ids, renews_only);
        let round = self.inner.interrupt.run(round).await;
        round.unwrap_or_else(|| Err(stopped()))
    }

    /// Relinquishes some partitions, so that other consumers take them in their next round instead of after the expiration.
    /// From the start of this call on, they are not owned. For one expiration, this consumer leaves them to others.
    ///
    /// Stop reading them first. Partitions that are not owned are ignored. If the outcome of a renewal is unknown, the
    /// partition is not part of the result, and its ownership expires unless [`relinquish_all`](Self::relinquish_all)
    /// relinquishes it. Sends one request per partition, and nothing after the limit.
    ///
    #[doc = example!("manager/relinquish")]
    pub async fn relinquish<T: AsRef<str> + Sync>(
        &self,
        partition_ids: &[T],
        limit: Duration,
    ) -> Relinquished {
        let deadline = self.now() + limit.min(LONGEST_LIMIT);
        let partition_ids: Vec<_> = partition_ids.iter().map(|id| id.as_ref().to_owned()).collect();
        let records = self.state().give_up_some(&partition_ids, self.now());
        let outcomes = self.release(&records, deadline).await;
        self.state().relinquished(&records, outcomes)
    }

    /// Relinquishes all partitions, so that other consumers take them in their next round instead of after the expiration.
    /// From the start of this call on, nothing is owned.
    ///
    /// Stop reading first, and run no further rounds, because a later round joins the fleet again. A round in progress wins
    /// nothing more, and fails. On the blocking surface, its claims in flight are awaited, but for no more than half of the
    /// limit. On the async surface, it is interrupted wherever it waits, as if its future were dropped. Nothing is sent
    /// after the limit.
    ///
    /// Only versions of records that this consumer wrote are changed. You may retry failed releases, or let them expire.
    /// Sends one request per partition. Lists are added only if responses were lost or not awaited, to find out what is
    /// stored. A request that reaches the service after the last of these lists leaves an ownership that expires.
    ///
    #[doc = example!("manager/relinquish_all")]
    pub async fn relinquish_all(&self, limit: Duration) -> Relinquished {
        let deadline = self.now() + limit.min(LONGEST_LIMIT);
        let _stopping = Stopping::begin(self);
        let mut released = Released::default();
        let had_unknown_outcomes = self.state().has_unknown_outcomes();
        self.give_up(deadline, &mut released).await;
        if had_unknown_outcomes || self.state().has_unknown_outcomes() {
            // The remaining time is for unknown outcomes.
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
        let outcomes = self.release(&records, deadline).await;
        self.state().apply_released(&records, outcomes, released);
    }

    async fn release(&self, records: &[PartitionOwnership], deadline: Instant) -> Relinquished {
        match self.until(deadline) {
            Ok(_) if records.is_empty() => Relinquished::default(),
            Ok(store) => store.relinquish_ownership(records).await,
            Err(_) => Claims::new(records.iter().cloned().map(unsent).collect()).into(),
        }
    }

    /// Finds out which versions are stored. Returns `false` if nothing is unknown, or if it cannot be found out.
    async fn look(&self, deadline: Instant, released: &mut Released) -> bool {
        if !self.state().has_unknown_outcomes() {
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
