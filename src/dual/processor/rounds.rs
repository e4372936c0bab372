//! Runs the load balancing rounds, and reads the list of partitions, independently of all handlers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fleet::{Fleet, Start, is_permanent};
use super::{Job, LOG, OwnershipManager, Step, maybe_async, workers};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Checkpoint;
use crate::ownership::{
    Revocation, RevocationCause, StartingPosition, WonPartition, shared_owner_id,
};
use crate::processing::LeaveCause;

/// How often to look for new partitions, which are rarely added to an event hub.
const REFRESH: Duration = Duration::from_secs(300);

pub(super) struct Rounds {
    fleet: Arc<Fleet>,
    partitions: Arc<Mutex<Partitions>>,
}

/// The ids of the event hub's partitions. A separate job reads them again, so that it does not delay renewals.
#[derive(Default)]
struct Partitions {
    ids: Vec<String>,
    read_at: Option<Instant>,
    is_being_read: bool,
}

impl Rounds {
    pub(super) fn new(fleet: &Arc<Fleet>) -> Self {
        Self { fleet: Arc::clone(fleet), partitions: Arc::default() }
    }

    fn pause_after(&self, failures: u32) -> Duration {
        let pause = self.fleet.settings.retry.pause(failures, fastrand::u64(..));
        pause.max(Duration::from_millis(100))
    }

    /// Reads the ids again, concurrently with the rounds, when due.
    fn refresh(&self) {
        let now = self.fleet.clock.now();
        {
            let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due =
                partitions.read_at.is_none_or(|at| now.saturating_duration_since(at) >= REFRESH);
            if !is_due || partitions.is_being_read {
                return;
            }
            partitions.is_being_read = true;
        }
        let (fleet, partitions) = (Arc::clone(&self.fleet), Arc::clone(&self.partitions));
        if let Err(error) = self.fleet.tasks.start(Box::new(Refresh { fleet, partitions })) {
            self.fleet.report(None, &error);
            self.lock().is_being_read = false;
        }
    }

