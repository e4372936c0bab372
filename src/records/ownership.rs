//! The codec of ownerships: their metadata, written strictly, read leniently.

use super::metadata::{trim, value};
use crate::model::{PartitionOwnership, RecordId, Version};

const OWNER_ID: &str = "ownerid";

/// Encodes the complete metadata of an ownership, because Set Blob Metadata replaces all metadata. An empty owner means
/// nobody.
pub(crate) fn encode(owner_id: Option<&str>) -> [(&'static str, &str); 1] {
    [(OWNER_ID, owner_id.unwrap_or_default())]
}

/// Decodes an ownership from the metadata of its blob. Any metadata is valid: without an owner id, the partition is
/// relinquished.
#[inline]
pub(crate) fn decode<K: AsRef<str>, V: AsRef<str>>(
    id: RecordId<'_>,
    version: Version,
    metadata: &[(K, V)],
) -> PartitionOwnership {
    PartitionOwnership::from_storage(id, owner(metadata), version)
}

/// Decodes only the owner. Missing and empty both mean nobody.
#[inline]
pub(crate) fn owner<K: AsRef<str>, V: AsRef<str>>(metadata: &[(K, V)]) -> Option<&str> {
    value(metadata, OWNER_ID).map(trim).filter(|owner_id| !owner_id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_that_others_wrote() {
        let none: [(&str, &str); 0] = [];
        assert_eq!(owner(&none), None);
        assert_eq!(owner(&[("ownerid", "")]), None);
        assert_eq!(owner(&[("ownerId", "a")]), Some("a"));
        assert_eq!(owner(&[("ownerid", "a"), ("OwnerId", "b")]), Some("b"));
    }

    #[test]
    fn written_values_are_read_back() {
        assert_eq!(owner(&encode(Some("me"))), Some("me"));
        assert_eq!(owner(&encode(None)), None);
    }
}
