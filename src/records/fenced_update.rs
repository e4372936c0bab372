//! When a checkpoint may follow another one: the rule that a fence keeps.

use crate::model::{Checkpoint, ETag};
use crate::records::stored::StoredCheckpoint;

/// What the store was last known to hold for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) etag: ETag,
    sequence_number: Option<i64>,
}

impl Known {
    pub(crate) fn new(etag: ETag, sequence_number: Option<i64>) -> Self {
        Self { etag, sequence_number }
    }

    /// Whether writing the checkpoint would move the position backwards, as far as numbers can tell.
    pub(crate) fn is_ahead_of(&self, checkpoint: &Checkpoint) -> bool {
        matches!(
            (self.sequence_number, checkpoint.sequence_number()),
            (Some(stored), Some(new)) if stored > new
        )
    }
}

/// Why the store was read before a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Nothing was known, or what was known is ahead of what is to be written.
    BeforeWrite,
    /// Another writer was first.
    Conflict,
}

/// What a stored checkpoint means for one that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the one that is to be written.
    Same,
    /// It may be replaced, this version of it.
    Behind,
    /// It is later, or nobody can say which one is later and another writer was first.
    Ahead,
}

pub(crate) fn judge(
    stored: &StoredCheckpoint,
    checkpoint: &Checkpoint,
    occasion: Occasion,
) -> Verdict {
    let Some(found) = stored.checkpoint() else {
        // There is no position that could be moved backwards.
        return Verdict::Behind;
    };
    if found.has_position_of(checkpoint) {
        return Verdict::Same;
    }
    match (found.sequence_number(), checkpoint.sequence_number()) {
        (Some(stored), Some(new)) if stored > new => Verdict::Ahead,
        (Some(_), Some(_)) => Verdict::Behind,
        // Offsets are opaque, so only the ETag tells: whoever saw the last version may replace it.
        _ if occasion == Occasion::Conflict => Verdict::Ahead,
        _ => Verdict::Behind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::BlobProperties;
    use crate::model::ConsumerGroup;

    fn group() -> ConsumerGroup {
        ConsumerGroup::new("ns", "hub", "g").unwrap()
    }

    fn stored(offset: &str, number: &str) -> StoredCheckpoint {
        let metadata = [("offset", offset), ("sequencenumber", number)];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let properties = BlobProperties::new(ETag::new("0x1").unwrap(), metadata.into());
        StoredCheckpoint::from_properties(&group(), "0", properties)
    }

    fn new(offset: &str, number: Option<i64>) -> Checkpoint {
        Checkpoint::with_position(&group(), "0", Some(offset.to_owned()), number).unwrap()
    }

    #[test]
    fn numbers_decide_where_both_have_one() {
        for occasion in [Occasion::BeforeWrite, Occasion::Conflict] {
            let judged = |offset, number| judge(&stored("50", "5"), &new(offset, number), occasion);
            assert_eq!(judged("50", Some(5)), Verdict::Same);
            assert_eq!(judged("99", Some(4)), Verdict::Ahead);
            assert_eq!(judged("1", Some(6)), Verdict::Behind);
            // The same event in two notations of its offset, as after geo-replication was switched on.
            assert_eq!(judged("2:-1:50", Some(5)), Verdict::Behind);
        }
    }

    #[test]
    fn without_numbers_whoever_was_first_wins() {
        for (stored, new) in [
            (stored("50", ""), new("60", Some(6))),
            (stored("50", "5"), new("60", None)),
            (stored("50", "x"), new("60", None)),
        ] {
            assert_eq!(judge(&stored, &new, Occasion::BeforeWrite), Verdict::Behind);
            assert_eq!(judge(&stored, &new, Occasion::Conflict), Verdict::Ahead);
        }
        assert_eq!(judge(&stored("", ""), &new("1", Some(1)), Occasion::Conflict), Verdict::Behind);
    }
}
