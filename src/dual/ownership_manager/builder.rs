//! The options of an ownership manager.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::super::CheckpointStore;
use super::super::runtime::{Interrupt, Lock};
use super::{Inner, OwnershipManager};
use crate::error::Result;
use crate::model::ConsumerGroup;
use crate::ownership::{OwnershipOptions, RoundState, StartingPositions};

/// A builder for an [`OwnershipManager`], created with [`OwnershipManager::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct OwnershipManagerBuilder {
    store: Arc<dyn CheckpointStore>,
    group: ConsumerGroup,
    owner_id: String,
    options: OwnershipOptions,
    positions: StartingPositions,
    fail_on_shared_owner_id: bool,
}

impl OwnershipManagerBuilder {
    pub(super) fn new(
        store: Arc<dyn CheckpointStore>,
        group: ConsumerGroup,
        owner_id: String,
    ) -> Self {
        Self {
            store,
            group,
            owner_id,
            options: OwnershipOptions::default(),
            positions: StartingPositions::default(),
            fail_on_shared_owner_id: false,
        }
    }

    /// Sets the strategy, the interval and the expirations. The defaults are compatible with the defaults of all other
    /// SDKs.
    ///
    #[doc = example!("manager_builder/options")]
    pub fn options(mut self, options: OwnershipOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets where partitions without a checkpoint begin. Default: at the earliest event.
    ///
    /// A stored checkpoint without a readable position counts as no checkpoint, as in `list_checkpoints`. With a store that
    /// fails on unreadable blobs, the partition is not started, and
    /// [`Round::unstarted`](crate::ownership::Round::unstarted) contains it.
    ///
    #[doc = example!("manager_builder/starting_positions")]
    pub fn starting_positions(mut self, positions: StartingPositions) -> Self {
        self.positions = positions;
        self
    }

    /// Sets whether a round fails if it finds another process with the same owner id. By default, the round continues, logs
    /// a warning, and names the partitions in [`Round::same_owner_id`](crate::ownership::Round::same_owner_id).
    ///
    /// Two consumers with the same id renew each other's records, so both process every event of these partitions. A failed
    /// round renews nothing, so the consumer that started first gives way to the other one.
    ///
    #[doc = example!("manager_builder/fail_on_shared_owner_id")]
    pub fn fail_on_shared_owner_id(mut self, fail: bool) -> Self {
        self.fail_on_shared_owner_id = fail;
        self
    }

    /// Creates the manager. Nothing is sent.
    ///
    #[doc = example!("manager/builder")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the owner id cannot be stored, as in
    /// [`PartitionOwnership::new`](crate::PartitionOwnership::new).
    pub fn build(self) -> Result<OwnershipManager> {
        let Self { store, group, owner_id, options, positions, fail_on_shared_owner_id } = self;
        let mut state = RoundState::new(group, owner_id, options, positions, fastrand::u64(..))?;
        state.set_fail_on_shared_owner_id(fail_on_shared_owner_id);
        let (round, interrupt) = (Lock::default(), Interrupt::default());
        let inner = Inner { store, round, interrupt, state: Mutex::new(state) };
        Ok(OwnershipManager { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for OwnershipManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnershipManagerBuilder")
            .field("group", &self.group)
            .field("owner_id", &self.owner_id)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
