//! Counters of everything that happened so far.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of what the double has seen since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections that were opened.
    pub connections: u64,
    /// Tokens that were put to `$cbs`.
    pub put_tokens: u64,
    /// Requests that `$management` responded to, refusals included.
    pub management_requests: u64,
    /// The most requests that `$management` had at a time.
    pub most_management_requests: u64,
    /// Receive links that got their partition.
    pub opened_links: u64,
    /// The same, by partition id.
    pub opened_by_partition: BTreeMap<String, u64>,
    /// Receive links that lost it again to another receiver (`amqp:link:stolen`).
    pub stolen_links: u64,
    /// Links that were refused: no such entity, a bad filter, or a higher owner level there already.
    pub refused_links: u64,
    /// Events handed to a receiver, by partition id; an event that is received twice counts twice.
    pub delivered: BTreeMap<String, u64>,
}

/// How many things there are, and how many there were at most.
#[derive(Debug, Default)]
pub(crate) struct Level {
    now: AtomicU64,
    most: AtomicU64,
}

impl Level {
    /// One more, until the guard is dropped.
    pub(crate) fn enter(&self) -> Inside<'_> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Inside(self)
    }

    pub(crate) fn most(&self) -> u64 {
        self.most.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a Level);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One counter that many tasks share.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
