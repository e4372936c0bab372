//! The stop of a consumer: it cancels rounds in progress, and keeps the outcomes of the relinquished records.

use std::collections::{BTreeMap, BTreeSet};

use super::records::{Records, changed_again};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::model::{ClaimOutcome, Listing, PartitionOwnership, RelinquishOutcome, Relinquished};

/// The number of stops that have begun, and the number in progress.
#[derive(Debug, Default)]
pub(super) struct Stop {
    begun: u64,
    under_way: usize,
}

/// The permission that a round needs for each of its steps. It becomes invalid as soon as a stop begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundToken(u64);

impl Stop {
    /// # Errors
    ///
    /// The consumer is relinquishing everything at this moment.
    pub(super) fn token(&self) -> Result<RoundToken> {
        if self.under_way == 0 { Ok(RoundToken(self.begun)) } else { Err(stopped()) }
    }

    /// # Errors
    ///
    /// The consumer has relinquished everything since the round began.
    pub(super) fn check(&self, token: RoundToken) -> Result<()> {
        if token.0 == self.begun { Ok(()) } else { Err(stopped()) }
    }

    pub(super) fn begin(&mut self) {
        self.begun += 1;
        self.under_way += 1;
    }

    pub(super) fn end(&mut self) {
        self.under_way -= 1;
    }
}

/// The error of a cancelled round: after a stop, nothing may be reported as won or lost.
pub(crate) fn stopped() -> Error {
    Error::new(
        ErrorKind::Other,
        "the round was cancelled: this consumer is relinquishing its partitions",
    )
}

/// The outcomes of the records that a stopping consumer relinquishes.
#[derive(Debug, Default)]
pub(crate) struct Released {
    outcomes: BTreeMap<String, ClaimOutcome>,
    /// Records that a list shows as ours after their outcome was unknown. A late request may still change them.
    after_unknown_outcome: BTreeSet<String>,
}

impl Released {
    /// Returns the records to relinquish in one batch: each record whose stored version is known, once. They count as sent
    /// from now on.
    pub(super) fn next(&self, records: &mut Records) -> Vec<PartitionOwnership> {
        let is_new =
            |record: &&PartitionOwnership| !self.outcomes.contains_key(record.partition_id());
        let next: Vec<_> = records.certain().filter(is_new).cloned().collect();
        records.sent(&next);
        next
    }

    pub(super) fn apply_outcomes(
        &mut self,
        records: &mut Records,
        sent: &[PartitionOwnership],
        outcomes: Relinquished,
    ) {
        for (sent, outcome) in sent.iter().zip(outcomes) {
            match outcome.into_claim() {
                // Perhaps lost to our own late request, whose response may be known by now. The next list tells.
                ClaimOutcome::Lost(record, _)
                    if self.after_unknown_outcome.contains(sent.partition_id())
                        || records.may_be_late(sent) =>
                {
                    records.sent(std::slice::from_ref(sent));
                    self.note(ClaimOutcome::Failed(record, changed_again()));
                }
                outcome => {
                    records.note_outcome(sent, &outcome);
                    self.note(outcome);
                }
            }
        }
    }

    /// Applies a list to the records of unknown outcome. Those that are ours are relinquished next.
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
        for (partition_id, sent) in records.take_unknown_outcomes() {
            let stored = listed.remove(&partition_id);
            match stored {
                Some(record) if record.owner_id() == Some(owner_id) => {
                    self.outcomes.remove(&partition_id);
                    self.after_unknown_outcome.insert(partition_id.clone());
                    records.known.insert(partition_id, record);
                }
                Some(record) if record.is_owned() => {
                    self.note(ClaimOutcome::Lost(sent, Some(record)));
                }
                Some(record) => self.note(ClaimOutcome::Claimed(record)),
                // A first claim that was not applied. There is nothing to report.
                None if sent.etag().is_none() => {}
                None => self.note(ClaimOutcome::Claimed(sent.released().without_etag())),
            }
        }
    }

    /// Notes that the list could not be read: unknown outcomes stay unknown.
    pub(super) fn fail(&mut self, records: &Records, error: &Error) {
        for (partition_id, sent) in &records.unknown_outcomes {
            self.outcomes.entry(partition_id.clone()).or_insert_with(|| {
                let error = error.once_more().with_applied(Applied::Unknown);
                let error = error.within("read the stored version of the record");
                ClaimOutcome::Failed(sent.clone(), error)
            });
        }
    }

    fn note(&mut self, outcome: ClaimOutcome) {
        self.outcomes.insert(outcome.partition_id().to_owned(), outcome);
    }

    /// Returns the outcomes in the order of the partition ids.
    pub(crate) fn into_relinquished(self) -> Relinquished {
        Relinquished::new(self.outcomes.into_values().map(RelinquishOutcome::from).collect())
    }
}
