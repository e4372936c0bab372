//! Which partitions are meant (`0,3-5`), and the order in which they are shown.

use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The most partitions that one range may name; a hub has 2,048 at most.
const MAX_RANGE: u32 = 100_000;

/// Partitions that were named on the command line; every one by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionSet {
    ids: Option<BTreeSet<String>>,
}

impl PartitionSet {
    /// Reads `0,3-5`. What is no number counts as an id itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut ids = BTreeSet::new();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                return Err(format!("{text:?}: write partitions as 0,3-5"));
            }
            match range(part) {
                Some((from, to)) if from > to || to - from >= MAX_RANGE => {
                    return Err(format!(
                        "{part:?}: a range goes from the lower to the higher number, as in 3-5"
                    ));
                }
                Some((from, to)) => ids.extend((from..=to).map(|id| id.to_string())),
                None => {
                    ids.insert(part.to_owned());
                }
            }
        }
        Ok(Self { ids: Some(ids) })
    }

    pub fn is_all(&self) -> bool {
        self.ids.is_none()
    }

    pub fn contains(&self, id: &str) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(id))
    }

    /// The ids that were named and are not among the given ones.
    pub fn missing<'a>(&self, found: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let found: BTreeSet<_> = found.into_iter().collect();
        let named = self.ids.iter().flatten();
        named.filter(|id| !found.contains(id.as_str())).cloned().collect()
    }
}

fn range(part: &str) -> Option<(u32, u32)> {
    let (from, to) = part.split_once('-')?;
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

/// Numbers by value, before and apart from other ids.
pub fn by_id(one: &str, other: &str) -> Ordering {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b).then_with(|| one.cmp(other)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => one.cmp(other),
    }
}

/// Sorted ids in short: `0-3, 7`.
pub fn in_short<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let mut runs: Vec<(String, String)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((_, last)) if follows(last, id) => id.clone_into(last),
            _ => runs.push((id.to_owned(), id.to_owned())),
        }
    }
    let shown = runs.iter().map(
        |(from, to)| {
            if from == to { from.clone() } else { format!("{from}-{to}") }
        },
    );
    shown.collect::<Vec<_>>().join(", ")
}

fn follows(last: &str, id: &str) -> bool {
    match (last.parse::<u64>(), id.parse::<u64>()) {
        (Ok(last), Ok(id)) => last.checked_add(1) == Some(id),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_names_are_read() {
        let set = PartitionSet::parse("0, 3-5,a-b").unwrap();
        for id in ["0", "3", "4", "5", "a-b"] {
            assert!(set.contains(id), "{id}");
        }
        assert!(!set.contains("1") && !set.contains("6"));
        assert_eq!(set.missing(["0", "3", "a-b"]), ["4", "5"]);
        assert!(PartitionSet::default().contains("anything"));
        for text in ["", "1,,2", "5-3", "0-999999999"] {
            assert!(PartitionSet::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ids_are_in_the_order_of_their_numbers() {
        let mut ids = vec!["10", "b", "2", "1", "a", "01"];
        ids.sort_by(|one, other| by_id(one, other));
        assert_eq!(ids, ["01", "1", "2", "10", "a", "b"]);
        assert_eq!(in_short(["0", "1", "2", "7", "9", "10", "a"]), "0-2, 7, 9-10, a");
        assert_eq!(in_short([]), "");
    }
}
