//! The versions of the stored records that this consumer wrote.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Applied, Error, ErrorKind, Result};
use crate::model::{ClaimOutcome, Claims, Listing, PartitionOwnership};

/// Which versions of the stored records are this consumer's.
///
/// An answer can be lost, or be awaited by nobody any more. From then until the next list the stored version is in doubt:
/// the known one would be refused, and the record would stay locked until it expires.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The newest known versions, whether their leases are over or not.
    known: BTreeMap<String, PartitionOwnership>,
    /// What was sent, until it is known what came of it.
    doubtful: BTreeMap<String, PartitionOwnership>,
}

impl Records {
    /// Takes in a listing that was asked for after the last answer, and returns it as it is to be believed: a secondary
    /// may not show yet what this consumer has written.
    pub(super) fn take_in(
        &mut self,
        owner_id: &str,
        listing: Listing<PartitionOwnership>,
    ) -> Vec<PartitionOwnership> {
        let lags = listing.is_from_secondary();
        let mut listed = listing.into_items();
        if lags {
            self.catch_up(&mut listed);
        } else {
            self.doubtful.clear();
        }
        let mine = listed.iter().filter(|record| record.owner_id() == Some(owner_id));
        self.known =
            mine.map(|record| (record.partition_id().to_owned(), record.clone())).collect();
        listed
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

    /// Whether the stored version of a record may be another than the known one.
    pub(super) fn is_doubtful(&self, partition_id: &str) -> bool {
        self.doubtful.contains_key(partition_id)
    }

    pub(super) fn has_doubts(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// To be called before the requests are sent, so that they are known even if nobody waits for their answers.
    pub(super) fn sent(&mut self, records: &[PartitionOwnership]) {
        let sent = records.iter().map(|record| (record.partition_id().to_owned(), record.clone()));
        self.doubtful.extend(sent);
    }

    pub(super) fn answered(&mut self, sent: &PartitionOwnership, outcome: &ClaimOutcome) {
        let partition_id = sent.partition_id();
        let is_unknown =
            matches!(outcome, ClaimOutcome::Failed(_, error) if error.is_outcome_unknown());
        // A list was faster than an answer that is late, and a stop may have sent something else since then.
        let is_late = self.doubtful.get(partition_id) != Some(sent);
        if is_unknown || is_late {
            return;
        }
        self.doubtful.remove(partition_id);
        match outcome {
            ClaimOutcome::Failed(..) => {}
            ClaimOutcome::Claimed(record) if record.is_owned() => {
                self.known.insert(partition_id.to_owned(), record.clone());
            }
            ClaimOutcome::Claimed(_) | ClaimOutcome::Lost(_) => self.forget(partition_id),
        }
    }

    /// The record is another's.
    pub(super) fn forget(&mut self, partition_id: &str) {
        self.known.remove(partition_id);
    }

    fn undoubted(&self) -> impl Iterator<Item = &PartitionOwnership> {
        self.known.values().filter(|record| !self.is_doubtful(record.partition_id()))
    }
}

/// What became of the records of a consumer that gives them up.
#[derive(Debug, Default)]
pub(crate) struct Released {
    outcomes: BTreeMap<String, ClaimOutcome>,
    /// Listed as ours after they were in doubt: a request that is late may still change them.
    contested: BTreeSet<String>,
}

impl Released {
    /// The records to be given up in one go, which count as sent from now on: those of which the stored version is known,
    /// each once.
    pub(super) fn next(&self, records: &mut Records) -> Vec<PartitionOwnership> {
        let is_new =
            |record: &&PartitionOwnership| !self.outcomes.contains_key(record.partition_id());
        let next: Vec<_> = records.undoubted().filter(is_new).cloned().collect();
        records.sent(&next);
        next
    }

    pub(super) fn settle(
        &mut self,
        records: &mut Records,
        sent: &[PartitionOwnership],
        outcomes: Claims,
    ) {
        for (sent, outcome) in sent.iter().zip(outcomes) {
            match outcome {
                // To our own late request, perhaps, whose answer may be known by now; the next list tells.
                ClaimOutcome::Lost(record) if self.contested.contains(sent.partition_id()) => {
                    records.sent(std::slice::from_ref(sent));
                    self.note(ClaimOutcome::Failed(record, changed_again()));
                }
                outcome => {
                    records.answered(sent, &outcome);
                    self.note(outcome);
                }
            }
        }
    }

    /// Takes in what a list shows of the records in doubt. Those that are ours are to be given up next.
    pub(super) fn resolve(
        &mut self,
        records: &mut Records,
        owner_id: &str,
        listing: Listing<PartitionOwnership>,
    ) {
        let mut listed: BTreeMap<_, _> = listing
            .into_items()
            .into_iter()
            .map(|record| (record.partition_id().to_owned(), record))
            .collect();
        for (partition_id, sent) in std::mem::take(&mut records.doubtful) {
            records.forget(&partition_id);
            let stored = listed.remove(&partition_id);
            match stored {
                Some(record) if record.owner_id() == Some(owner_id) => {
                    self.outcomes.remove(&partition_id);
                    self.contested.insert(partition_id.clone());
                    records.known.insert(partition_id, record);
                }
                Some(record) if record.is_owned() => self.note(ClaimOutcome::Lost(sent)),
                Some(record) => self.note(ClaimOutcome::Claimed(record)),
                // A first claim that was not applied: there is nothing to tell.
                None if sent.etag().is_none() => {}
                None => self.note(ClaimOutcome::Claimed(sent.released().without_etag())),
            }
        }
    }

    /// The list could not be read: what is in doubt stays so.
    pub(super) fn fail(&mut self, records: &Records, error: &Error) {
        for (partition_id, sent) in &records.doubtful {
            self.outcomes.entry(partition_id.clone()).or_insert_with(|| {
                let text =
                    format!("which version of the record is stored could not be read: {error}");
                let error = Error::new(error.kind(), text).with_applied(Applied::Unknown);
                ClaimOutcome::Failed(sent.clone(), error)
            });
        }
    }

    fn note(&mut self, outcome: ClaimOutcome) {
        self.outcomes.insert(outcome.partition_id().to_owned(), outcome);
    }

    /// In the order of the partition ids.
    pub(crate) fn into_claims(self) -> Claims {
        Claims::new(self.outcomes.into_values().collect())
    }
}

fn changed_again() -> Error {
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
        return Err(Error::new(ErrorKind::Service, "only a secondary answered"));
    }
    Ok(listing)
}
