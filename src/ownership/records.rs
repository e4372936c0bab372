//! The versions of the stored records that this consumer wrote.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Applied, Error, ErrorKind, Result};
use crate::model::{ClaimOutcome, ETag, Listing, PartitionOwnership};

/// A response can be lost, or nobody may be waiting for it any longer. Until the next list, the stored version is then
/// unknown: a write with the last known version would be refused, and the record would stay locked until it expires.
///
/// The request itself may arrive later than that list. It names the version that it replaces, so it can be applied only
/// while that version is stored. Nothing else limits how late it may arrive.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The newest known versions, even if their leases are over.
    pub(super) known: BTreeMap<String, PartitionOwnership>,
    /// The requests of unknown outcome, and those that wait for their responses.
    pub(super) unknown_outcomes: BTreeMap<String, PartitionOwnership>,
    /// The version that a request in flight replaces; `None` if the request creates the record.
    late: BTreeMap<String, Option<ETag>>,
    /// The versions that this consumer wrote last. They are kept after a lost renewal, because then it matters who wrote
    /// the next version.
    written: BTreeMap<String, ETag>,
}

/// A list, corrected by what this consumer knows.
pub(super) struct Listed {
    pub(super) records: Vec<PartitionOwnership>,
    /// The partitions whose records name this consumer although it did not write that version, sorted.
    pub(super) same_owner_id: Vec<String>,
}

impl Records {
    /// Applies a listing that was requested after the last response. A secondary may not show the latest writes of this
    /// consumer yet.
    pub(super) fn observe(
        &mut self,
        owner_id: &str,
        listing: Listing<PartitionOwnership>,
    ) -> Listed {
        let lags = listing.is_from_secondary();
        let mut records = listing.into_items();
        let mut same_owner_id = Vec::new();
        if lags {
            self.catch_up(&mut records);
        } else {
            same_owner_id = self.take_foreign_writes(owner_id, &records);
            self.resolve_unknown_outcomes(&records);
        }
        let mine = records.iter().filter(|record| record.owner_id() == Some(owner_id));
        self.known =
            mine.map(|record| (record.partition_id().to_owned(), record.clone())).collect();
        Listed { records, same_owner_id }
    }

    fn catch_up(&self, listed: &mut Vec<PartitionOwnership>) {
        let mut missing = self.known.clone();
        for record in &mut *listed {
            if let Some(known) = missing.remove(record.partition_id())
                && known.last_modified() >= record.last_modified()
            {
                *record = known;
            }
        }
        listed.extend(missing.into_values());
    }

    /// Such a version was written either by another process with the same owner id, or by a late request of this consumer.
    fn take_foreign_writes(
        &mut self,
        owner_id: &str,
        listed: &[PartitionOwnership],
    ) -> Vec<String> {
        let mut foreign = Vec::new();
        for record in listed {
            let partition_id = record.partition_id();
            let Some(written) = self.written.get(partition_id) else { continue };
            if record.owner_id() == Some(owner_id) && record.etag() == Some(written) {
                continue;
            }
            let explained =
                self.is_outcome_unknown(partition_id) || self.late.contains_key(partition_id);
            if record.owner_id() == Some(owner_id) && !explained {
                foreign.push(partition_id.to_owned());
            }
            self.written.remove(partition_id);
        }
        foreign.sort();
        foreign
    }

    /// If the version that a request of unknown outcome would replace is still stored, the request may still be applied;
    /// otherwise it can never be.
    fn resolve_unknown_outcomes(&mut self, listed: &[PartitionOwnership]) {
        let stored: HashMap<_, _> =
            listed.iter().map(|record| (record.partition_id(), record.etag())).collect();
        for (partition_id, sent) in std::mem::take(&mut self.unknown_outcomes) {
            self.late.insert(partition_id, sent.etag().cloned());
        }
        self.late.retain(|partition_id, replaced| {
            stored.get(partition_id.as_str()).copied().flatten() == replaced.as_ref()
        });
    }

    /// Returns whether the stored version of a record may differ from the known one.
    pub(super) fn is_outcome_unknown(&self, partition_id: &str) -> bool {
        self.unknown_outcomes.contains_key(partition_id)
    }

