//! The end of a consumer: what voids the rounds that are under way, and what became of the records given up.

use std::collections::{BTreeMap, BTreeSet};

use super::records::{Records, changed_again};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::model::{ClaimOutcome, Listing, PartitionOwnership, RelinquishOutcome, Relinquished};

/// How many calls have begun to give everything up, and how many of them are doing so now.
#[derive(Debug, Default)]
pub(super) struct Stop {
    begun: u64,
    under_way: usize,
}

/// What a round needs for everything it does. It is void as soon as a stop begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoundToken(u64);

impl Stop {
    /// # Errors
    ///
    /// Everything is being given up at this moment.
    pub(super) fn token(&self) -> Result<RoundToken> {
        if self.under_way == 0 { Ok(RoundToken(self.begun)) } else { Err(stopped()) }
    }

    /// # Errors
    ///
    /// Everything was given up since the round began.
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

/// Whoever gave everything up is not to be told that something was won, or lost.
pub(crate) fn stopped() -> Error {
    Error::new(
        ErrorKind::Other,
        "the round was cancelled: this consumer is relinquishing its partitions",
    )
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
        outcomes: Relinquished,
    ) {
        for (sent, outcome) in sent.iter().zip(outcomes) {
            match outcome.into_claim() {
                // To our own late request, perhaps, whose response may be known by now; the next list tells.
                ClaimOutcome::Lost(record, _)
                    if self.contested.contains(sent.partition_id())
                        || records.may_be_late(sent) =>
                {
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
        for (partition_id, sent) in records.take_doubts() {
            let stored = listed.remove(&partition_id);
            match stored {
                Some(record) if record.owner_id() == Some(owner_id) => {
                    self.outcomes.remove(&partition_id);
                    self.contested.insert(partition_id.clone());
                    records.known.insert(partition_id, record);
                }
                Some(record) if record.is_owned() => {
                    self.note(ClaimOutcome::Lost(sent, Some(record)));
                }
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
    pub(crate) fn into_relinquished(self) -> Relinquished {
        Relinquished::new(self.outcomes.into_values().map(RelinquishOutcome::from).collect())
    }
}
