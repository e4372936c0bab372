//! The life of an owned partition: Opening → Reading → Draining → Closed.

use super::CheckpointTracker;

/// Why a partition is left. The first cause takes precedence, but a loss always makes writing impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaveCause {
    /// The consumer stopped, or the user closed the partition.
    Stop,
    /// The lease ended without a renewal.
    Lapsed,
    /// Another consumer has it.
    Taken,
    /// Another reader displaced ours.
    Displaced,
    /// Another consumer's checkpoint is ahead.
    Stale,
    /// The source has no more events.
    SourceEnded,
    /// The handler stopped the consumer.
    HandlerStop,
}

impl LeaveCause {
    /// Returns whether another consumer may process the partition.
    pub(crate) fn is_loss(self) -> bool {
        matches!(self, Self::Lapsed | Self::Taken | Self::Displaced | Self::Stale)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Opening,
    Reading,
    /// No more receives. Running handlers finish.
    Draining,
    Closed,
}

/// Decides which events may be received, handled and saved.
#[derive(Debug)]
pub(crate) struct PartitionLife<P> {
    phase: Phase,
    tracker: CheckpointTracker<P>,
    cause: Option<LeaveCause>,
    is_lost: bool,
}

impl<P> PartitionLife<P> {
    pub(crate) fn new(max_in_flight: usize) -> Self {
        let tracker = CheckpointTracker::new(max_in_flight);
        Self { phase: Phase::Opening, tracker, cause: None, is_lost: false }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn tracker(&self) -> &CheckpointTracker<P> {
        &self.tracker
    }

    /// Notes that the link is open. A partition that is being left stays in that state.
    pub(crate) fn opened(&mut self) {
        if self.phase == Phase::Opening {
            self.phase = Phase::Reading;
        }
    }

    /// Notes that the link must be opened again after the last received event.
    pub(crate) fn link_ended(&mut self) {
        if self.phase == Phase::Reading {
            self.phase = Phase::Opening;
        }
    }

    /// Returns how many events may be received now.
    pub(crate) fn room(&self) -> usize {
        if self.phase == Phase::Reading { self.tracker.room() } else { 0 }
    }

    /// Returns `false` if the event must be dropped, because it is not new or the partition is being left.
    pub(crate) fn received(&mut self, sequence_number: i64, position: P) -> bool {
        self.phase == Phase::Reading && self.tracker.received(sequence_number, position)
    }

    /// Returns whether a handler may start with a received event.
    pub(crate) fn may_handle(&self) -> bool {
        self.phase == Phase::Reading || self.phase == Phase::Opening
    }

    /// Notes that a handler has returned `Ok`. Returns whether the watermark moved and may be saved.
    pub(crate) fn done(&mut self, sequence_number: i64) -> bool {
        self.phase != Phase::Closed && self.tracker.done(sequence_number) && self.may_save()
    }

    /// Begins to leave the partition. Returns whether anything changed.
    pub(crate) fn leave(&mut self, cause: LeaveCause) -> bool {
        if self.phase == Phase::Closed {
            return false;
        }
        let changed = self.phase != Phase::Draining || (cause.is_loss() && !self.is_lost);
        self.phase = Phase::Draining;
        self.is_lost |= cause.is_loss();
        match self.cause {
            // A stop that turns into a loss is reported as the loss: its last checkpoint is missing.
            Some(first) if first.is_loss() || !cause.is_loss() => {}
            _ => self.cause = Some(cause),
        }
        changed
    }

    pub(crate) fn cause(&self) -> Option<LeaveCause> {
        self.cause
    }

    /// Returns whether checkpoints may be written.
    pub(crate) fn may_save(&self) -> bool {
        !self.is_lost
    }

    /// Closes the partition, after the last checkpoint.
    pub(crate) fn close(&mut self) {
        self.leave(LeaveCause::Stop);
        self.phase = Phase::Closed;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::processing::write_queue::{WriteEnd, WriteQueue};

    /// What happens to a partition whose handlers finish in any order, with what the driver does of itself.
    #[derive(Debug, Clone)]
    enum Act {
        Opened,
        LinkEnded,
        Receive(usize),
        Begin(usize),
        Finish(usize),
        Leave(LeaveCause),
        Write,
        WriteEnd(WriteEnd),
        Close,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let cause = prop_oneof![
            6 => Just(LeaveCause::Stop),
            1 => Just(LeaveCause::Lapsed),
            1 => Just(LeaveCause::Taken),
            1 => Just(LeaveCause::Displaced),
            1 => Just(LeaveCause::SourceEnded),
        ];
        let end = prop_oneof![
            8 => Just(WriteEnd::Saved),
            4 => Just(WriteEnd::Failed),
            1 => Just(WriteEnd::Refused)
        ];
        let act = prop_oneof![
            8 => Just(Act::Opened),
            1 => Just(Act::LinkEnded),
            16 => (1_usize..5).prop_map(Act::Receive),
            24 => any::<usize>().prop_map(Act::Begin),
            24 => any::<usize>().prop_map(Act::Finish),
            1 => cause.prop_map(Act::Leave),
            8 => Just(Act::Write),
            8 => end.prop_map(Act::WriteEnd),
            1 => Just(Act::Close),
        ];
        proptest::collection::vec(act, 0..150)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// The rules of a partition, whatever the order of completions, failures, losses and stops.
        #[test]
        fn the_rules_hold_in_any_order(acts in acts(), limit in 1_usize..8) {
            let mut life = PartitionLife::new(limit);
            let mut queue: WriteQueue<i64> = WriteQueue::new();
            let mut next = 0;
            let (mut waiting, mut running, mut finished) = (Vec::new(), Vec::new(), Vec::new());
            let (mut lost, mut left, mut stored, mut writing) = (false, false, -1, None);
            for act in acts {
                match act {
                    Act::Opened => life.opened(),
                    Act::LinkEnded => life.link_ended(),
                    Act::Receive(count) => {
                        prop_assert!(!left || life.room() == 0, "no new receives");
                        for _ in 0..count.min(life.room()) {
                            prop_assert!(life.received(next, next));
                            waiting.push(next);
                            next += 1;
                        }
                        let held = waiting.len() + running.len();
                        prop_assert!(held <= limit, "a partition pauses at its limit");
                    }
                    Act::Begin(which) if !waiting.is_empty() => {
                        prop_assert_eq!(life.may_handle(), !left);
                        if life.may_handle() {
                            let index = which % waiting.len();
                            running.push(waiting.remove(index));
                        }
                    }
                    Act::Finish(which) if !running.is_empty() => {
                        let number = running.remove(which % running.len());
                        finished.push(number);
                        if life.done(number)
                            && let Some((_, position)) = life.tracker().watermark()
                        {
                            queue.offer(*position);
                        }
                    }
                    Act::Leave(cause) => {
                        life.leave(cause);
                        left = true;
                        if cause.is_loss() && life.phase() != Phase::Closed {
                            lost = true;
                            queue.close();
                        }
                    }
                    Act::Write => {
                        if let Some(position) = queue.begin() {
                            prop_assert!(!lost, "nothing is written after a loss");
                            writing = Some(position);
                        }
                    }
                    Act::WriteEnd(end) => {
                        if let Some(position) = writing.take() {
                            queue.end(end);
                            if end == WriteEnd::Refused {
                                life.leave(LeaveCause::Stale);
                                (lost, left) = (true, true);
                            }
                            if end == WriteEnd::Saved {
                                prop_assert!(position > stored, "a checkpoint only moves forwards");
                                stored = position;
                            }
                        }
                    }
                    Act::Close => {
                        life.close();
                        left = true;
                    }
                    _ => {}
                }
                for number in 0..=stored {
                    prop_assert!(finished.contains(&number), "a checkpoint passed {number}");
                }
                if left {
                    prop_assert!(life.cause().is_some());
                }
            }
        }
    }

    #[test]
    fn a_loss_while_draining_takes_precedence_and_forbids_the_last_checkpoint() {
        let mut life = PartitionLife::new(4);
        life.opened();
        assert!(life.received(1, ()));
        assert!(life.leave(LeaveCause::Stop));
        assert!(!life.leave(LeaveCause::Stop), "nothing new");
        assert!(life.may_save());
        assert!(life.leave(LeaveCause::Taken));
        assert_eq!(life.cause(), Some(LeaveCause::Taken));
        assert!(!life.done(1), "done, but it may not be saved");
        life.opened();
        assert_eq!(life.phase(), Phase::Draining);
        life.close();
        assert!(!life.leave(LeaveCause::Lapsed));
    }
}
