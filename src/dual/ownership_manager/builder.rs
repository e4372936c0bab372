//! The options of an ownership manager.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::super::CheckpointStore;
use super::super::runtime::{Interrupt, Lock};
use super::{Inner, OwnershipManager};
use crate::error::Result;
use crate::model::ConsumerGroup;
use crate::ownership::{OwnershipOptions, RoundState, StartingPositions};

/// Sets the options of an [`OwnershipManager`]; made by [`OwnershipManager::builder`].
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

    /// Strategy, interval and expirations. By default those that fit beside every other SDK's defaults.
    ///
    #[doc = example!("manager_builder/options")]
    pub fn options(mut self, options: OwnershipOptions) -> Self {
        self.options = options;
        self
    }

    /// Where partitions without a checkpoint begin. By default at the earliest event.
    ///
    /// A checkpoint that is stored without a readable position counts as none, as in `list_checkpoints`. A store that was
    /// told to be strict refuses it instead: the partition is not started then, and stands in
    /// [`Round::unstarted`](crate::ownership::Round::unstarted).
    ///
    #[doc = example!("manager_builder/starting_positions")]
    pub fn starting_positions(mut self, positions: StartingPositions) -> Self {
        self.positions = positions;
        self
    }

    /// Fails the round that finds out that another process runs with the same owner id. By default the round goes on,
    /// logs a warning, and names the partitions in
    /// [`Round::same_owner_id`](crate::ownership::Round::same_owner_id).
    ///
    /// Two consumers of one id renew each other's records, so both process every event of the partitions that they
    /// share. A failed round renews nothing, and so the consumer that was there first gives way to the other one.
    ///
    #[doc = example!("manager_builder/fail_on_shared_owner_id")]
    pub fn fail_on_shared_owner_id(mut self, fail: bool) -> Self {
        self.fail_on_shared_owner_id = fail;
        self
    }

    /// Builds the consumer. Nothing is sent.
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
