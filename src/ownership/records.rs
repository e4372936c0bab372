//! Which versions of the stored records are this consumer's.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Applied, Error, ErrorKind, Result};
use crate::model::{ClaimOutcome, ETag, Listing, PartitionOwnership};

/// A response can be lost, or be awaited by nobody any more. From then until the next list the stored version is in
/// doubt: the known one would be refused, and the record would stay locked until it expires.
///
/// The request itself may arrive later than that list. It names the version that it replaces, so it can still be applied
/// while that one is stored, and never after that: there is no other limit to how late it may be.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The newest known versions, whether their leases are over or not.
    pub(super) known: BTreeMap<String, PartitionOwnership>,
    /// What was sent, until it is known what came of it.
    pub(super) doubtful: BTreeMap<String, PartitionOwnership>,
    /// The version that a request replaces which may still arrive; `None` if it creates the record.
    late: BTreeMap<String, Option<ETag>>,
    /// The versions that this consumer wrote last. Kept when a renewal is lost, because then it matters by whom the next
    /// version was written.
    written: BTreeMap<String, ETag>,
}

/// A list, as it is to be believed.
pub(super) struct Listed {
    pub(super) records: Vec<PartitionOwnership>,
    /// The partitions whose records name this consumer in a version that it did not write, sorted.
    pub(super) same_owner_id: Vec<String>,
}

impl Records {
    /// Takes in a listing that was asked for after the last response. A secondary may not show yet what this consumer has
    /// written.
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
            self.settle_doubts(&records);
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

    /// Another process with the same owner id is the only one that writes it, besides a request of this consumer that was
    /// late.
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
            let explained = self.is_doubtful(partition_id) || self.late.contains_key(partition_id);
            if record.owner_id() == Some(owner_id) && !explained {
                foreign.push(partition_id.to_owned());
            }
            self.written.remove(partition_id);
        }
        foreign.sort();
        foreign
    }

    /// What a request of unknown outcome would have replaced is either still there, so that it may yet come, or it is
    /// gone for good.
    fn settle_doubts(&mut self, listed: &[PartitionOwnership]) {
        let stored: HashMap<_, _> =
            listed.iter().map(|record| (record.partition_id(), record.etag())).collect();
        for (partition_id, sent) in std::mem::take(&mut self.doubtful) {
            self.late.insert(partition_id, sent.etag().cloned());
        }
        self.late.retain(|partition_id, replaced| {
            stored.get(partition_id.as_str()).copied().flatten() == replaced.as_ref()
        });
    }

    /// Whether the stored version of a record may be another than the known one.
    pub(super) fn is_doubtful(&self, partition_id: &str) -> bool {
        self.doubtful.contains_key(partition_id)
    }

    pub(super) fn has_doubts(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// To be called before the requests are sent, so that they are known even if nobody waits for their responses.
    pub(super) fn sent(&mut self, records: &[PartitionOwnership]) {
        let sent = records.iter().map(|record| (record.partition_id().to_owned(), record.clone()));
        self.doubtful.extend(sent);
    }

    /// Takes in the outcome of a claim, and returns it as it is to be believed: who loses to its own late request has
    /// lost nothing, and the next list tells whose version is stored.
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
        self.answered(sent, &outcome);
        outcome
    }

    /// Whether an earlier request that replaces the same version may have been faster than this one.
    pub(super) fn may_be_late(&self, sent: &PartitionOwnership) -> bool {
        self.late.get(sent.partition_id()).is_some_and(|replaced| replaced.as_ref() == sent.etag())
    }

    pub(super) fn answered(&mut self, sent: &PartitionOwnership, outcome: &ClaimOutcome) {
        let partition_id = sent.partition_id();
        let is_unknown =
            matches!(outcome, ClaimOutcome::Failed(_, error) if error.is_outcome_unknown());
        // A list was faster than a response that is late, and a stop may have sent something else since then.
        if self.doubtful.get(partition_id) != Some(sent) {
            self.written.remove(partition_id);
            return;
        }
        if is_unknown {
            return;
        }
        self.doubtful.remove(partition_id);
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

    /// The requests of which nobody knows what came of them; what a list shows of their records is not evidence.
    pub(super) fn take_doubts(&mut self) -> BTreeMap<String, PartitionOwnership> {
        let doubtful = std::mem::take(&mut self.doubtful);
        for partition_id in doubtful.keys() {
            self.known.remove(partition_id);
            self.written.remove(partition_id);
        }
        doubtful
    }

    /// The record is another's.
    pub(super) fn forget(&mut self, partition_id: &str) {
        self.known.remove(partition_id);
    }

    /// The records of which the stored version is known.
    pub(super) fn undoubted(&self) -> impl Iterator<Item = &PartitionOwnership> {
        self.known.values().filter(|record| !self.is_doubtful(record.partition_id()))
    }

    /// The record of a partition, if the stored version is known.
    pub(super) fn undoubted_one(&self, partition_id: &str) -> Option<&PartitionOwnership> {
        self.known.get(partition_id).filter(|_| !self.is_doubtful(partition_id))
    }
}

pub(super) fn changed_again() -> Error {
    let text =
        "the record was changed after it was listed, perhaps by a late request of this consumer";
    Error::new(ErrorKind::ConditionNotMet, text).with_applied(Applied::Unknown)
}

/// A secondary may lag behind, so what it shows settles no doubt.
pub(super) fn conclusive(
    listing: Result<Listing<PartitionOwnership>>,
) -> Result<Listing<PartitionOwnership>> {
    let listing = listing?;
    if listing.is_from_secondary() {
        return Err(Error::new(ErrorKind::Service, "only the secondary responded"));
    }
    Ok(listing)
}