    pub(super) fn has_unknown_outcomes(&self) -> bool {
        !self.unknown_outcomes.is_empty()
    }

    /// Call this before sending the requests, so that they are recorded even if nobody waits for their responses.
    pub(super) fn sent(&mut self, records: &[PartitionOwnership]) {
        let sent = records.iter().map(|record| (record.partition_id().to_owned(), record.clone()));
        self.unknown_outcomes.extend(sent);
    }

    /// Applies the outcome of a claim, and returns the corrected outcome. A claim that lost to a late request of the same
    /// consumer is not lost; the next list tells whose version is stored.
    pub(super) fn claimed(
        &mut self,
        sent: &PartitionOwnership,
        outcome: ClaimOutcome,
    ) -> ClaimOutcome {
        let outcome = match outcome {
            ClaimOutcome::Lost(record, _) if self.may_be_late(sent) => {
                ClaimOutcome::Failed(record, changed_again())
            }
            outcome => outcome,
        };
        self.note_outcome(sent, &outcome);
        outcome
    }

    /// Returns whether an earlier request that replaces the same version may have been applied before this one.
    pub(super) fn may_be_late(&self, sent: &PartitionOwnership) -> bool {
        self.late.get(sent.partition_id()).is_some_and(|replaced| replaced.as_ref() == sent.etag())
    }

    pub(super) fn note_outcome(&mut self, sent: &PartitionOwnership, outcome: &ClaimOutcome) {
        let partition_id = sent.partition_id();
        let is_unknown =
            matches!(outcome, ClaimOutcome::Failed(_, error) if error.is_outcome_unknown());
        // A list arrived before a late response, and a stop may have sent another request since then.
        if self.unknown_outcomes.get(partition_id) != Some(sent) {
            self.written.remove(partition_id);
            return;
        }
        if is_unknown {
            return;
        }
        self.unknown_outcomes.remove(partition_id);
        match outcome {
            ClaimOutcome::Failed(..) => {}
            ClaimOutcome::Claimed(record) if record.is_owned() => {
                self.late.remove(partition_id);
                self.known.insert(partition_id.to_owned(), record.clone());
                if let Some(etag) = record.etag() {
                    self.written.insert(partition_id.to_owned(), etag.clone());
                }
            }
            ClaimOutcome::Claimed(_) => {
                self.forget(partition_id);
                self.written.remove(partition_id);
            }
            ClaimOutcome::Lost(..) => self.forget(partition_id),
        }
    }

    /// Returns the requests of unknown outcome. A list is not evidence about their records.
    pub(super) fn take_unknown_outcomes(&mut self) -> BTreeMap<String, PartitionOwnership> {
        let unknown = std::mem::take(&mut self.unknown_outcomes);
        for partition_id in unknown.keys() {
            self.known.remove(partition_id);
            self.written.remove(partition_id);
        }
        unknown
    }

    /// Notes that the record belongs to another consumer.
    pub(super) fn forget(&mut self, partition_id: &str) {
        self.known.remove(partition_id);
    }

    /// Returns the records whose stored version is known.
    pub(super) fn certain(&self) -> impl Iterator<Item = &PartitionOwnership> {
        self.known.values().filter(|record| !self.is_outcome_unknown(record.partition_id()))
    }

    /// Returns the record of a partition, if its stored version is known.
    pub(super) fn certain_one(&self, partition_id: &str) -> Option<&PartitionOwnership> {
        self.known.get(partition_id).filter(|_| !self.is_outcome_unknown(partition_id))
    }
}

pub(super) fn changed_again() -> Error {
    let text = "the record changed after it was listed, perhaps by a late request of this consumer";
    Error::new(ErrorKind::ConditionNotMet, text).with_applied(Applied::Unknown)
}

/// A secondary may lag behind, so its list does not resolve an unknown outcome.
pub(super) fn conclusive(
    listing: Result<Listing<PartitionOwnership>>,
) -> Result<Listing<PartitionOwnership>> {
    let listing = listing?;
    if listing.is_from_secondary() {
        return Err(Error::new(ErrorKind::Service, "only the secondary responded"));
    }
    Ok(listing)
}