    /// Two processes with one owner id process everything twice, so the program can have that end the consumer.
    fn is_shared_owner_id(&self, error: &Error) -> bool {
        self.fleet.settings.fails_on_shared_owner_id && error.kind() == ErrorKind::Configuration
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Partitions> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[maybe_async]
impl Job for Rounds {
    async fn run(self: Box<Self>) {
        let (mut has_started, mut failures) = (false, 0);
        while !self.fleet.is_drained() {
            let pause = match workers::step(&*self).await {
                Ok(pause) => {
                    (has_started, failures) = (true, 0);
                    pause
                }
                Err(error) if self.fleet.is_drained() => {
                    log::debug!(target: LOG, "{error}");
                    return;
                }
                Err(error) if !has_started && is_permanent(&error) => {
                    return self.fleet.fail(error);
                }
                Err(error) if self.is_shared_owner_id(&error) => return self.fleet.fail(error),
                Err(error) => {
                    failures += 1;
                    self.fleet.report(None, &error);
                    let manager = self.fleet.manager.as_ref().filter(|_| has_started);
                    manager.map_or_else(|| self.pause_after(failures), OwnershipManager::retry_in)
                }
            };
            self.pause(pause).await;
        }
    }
}

/// Returns the one partition that is configured.
fn only(id: &str, all: &[String]) -> Result<Vec<String>> {
    if all.iter().any(|other| other == id) {
        return Ok(vec![id.to_owned()]);
    }
    let text = format!("partition_id {id:?}: the event hub has the partitions {all:?}");
    Err(Error::new(ErrorKind::Configuration, text))
}

#[maybe_async]
impl Step for Rounds {
    async fn step(&self) -> Result<Duration> {
        let mut ids = self.lock().ids.clone();
        if ids.is_empty() {
            ids = self.fleet.source.properties().await?.partition_ids;
            if let Some(id) = &self.fleet.settings.partition_id {
                ids = only(id, &ids)?;
            }
            let mut partitions = self.lock();
            partitions.ids.clone_from(&ids);
            partitions.read_at = Some(self.fleet.clock.now());
        } else if self.fleet.settings.partition_id.is_none() {
            self.refresh();
        }
        if self.fleet.is_stopping() {
            // Only what is still read is renewed, and nothing is claimed.
            let open = self.fleet.open();
            ids.retain(|id| open.contains(id));
            if ids.is_empty() {
                return Ok(self.fleet.settings.ownership.interval());
            }
        }
        match &self.fleet.manager {
            Some(manager) => self.balance(manager, &ids).await,
            None => self.open_all(ids).await,
        }
    }
}

#[maybe_async]
impl Rounds {
    /// Waits for the next round. A stop does not bring it forward.
    async fn pause(&self, pause: Duration) {
        let next = self.fleet.clock.now().checked_add(pause);
        loop {
            self.fleet.rounds.wait(next).await;
            let is_due = next.is_some_and(|next| next <= self.fleet.clock.now());
            if is_due || !self.fleet.is_stopping() || self.fleet.is_drained() {
                return;
            }
        }
    }

    async fn balance(&self, manager: &OwnershipManager, ids: &[String]) -> Result<Duration> {
        let began = self.fleet.clock.now();
        // Partitions that are left from here on were not known to this round.
        let left = self.fleet.left();
        let round = if self.fleet.is_stopping() {
            manager.renew(ids).await
        } else {
            manager.round(ids).await
        };
        let took = self.fleet.clock.now().saturating_duration_since(began);
        let owned = round.as_ref().map(|round| round.owned.len());
        self.fleet.observers.tell(LOG, |observer| observer.round(took, owned));
        let round = match round {
            Ok(round) => round,
            Err(error) => {
                self.lose(manager.take_revoked());
                return Err(error);
            }
        };
        self.lose(round.revoked);
        for failed in &round.failed {
            self.fleet.report(None, &failed.error);
        }
        if !round.same_owner_id.is_empty() {
            let error = shared_owner_id(&manager.owner_id(), &round.same_owner_id);
            self.fleet.report(None, &error);
        }
        for won in round.won {
            self.fleet.win(started_at(won));
        }
        for partition_id in left {
            if round.owned.contains(&partition_id) && !self.fleet.is_open(&partition_id) {
                self.resume(&partition_id).await;
            }
        }
        Ok(round.next_round_in)
    }

    /// If a partition is still owned although its reader was displaced, it is read again.
    async fn resume(&self, partition_id: &str) {
        match self.stored(partition_id).await {
            Ok(start) => self.fleet.win(start),
            Err(error) => self.fleet.report(None, &error),
        }
    }

    /// Without load balancing: starts each partition that has no reader, including new ones.
    async fn open_all(&self, ids: Vec<String>) -> Result<Duration> {
        let mut new = self.fleet.begin_all(ids).into_iter();
        while let Some(partition_id) = new.next() {
            match self.stored(&partition_id).await {
                Ok(start) => self.fleet.win(start),
                Err(error) => {
                    self.fleet.begin_again(&partition_id);
                    new.for_each(|partition_id| self.fleet.begin_again(&partition_id));
                    return Err(error);
                }
            }
        }
        Ok(self.fleet.settings.ownership.interval())
    }

    /// Returns the starting position from the checkpoint.
    async fn stored(&self, partition_id: &str) -> Result<Start> {
        let checkpoint = match &self.fleet.store {
            Some(store) => store.get_checkpoint(self.fleet.group(), partition_id).await?,
            None => None,
        };
        let default = self.fleet.settings.positions.for_partition(partition_id);
        Ok(start(partition_id.to_owned(), checkpoint.as_ref(), default))
    }
}

impl Rounds {
    fn lose(&self, revoked: Vec<Revocation>) {
        for revocation in revoked {
            let cause = match revocation.cause {
                RevocationCause::Lapsed => LeaveCause::Lapsed,
                _ => LeaveCause::Taken,
            };
            self.fleet.lose(&revocation.partition_id, cause);
        }
    }
}

fn started_at(won: WonPartition) -> Start {
    let sequence_number = won.checkpoint.as_ref().and_then(Checkpoint::sequence_number);
    Start { partition_id: won.partition_id, position: won.start, sequence_number }
}

/// After the checkpoint, never at it: `inclusive` only applies to configured positions.
fn start(
    partition_id: String,
    checkpoint: Option<&Checkpoint>,
    default: &StartingPosition,
) -> Start {
    let position = checkpoint.and_then(StartingPosition::after);
    let sequence_number = checkpoint.and_then(Checkpoint::sequence_number);
    Start { partition_id, position: position.unwrap_or_else(|| default.clone()), sequence_number }
}

struct Refresh {
    fleet: Arc<Fleet>,
    partitions: Arc<Mutex<Partitions>>,
}

/// Also runs if the source panics.
impl Drop for Refresh {
    fn drop(&mut self) {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.is_being_read = false;
    }
}

#[maybe_async]
impl Job for Refresh {
    async fn run(self: Box<Self>) {
        let read = self.fleet.source.properties().await;
        let read_at = self.fleet.clock.now();
        {
            let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            partitions.read_at = Some(read_at);
            if let Ok(properties) = &read {
                partitions.ids.clone_from(&properties.partition_ids);
            }
        }
        if let Err(error) = read {
            self.fleet.report(None, &error);
        }
    }
}
