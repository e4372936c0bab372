//! Limits the events that a reader holds. The room that is left becomes the credit of its link.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Counts the events that a reader holds, and limits them. The reader and the task of its link share it.
#[derive(Debug)]
pub(crate) struct Window {
    max_events: usize,
    max_bytes: usize,
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Debug, Default, Clone, Copy)]
struct Held {
    events: usize,
    bytes: usize,
    /// The expected size of the next event, from the largest recent one. `None` before the first event.
    expected: Option<usize>,
    /// The room from which on a release wakes the task of the link.
    wakes_at: u32,
    closed: bool,
}

/// The expected size of the first event, which may have the maximum size of most namespaces.
const FIRST_EXPECTED: usize = 1024 * 1024;

impl Held {
    fn expected(&self) -> usize {
        self.expected.unwrap_or(FIRST_EXPECTED).max(1)
    }

    /// Returns how many events the link may send. While the reader holds none, it may send at least one, however large.
    fn room(&self, limits: &Window) -> u32 {
        let by_count = limits.max_events.saturating_sub(self.events);
        let by_size = limits.max_bytes.saturating_sub(self.bytes) / self.expected();
        let at_least = usize::from(self.events == 0);
        u32::try_from(by_count.min(by_size).max(at_least)).unwrap_or(u32::MAX)
    }

    /// Returns the room of a reader that holds nothing.
    fn full_room(&self, limits: &Window) -> u32 {
        let by_size = limits.max_bytes / self.expected();
        u32::try_from(limits.max_events.min(by_size).max(1)).unwrap_or(u32::MAX)
    }
}

impl Window {
    pub(crate) fn new(max_events: u32, max_bytes: usize) -> Self {
        Self {
            max_events: usize::try_from(max_events).unwrap_or(usize::MAX).max(1),
            max_bytes,
            held: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Records that events were handed to the reader.
    pub(crate) fn add(&self, events: usize, bytes: usize, largest: usize) {
        let mut held = self.held();
        held.events += events;
        held.bytes += bytes;
        // The expected size rises at once and falls slowly.
        let faded = held.expected.map_or(0, |expected| expected - expected / 64);
        held.expected = Some(largest.max(faded));
    }

    /// Records that the reader has handed events to its caller.
    pub(crate) fn release(&self, events: usize, bytes: usize) {
        let mut held = self.held();
        held.events = held.events.saturating_sub(events);
        held.bytes = held.bytes.saturating_sub(bytes);
        if held.room(self) >= held.wakes_at {
            // Once is enough: the task asks for the credit, which sets the next mark.
            held.wakes_at = u32::MAX;
            drop(held);
            self.changed.notify_one();
        }
    }

    /// Closes the window, because the reader is gone or is about to close.
    pub(crate) fn close(&self) {
        self.held().closed = true;
        self.changed.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.held().closed
    }

    /// Returns the credit to give to the sender, which has `given` left, or `None` if that is enough for now. Each raise
    /// costs a frame, so it is by at least a quarter of the full room, unless nothing is left.
    pub(super) fn raise(&self, given: u32) -> Option<u32> {
        let mut held = self.held();
        let (room, step) = (held.room(self), held.full_room(self) / 4);
        let is_due = room > given && (given == 0 || room - given >= step);
        let left = if is_due { room } else { given };
        held.wakes_at = left.saturating_add(if left == 0 { 1 } else { step.max(1) });
        is_due.then_some(room)
    }

    /// Waits for a release that gives enough room to raise the credit, or for the close. Returns at once if one has happened
    /// since the last wait.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    #[cfg(test)]
    fn room(&self) -> u32 {
        self.held().room(self)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn credit_is_what_the_reader_does_not_hold() {
        let window = Window::new(300, usize::MAX);
        assert_eq!(window.room(), 300);
        window.add(100, 10_000, 100);
        assert_eq!(window.room(), 200);
        window.release(40, 4_000);
        assert_eq!(window.room(), 240);
    }

    #[test]
    fn large_events_get_less_credit_but_never_none() {
        let window = Window::new(300, 16 << 20);
        assert_eq!(window.room(), 16);
        window.add(8, 8 << 20, 1 << 20);
        assert_eq!(window.room(), 8);
        window.add(8, 8 << 20, 1 << 20);
        assert_eq!(window.room(), 0);
        window.release(16, 16 << 20);
        assert_eq!(window.room(), 16);
        let tiny = Window::new(300, 10);
        assert_eq!(tiny.room(), 1);
        tiny.add(1, 1_000, 1_000);
        assert_eq!(tiny.room(), 0);
    }

    fn is_woken(window: &Window) -> bool {
        window.changed().now_or_never().is_some()
    }

    #[test]
    fn a_release_wakes_the_link_when_its_credit_can_rise() {
        let window = Window::new(300, usize::MAX);
        assert_eq!(window.raise(0), Some(300));
        window.add(100, 10_000, 100);
        assert_eq!(window.raise(200), None, "there is no more room than that");
        window.release(50, 5_000);
        assert!(!is_woken(&window), "50 are less than a quarter");
        window.release(25, 2_500);
        assert!(is_woken(&window));
        assert_eq!(window.raise(200), Some(275));
        window.release(25, 2_500);
        assert!(!is_woken(&window));
    }

    #[test]
    fn without_credit_any_room_wakes_the_link() {
        let window = Window::new(300, usize::MAX);
        window.add(300, 30_000, 100);
        assert_eq!(window.raise(0), None);
        window.release(1, 100);
        assert!(is_woken(&window));
        assert_eq!(window.raise(0), Some(1));
        window.close();
        assert!(is_woken(&window));
    }

    #[test]
    fn small_events_earn_the_credit_back() {
        let window = Window::new(300, 16 << 20);
        window.add(1, 1 << 20, 1 << 20);
        window.release(1, 1 << 20);
        for _ in 0..400 {
            window.add(1, 100, 100);
            window.release(1, 100);
        }
        assert_eq!(window.room(), 300);
    }
}
