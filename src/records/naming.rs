//! The names of the blobs, and the way back from a name to a partition.

use crate::model::{ConsumerGroup, SkipReason, check_partition_id, is_name_part};

/// How the names of the namespace, event hub and consumer group appear in blob names.
///
/// Partition ids always stay as given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum NameCase {
    /// Lower case, as Python, .NET, JavaScript and C++ write
    /// ([the agreed contract](https://github.com/Azure/azure-sdk-for-net/issues/8289)).
    #[default]
    Lower,
    /// As given, as Java, Go and the official Rust crate up to 0.9 write. Stores that use lower case do not see such blobs:
    /// for them, `$Default` and `$default` are two groups.
    AsGiven,
}

impl NameCase {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Lower => Self::AsGiven,
            Self::AsGiven => Self::Lower,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobKind {
    Ownership,
    Checkpoint,
}

impl BlobKind {
    fn segment(self) -> &'static str {
        match self {
            Self::Ownership => "ownership",
            Self::Checkpoint => "checkpoint",
        }
    }

    fn from_segment(segment: &str) -> Option<Self> {
        [Self::Ownership, Self::Checkpoint].into_iter().find(|kind| kind.segment() == segment)
    }
}

/// Returns `{namespace}/{event hub}/{consumer group}/{kind}/`, with the trailing slash.
pub(crate) fn prefix(group: &ConsumerGroup, kind: BlobKind, case: NameCase) -> String {
    let mut names = group_prefix(group, case);
    names.push_str(kind.segment());
    names.push('/');
    names
}

/// Returns `{namespace}/{event hub}/{consumer group}/`, under which both kinds of records are.
pub(crate) fn group_prefix(group: &ConsumerGroup, case: NameCase) -> String {
    let names = format!("{group}/");
    match case {
        NameCase::Lower => names.to_lowercase(),
        NameCase::AsGiven => names,
    }
}

pub(crate) fn blob_name(
    group: &ConsumerGroup,
    kind: BlobKind,
    partition_id: &str,
    case: NameCase,
) -> String {
    let mut name = prefix(group, kind, case);
    name.push_str(partition_id);
    name
}

/// Returns the partition of a listed name; `None` for an id that no request could name.
pub(crate) fn partition_id<'a>(name: &'a str, prefix: &str) -> Result<&'a str, SkipReason> {
    match name.strip_prefix(prefix) {
        Some(rest) if check_partition_id(rest).is_ok() => Ok(rest),
        _ => Err(SkipReason::ForeignName),
    }
}

/// The parts of a record's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordName<'a> {
    /// `{namespace}/{event hub}/{consumer group}`.
    pub(crate) group: &'a str,
    pub(crate) kind: BlobKind,
}

impl<'a> RecordName<'a> {
    /// Returns `None` for a name that does not belong to a record.
    ///
    /// Only the name of an event hub may contain slashes (`messages/events`), so it is the rest after the other parts.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (rest, partition_id) = name.rsplit_once('/')?;
        let (group, kind) = rest.rsplit_once('/')?;
        let kind = BlobKind::from_segment(kind)?;
        let is_group = group.splitn(3, '/').count() == 3 && group.split('/').all(is_name_part);
        (is_group && check_partition_id(partition_id).is_ok()).then_some(Self { group, kind })
    }

    pub(crate) fn consumer_group(&self) -> Option<ConsumerGroup> {
        let (namespace, rest) = self.group.split_once('/')?;
        let (eventhub, consumer_group) = rest.rsplit_once('/')?;
        Some(ConsumerGroup::from_storage(namespace, eventhub, consumer_group))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(namespace: &str, hub: &str, group: &str) -> ConsumerGroup {
        ConsumerGroup::new(namespace, hub, group).expect("valid names")
    }

    #[test]
    fn names_in_lower_case_and_as_given() {
        let group = group("NS.servicebus.windows.net", "Hub", "$Default");
        assert_eq!(
            blob_name(&group, BlobKind::Ownership, "P0", NameCase::Lower),
            "ns.servicebus.windows.net/hub/$default/ownership/P0"
        );
        assert_eq!(
            blob_name(&group, BlobKind::Checkpoint, "P0", NameCase::AsGiven),
            "NS.servicebus.windows.net/Hub/$Default/checkpoint/P0"
        );
    }

    #[test]
    fn foreign_names_are_told_apart() {
        let long = format!("a/ownership/{}", "x".repeat(129));
        for name in [
            "a/ownership/",
            "a/ownership/0/1",
            "a/ownership/.",
            "a/ownership/..",
            "a/ownership/0\\1",
            &long,
            "b/ownership/0",
            "",
        ] {
            assert_eq!(partition_id(name, "a/ownership/"), Err(SkipReason::ForeignName), "{name}");
        }
    }

    #[test]
    fn names_of_records_of_every_group_are_told_from_other_names() {
        for (name, group, kind) in [
            ("ns/hub/$Default/checkpoint/0", "ns/hub/$Default", BlobKind::Checkpoint),
            ("ns/hub/g/ownership/0", "ns/hub/g", BlobKind::Ownership),
            ("ns/messages/events/g/ownership/0", "ns/messages/events/g", BlobKind::Ownership),
            ("ns/hub/checkpoint/checkpoint/1", "ns/hub/checkpoint", BlobKind::Checkpoint),
            ("ns/a/checkpoint/0/g/ownership/0", "ns/a/checkpoint/0/g", BlobKind::Ownership),
        ] {
            assert_eq!(RecordName::parse(name), Some(RecordName { group, kind }), "{name}");
        }
        for name in [
            "",
            "0",
            "checkpoint/0",
            "ns/hub/checkpoint/0",
            "ns/hub/$Default/0",
            "ns/hub/g/checkpoint/",
            "ns/hub/g/checkpoint",
            "ns/hub/g/Checkpoint/0",
            "ns//g/checkpoint/0",
            "/hub/g/checkpoint/0",
            "ns/../g/checkpoint/0",
            "ns/hub/g/checkpoint/.",
        ] {
            assert_eq!(RecordName::parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_leads_back_to_its_partition(
            names in prop::array::uniform3("[A-Za-z0-9$._-]{1,40}"),
            partition in "[A-Za-z0-9._-]{1,20}",
            lower: bool,
        ) {
            let (Ok(group), Ok(())) = (
                ConsumerGroup::new(&names[0], &names[1], &names[2]),
                check_partition_id(&partition),
            ) else {
                return Ok(());
            };
            let case = if lower { NameCase::Lower } else { NameCase::AsGiven };
            for kind in [BlobKind::Ownership, BlobKind::Checkpoint] {
                let name = blob_name(&group, kind, &partition, case);
                let prefix = prefix(&group, kind, case);
                prop_assert_eq!(partition_id(&name, &prefix), Ok(partition.as_str()));
                prop_assert!(name.len() <= 1024);
                let parsed = RecordName::parse(&name).expect("a name of ours");
                prop_assert_eq!(parsed.kind, kind);
                let found = parsed.consumer_group().expect("a group of ours");
                let written = if lower { group.to_string().to_lowercase() } else { group.to_string() };
                prop_assert_eq!(found.to_string(), written);
            }
        }
    }
}
