//! The source address of a receive link.

use percent_encoding::percent_decode_str;

/// `{hub}/ConsumerGroups/{group}/Partitions/{id}`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionAddress {
    pub(crate) eventhub_name: String,
    pub(crate) consumer_group: String,
    pub(crate) partition_id: String,
}

impl PartitionAddress {
    /// Parses the address with or without a scheme and host before it: the official client sends a whole URL.
    pub(crate) fn parse(address: &str) -> Option<Self> {
        let path = match address.split_once("://") {
            Some((_, authority_and_path)) => authority_and_path.split_once('/')?.1,
            None => address,
        };
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        let [hub, groups, group, partitions, partition] = parts[..] else {
            return None;
        };
        let known = groups.eq_ignore_ascii_case("ConsumerGroups")
            && partitions.eq_ignore_ascii_case("Partitions");
        known.then(|| Self {
            eventhub_name: decode(hub),
            consumer_group: decode(group),
            partition_id: decode(partition),
        })
    }
}

fn decode(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths_are_both_addresses() {
        let expected = PartitionAddress {
            eventhub_name: "Hub".into(),
            consumer_group: "$Default".into(),
            partition_id: "3".into(),
        };
        for address in [
            "Hub/ConsumerGroups/$Default/Partitions/3",
            "/Hub/consumergroups/%24Default/partitions/3",
            "amqps://ns.example/Hub/ConsumerGroups/$Default/Partitions/3",
        ] {
            assert_eq!(PartitionAddress::parse(address).as_ref(), Some(&expected), "{address}");
        }
    }

    #[test]
    fn other_entities_are_no_partition() {
        for address in ["", "$cbs", "hub", "hub/Partitions/3", "amqps://ns.example", "a/b/c/d/e"] {
            assert_eq!(PartitionAddress::parse(address), None, "{address}");
        }
    }
}
