//! The names of the blobs, and the way back from a name to a partition.

use crate::model::{ConsumerGroup, SkipReason, check_partition_id};

/// How the names of namespace, event hub and consumer group are written into a blob name.
///
/// Partition ids always stay as given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum NameCase {
    /// Lower case, as Python, .NET, JavaScript and C++ write
    /// ([the agreed contract](https://github.com/Azure/azure-sdk-for-net/issues/8289)).
    #[default]
    Lower,
    /// As given, as Java, Go and the official Rust crate up to 0.9 write. Stores of the other camp never see such
    /// blobs: `$Default` and `$default` are two groups then.
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
}

/// `{namespace}/{event hub}/{consumer group}/{kind}/`, with the last slash.
pub(crate) fn prefix(group: &ConsumerGroup, kind: BlobKind, case: NameCase) -> String {
    let names = format!("{group}/{}/", kind.segment());
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

/// The partition that a listed name belongs to. What no request could name is none.
pub(crate) fn partition_id<'a>(name: &'a str, prefix: &str) -> Result<&'a str, SkipReason> {
    match name.strip_prefix(prefix) {
        Some(rest) if check_partition_id(rest).is_ok() => Ok(rest),
        _ => Err(SkipReason::ForeignName),
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
    fn names_of_both_camps() {
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
            }
        }
    }
}
