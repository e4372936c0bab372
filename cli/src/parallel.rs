//! Work on several things at a time, within a bound.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Requests at a time. It is what one connection to an event hub has, and leaves a storage account room for its consumers.
pub const AT_ONCE: usize = 8;

/// Works on every item, at most [`AT_ONCE`] at a time. The results are in the order of the items.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() <= 1 {
        return items.iter().map(work).collect();
    }
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(items.len()) {
            scope.spawn(|| {
                while let Some((index, item)) = take(&next, items) {
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// As [`map`]; nothing new is begun after a failure. Of several failures the first item's is returned.
pub fn try_map<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let has_failed = AtomicBool::new(false);
    let results = map(items, |item| {
        if has_failed.load(Ordering::SeqCst) {
            return None;
        }
        let result = work(item);
        has_failed.fetch_or(result.is_err(), Ordering::SeqCst);
        Some(result)
    });
    // What was not begun stands behind a failure.
    results.into_iter().flatten().collect()
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::SeqCst);
    Some((index, items.get(index)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn as_many_as_the_bound_work_at_a_time_and_keep_their_order() {
        let items: Vec<_> = (0..4 * AT_ONCE).collect();
        // It opens only if so many are there at a time.
        let (barrier, running, most) =
            (Barrier::new(AT_ONCE), AtomicUsize::new(0), AtomicUsize::new(0));
        let doubled = map(&items, |item| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            barrier.wait();
            running.fetch_sub(1, Ordering::SeqCst);
            item * 2
        });
        assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), AT_ONCE);
    }

    #[test]
    fn a_failure_ends_it() {
        let items: Vec<_> = (0..1_000).collect();
        let begun = AtomicUsize::new(0);
        let result = try_map(&items, |item| {
            begun.fetch_add(1, Ordering::SeqCst);
            if *item == 3 { Err("three") } else { Ok(*item) }
        });
        assert_eq!(result, Err("three"));
        assert!(begun.into_inner() < items.len());
        assert_eq!(try_map(&items, |item| Ok::<_, ()>(*item)).as_ref(), Ok(&items));
        assert_eq!(map(&[] as &[u8], |_| ()), []);
    }
}
