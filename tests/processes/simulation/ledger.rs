//! The consumers that believe they own a partition, as seen from outside, and for how long none or two do.

use std::time::Duration;

#[derive(Default)]
pub(crate) struct Ledger {
    partitions: Vec<Belief>,
    /// The longest time without an owner that ended since the last reset.
    pub(crate) longest_unowned: Duration,
    /// The longest time with two owners after a steal.
    pub(crate) longest_overlap: Duration,
    /// Two owners that were not the thief and the robbed one. There must be none.
    pub(crate) doubles_after_expiry: usize,
}

#[derive(Default, Clone)]
struct Belief {
    holders: Vec<Holder>,
    /// `None` while it is owned, and before it was owned at all.
    unowned_since: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Holder {
    consumer: usize,
    /// Its record was stolen, which it learns in its next round.
    is_robbed: bool,
    /// Since when somebody else believes to own it too.
    contested_since: Option<Duration>,
}

impl Ledger {
    pub(crate) fn new(partitions: usize) -> Self {
        Self { partitions: vec![Belief::default(); partitions], ..Self::default() }
    }

    pub(crate) fn holders(&self, partition: usize) -> Vec<usize> {
        self.partitions[partition].holders.iter().map(|holder| holder.consumer).collect()
    }

    /// Since when nobody has had it.
    pub(crate) fn unowned_since(&self, partition: usize) -> Option<Duration> {
        self.partitions[partition].unowned_since
    }

    /// The record was stolen from whoever believes to own the partition.
    pub(crate) fn rob(&mut self, partition: usize) {
        for holder in &mut self.partitions[partition].holders {
            holder.is_robbed = true;
        }
    }

    /// Returns since when nobody had it.
    pub(crate) fn win(
        &mut self,
        partition: usize,
        consumer: usize,
        now: Duration,
    ) -> Option<Duration> {
        let belief = &mut self.partitions[partition];
        for former in &mut belief.holders {
            former.contested_since.get_or_insert(now);
            self.doubles_after_expiry += usize::from(!former.is_robbed);
        }
        belief.holders.push(Holder { consumer, is_robbed: false, contested_since: None });
        let since = belief.unowned_since.take();
        let unowned = since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        self.longest_unowned = self.longest_unowned.max(unowned);
        since
    }

    /// Returns for how long two believed to own it, if two did.
    pub(crate) fn end(
        &mut self,
        partition: usize,
        consumer: usize,
        now: Duration,
    ) -> Option<Duration> {
        let belief = &mut self.partitions[partition];
        let position = belief.holders.iter().position(|holder| holder.consumer == consumer)?;
        let ended = belief.holders.swap_remove(position);
        if belief.holders.is_empty() {
            belief.unowned_since = Some(now);
        }
        let overlap = now.saturating_sub(ended.contested_since?);
        self.longest_overlap = self.longest_overlap.max(overlap);
        Some(overlap)
    }
}
