//! The writes of one partition's checkpoint: the newest takes precedence, one at a time, none twice.

use std::cmp::Ordering;

/// The outcome of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteEnd {
    Saved,
    /// Not saved, or unknown. It is retried unless a newer position arrives.
    Failed,
    /// Nothing more may be written: another consumer is ahead, or has the partition.
    Refused,
    /// Not saved, because a later position is, which no other consumer saved. A newer one is tried.
    Passed,
}

/// The queue. Positions only increase.
#[derive(Debug)]
pub(crate) struct WriteQueue<P> {
    wanted: Option<P>,
    writing: Option<P>,
    saved: Option<P>,
    /// The last position that was tried, if a later one was saved before.
    passed: Option<P>,
    /// Whether the queue was closed with a position that was not saved.
    has_dropped: bool,
    is_closed: bool,
}

impl<P: Clone + PartialOrd> WriteQueue<P> {
    pub(crate) fn new() -> Self {
        let (wanted, writing, saved, passed) = (None, None, None, None);
        Self { wanted, writing, saved, passed, has_dropped: false, is_closed: false }
    }

    /// Offers a position that was reached. Returns whether it is newer, so that there is something to write.
    pub(crate) fn offer(&mut self, position: P) -> bool {
        if self.is_closed {
            return false;
        }
        let last = self.passed.as_ref().or(self.saved.as_ref());
        let newest = self.wanted.as_ref().or(self.writing.as_ref()).or(last);
        if newest.is_some_and(|newest| position.partial_cmp(newest) != Some(Ordering::Greater)) {
            return false;
        }
        self.wanted = Some(position);
        true
    }

    /// Returns the position to write now. `None` if there is none, or a write is in progress.
    pub(crate) fn begin(&mut self) -> Option<P> {
        if self.is_closed || self.writing.is_some() {
            return None;
        }
        let wanted = self.wanted.take()?;
        self.writing = Some(wanted.clone());
        Some(wanted)
    }

    pub(crate) fn end(&mut self, end: WriteEnd) {
        let Some(written) = self.writing.take() else { return };
        match end {
            WriteEnd::Saved => (self.saved, self.passed) = (Some(written), None),
            WriteEnd::Failed if !self.is_closed => {
                self.wanted.get_or_insert(written);
            }
            WriteEnd::Failed => self.has_dropped = true,
            WriteEnd::Passed => self.passed = Some(written),
            WriteEnd::Refused => (self.is_closed, self.wanted) = (true, None),
        }
    }

    /// Ends the queue: from now on, nothing is written.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        self.has_dropped |= self.wanted.take().is_some();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Returns whether the last position that was reached will not be saved.
    pub(crate) fn has_given_up(&self) -> bool {
        self.has_dropped || self.passed.is_some()
    }

    /// Returns whether the last position was passed by one that was saved before.
    pub(crate) fn is_passed(&self) -> bool {
        self.passed.is_some()
    }

    /// Returns whether a position is pending.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.wanted.is_some() || self.writing.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Act {
        Offer(u32),
        /// One that was overtaken by others on its way.
        OfferLate(u32),
        Begin,
        End(WriteEnd),
        Close,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let end = prop_oneof![
            8 => Just(WriteEnd::Saved),
            4 => Just(WriteEnd::Failed),
            1 => Just(WriteEnd::Refused)
        ];
        let act = prop_oneof![
            8 => (0_u32..3).prop_map(Act::Offer),
            2 => (0_u32..3).prop_map(Act::OfferLate),
            8 => Just(Act::Begin),
            8 => end.prop_map(Act::End),
            1 => Just(Act::Close),
        ];
        proptest::collection::vec(act, 0..100)
    }

    proptest! {
        /// Offers rise, so a write below one that was saved would take a checkpoint back.
        #[test]
        fn writes_increase_one_at_a_time_and_end_with_the_newest(acts in acts()) {
            let mut queue = WriteQueue::new();
            let (mut newest, mut saved, mut writing) = (None, None, None);
            let mut closed = false;
            for act in acts {
                match act {
                    Act::Offer(step) => {
                        let position = newest.unwrap_or(0) + step;
                        let is_new = newest != Some(position);
                        prop_assert_eq!(queue.offer(position), is_new && !closed);
                        if !closed {
                            newest = Some(position);
                        }
                    }
                    Act::OfferLate(back) => {
                        if let Some(position) = newest.and_then(|newest: u32| newest.checked_sub(back)) {
                            prop_assert!(!queue.offer(position));
                        }
                    }
                    Act::Begin => {
                        let begun = queue.begin();
                        if let Some(position) = begun {
                            prop_assert!(!closed && writing.is_none());
                            prop_assert_eq!(Some(position), newest);
                            prop_assert!(saved.is_none_or(|saved| saved < position), "identical is skipped");
                            writing = begun;
                        } else {
                            prop_assert!(closed || writing.is_some() || saved == newest);
                        }
                    }
                    Act::End(end) => {
                        queue.end(end);
                        if let Some(position) = writing.take() {
                            if end == WriteEnd::Saved {
                                saved = Some(position);
                            }
                            closed |= end == WriteEnd::Refused;
                        }
                    }
                    Act::Close => {
                        queue.close();
                        closed = true;
                    }
                }
                prop_assert_eq!(queue.is_closed(), closed);
                prop_assert_eq!(queue.writing, writing);
                if !closed {
                    prop_assert_eq!(queue.is_unsaved(), saved != newest);
                }
            }
        }
    }
}
