//! The values that a read of a checkpoint may show.

use std::collections::{BTreeSet, HashSet};

/// A checkpoint that anybody may write over.
#[derive(Debug)]
pub struct Expected {
    /// Any of these; `None` is "no checkpoint".
    possible: HashSet<Option<i64>>,
    /// These may still arrive.
    late: HashSet<Option<i64>>,
}

impl Expected {
    pub fn nothing() -> Self {
        Self { possible: HashSet::from([None]), late: HashSet::new() }
    }

    pub fn acknowledge(&mut self, value: Option<i64>) {
        self.possible = HashSet::from([value]);
    }

    pub fn may_be(&mut self, value: Option<i64>) {
        self.possible.insert(value);
    }

    pub fn may_arrive(&mut self, value: Option<i64>) {
        self.late.insert(value);
    }

    /// Some of the late ones arrive in the middle of a call; which ones is not known.
    pub fn some_arrive(&mut self) {
        self.possible.extend(&self.late);
    }

    pub fn all_arrive(&mut self) {
        self.possible.extend(self.late.drain());
    }

    pub fn check(&self, read: Option<i64>) -> Result<(), String> {
        let is_possible = self.possible.contains(&read);
        is_possible.then_some(()).ok_or_else(|| format!("read {read:?}, expected {self:?}"))
    }
}

/// A checkpoint behind a fence.
#[derive(Debug, Default)]
pub struct ExpectedBehindFence {
    /// The value that was acknowledged or seen last.
    last: Option<i64>,
    /// Values that may be stored, too, or arrive later.
    unknown: BTreeSet<i64>,
}

impl ExpectedBehindFence {
    pub fn last(&self) -> Option<i64> {
        self.last
    }

    pub fn acknowledge(&mut self, number: i64) {
        self.last = Some(number);
    }

    pub fn may_be(&mut self, number: i64) {
        self.unknown.insert(number);
    }

    pub fn check(&mut self, read: Option<i64>) -> Result<(), String> {
        let is_later = read > self.last && read.is_some_and(|read| self.unknown.contains(&read));
        if read != self.last && !is_later {
            return Err(format!("read {read:?} behind a fence, expected {self:?}"));
        }
        self.last = read;
        Ok(())
    }
}
