//! Tracks up to where a partition is processed without gaps, in whatever order its events are done.

use std::collections::VecDeque;

/// The contiguous watermark of one partition.
///
/// Events are received in order and done in any order. A checkpoint may only be stored at the
/// [`watermark`](Self::watermark): the last event before which all events are done. `P` is data to keep with each position,
/// such as the offset.
///
/// It holds at most `limit` events. Each takes a few words and its `P`.
///
/// ```
/// use eventhub_checkpointstore::processing::CheckpointTracker;
///
/// let mut tracker = CheckpointTracker::new(100);
/// for number in 7..10 {
///     assert!(tracker.received(number, ()));
/// }
/// assert!(!tracker.done(8), "7 is not done yet");
/// assert_eq!(tracker.watermark(), None);
/// assert!(tracker.done(7));
/// assert_eq!(tracker.watermark().map(|(number, ())| number), Some(8));
/// assert_eq!(tracker.in_flight(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct CheckpointTracker<P = ()> {
    limit: usize,
    /// Ordered by number, from the first event that is not done.
    held: VecDeque<Held<P>>,
    in_flight: usize,
    last_received: Option<i64>,
    watermark: Option<(i64, P)>,
}

#[derive(Debug, Clone)]
struct Held<P> {
    sequence_number: i64,
    position: P,
    is_done: bool,
}

impl<P> CheckpointTracker<P> {
    /// Creates an empty tracker for at most `limit` events at a time (at least one).
    ///
    #[doc = shared_example!("processing/tracker")]
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            held: VecDeque::new(),
            in_flight: 0,
            last_received: None,
            watermark: None,
        }
    }

    /// Notes a received event. Returns `false` and changes nothing if its number is not higher than all before, or if there
    /// is no [`room`](Self::room).
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/tracker"))]
    pub fn received(&mut self, sequence_number: i64, position: P) -> bool {
        if self.room() == 0 || self.last_received.is_some_and(|last| sequence_number <= last) {
            return false;
        }
        self.held.push_back(Held { sequence_number, position, is_done: false });
        self.last_received = Some(sequence_number);
        self.in_flight += 1;
        true
    }

    /// Notes that an event is done. Returns whether the watermark moved.
    ///
    /// A number that was not received, or that is already done, changes nothing.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("processing/tracker"))]
    pub fn done(&mut self, sequence_number: i64) -> bool {
        let Some(held) = self.find(sequence_number) else { return false };
        if std::mem::replace(&mut held.is_done, true) {
            return false;
        }
        self.in_flight -= 1;
        let mut moved = false;
        while self.held.front().is_some_and(|first| first.is_done) {
            if let Some(first) = self.held.pop_front() {
                self.watermark = Some((first.sequence_number, first.position));
                moved = true;
            }
        }
        moved
    }

    /// In a partition without gaps, the index follows from the number.
    fn find(&mut self, sequence_number: i64) -> Option<&mut Held<P>> {
        let first = self.held.front()?.sequence_number;
        let distance = sequence_number.checked_sub(first);
        let guess = distance.and_then(|distance| usize::try_from(distance).ok());
        let guess = guess.filter(|guess| {
            self.held.get(*guess).is_some_and(|held| held.sequence_number == sequence_number)
        });
        let place = match guess {
            Some(guess) => guess,
            None => self
                .held
                .binary_search_by_key(&sequence_number, |held| held.sequence_number)
                .ok()?,
        };
        self.held.get_mut(place)
    }

    /// Returns the last event up to which all events are done. `None` until the first received event is done.
    pub fn watermark(&self) -> Option<(i64, &P)> {
        self.watermark.as_ref().map(|(number, position)| (*number, position))
    }

    /// Returns the number of the last received event.
    pub fn last_received(&self) -> Option<i64> {
        self.last_received
    }

    /// Returns the number of events that are received but not done.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns how many more events may be received now. Events that are done after an unfinished one also take up room.
    pub fn room(&self) -> usize {
        self.limit - self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Act {
        /// The next event, so many numbers behind the last.
        Receive(i64),
        Done(usize),
        DoneTwice(usize),
        Unknown(i64),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => (1_i64..3).prop_map(Act::Receive),
            4 => any::<usize>().prop_map(Act::Done),
            1 => any::<usize>().prop_map(Act::DoneTwice),
            1 => (-5_i64..500).prop_map(Act::Unknown),
        ];
        proptest::collection::vec(act, 0..200)
    }

    proptest! {
        #[test]
        fn the_watermark_is_the_last_number_below_which_all_is_done(acts in acts(), limit in 1_usize..20) {
            let mut tracker = CheckpointTracker::new(limit);
            let (mut received, mut done) = (Vec::new(), BTreeSet::new());
            for act in acts {
                match act {
                    Act::Receive(step) => {
                        let next = received.last().map_or(step, |last| last + step);
                        if tracker.received(next, next) {
                            received.push(next);
                        } else {
                            prop_assert_eq!(tracker.room(), 0);
                        }
                    }
                    Act::Done(which) if !received.is_empty() => {
                        let number = received[which % received.len()];
                        tracker.done(number);
                        done.insert(number);
                    }
                    Act::DoneTwice(which) if !done.is_empty() => {
                        let number = *done.iter().nth(which % done.len()).unwrap();
                        prop_assert!(!tracker.done(number));
                    }
                    Act::Unknown(number) if !received.contains(&number) => {
                        prop_assert!(!tracker.done(number));
                        let last = tracker.last_received();
                        prop_assert!(last.is_none_or(|last| last < number) || !tracker.received(number, number));
                        if tracker.last_received() != last {
                            received.push(number);
                        }
                    }
                    _ => {}
                }
                let expected = received.iter().take_while(|number| done.contains(number)).last();
                prop_assert_eq!(tracker.watermark().map(|(number, _)| number), expected.copied());
                prop_assert!(tracker.watermark().is_none_or(|(number, position)| number == *position));
                prop_assert_eq!(tracker.in_flight(), received.len() - done.len());
                prop_assert!(tracker.room() <= limit && tracker.held.len() <= limit);
            }
        }
    }

    #[test]
    fn done_events_behind_an_open_one_take_up_room() {
        let mut tracker = CheckpointTracker::new(2);
        assert!(tracker.received(1, ()) && tracker.received(2, ()) && !tracker.received(3, ()));
        assert!(!tracker.done(2));
        assert_eq!((tracker.room(), tracker.in_flight()), (0, 1));
        assert!(tracker.done(1));
        assert_eq!((tracker.room(), tracker.in_flight()), (2, 0));
    }

    #[test]
    fn numbers_at_the_ends_of_their_range_do_not_overflow() {
        let mut tracker = CheckpointTracker::new(4);
        assert!(tracker.received(i64::MIN + 1, ()) && tracker.received(i64::MAX, ()));
        assert!(!tracker.done(i64::MAX) && !tracker.done(i64::MIN));
        assert!(tracker.done(i64::MIN + 1));
        assert_eq!(tracker.watermark().map(|(number, ())| number), Some(i64::MAX));
    }
}
