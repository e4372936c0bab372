//! A consumer's place in its fleet: who it is, and what it should own.

use std::time::{Duration, Instant, SystemTime};

use super::balance::{BalanceInput, Plan, balance};
use super::unclaimed::Unclaimed;
use super::{OwnershipOptions, StartingPositions};
use crate::error::Result;
use crate::model::{ConsumerGroup, PartitionOwnership};

#[derive(Debug)]
pub(super) struct Membership {
    pub(super) group: ConsumerGroup,
    pub(super) owner_id: String,
    pub(super) options: OwnershipOptions,
    pub(super) positions: StartingPositions,
    pub(super) fails_on_shared_owner_id: bool,
    unclaimed: Unclaimed,
    /// The start of the last round.
    last_round: Option<Instant>,
    seed: u64,
}

impl Membership {
    pub(super) fn new(
        group: ConsumerGroup,
        owner_id: String,
        options: OwnershipOptions,
        positions: StartingPositions,
        seed: u64,
    ) -> Result<Self> {
        // Refuse an owner id that cannot be stored now, not in the first round.
        PartitionOwnership::new(&group, "0", owner_id.as_str())?;
        Ok(Self {
            group,
            owner_id,
            options,
            positions,
            fails_on_shared_owner_id: false,
            unclaimed: Unclaimed::default(),
            last_round: None,
            seed,
        })
    }

    pub(super) fn begin_round(&mut self, now: Instant) {
        self.last_round = Some(now);
    }

    /// Returns the pause after a failed round, counted from the start of that round.
    pub(super) fn retry_in(&self, pause: Duration, now: Instant) -> Duration {
        let since = self.last_round.map(|started| now.saturating_duration_since(started));
        pause.saturating_sub(since.unwrap_or_default())
    }

    /// Plans the claims of a round from a listing.
    pub(super) fn plan(
        &mut self,
        partition_ids: &[String],
        listed: &[PartitionOwnership],
        server_time: SystemTime,
        now: Instant,
    ) -> Result<Plan> {
        let unclaimed_for = self.unclaimed.observe(partition_ids, listed, now);
        let mut input =
            BalanceInput::new(&self.group, &self.owner_id, partition_ids, listed, server_time);
        input.options = self.options;
        input.unclaimed_for = &unclaimed_for;
        input.seed = self.seed;
        self.seed = self.seed.wrapping_add(1);
        balance(&input)
    }
}
