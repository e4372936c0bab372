//! The addresses of links: the source of a receive link, the target of a send link.

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
        let parts = parts(address)?;
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

/// `{hub}` or `{hub}/Partitions/{id}`: where events are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntityAddress {
    pub(crate) eventhub_name: String,
    pub(crate) partition_id: Option<String>,
}

impl EntityAddress {
    /// Parses the address with or without a scheme and host before it: Python's client sends a whole URL.
    pub(crate) fn parse(address: &str) -> Option<Self> {
        match parts(address)?[..] {
            [hub] if !hub.is_empty() => {
                Some(Self { eventhub_name: decode(hub), partition_id: None })
            }
            [hub, partitions, id] if partitions.eq_ignore_ascii_case("Partitions") => {
                Some(Self { eventhub_name: decode(hub), partition_id: Some(decode(id)) })
            }
            _ => None,
        }
    }
}

/// The parts of the path.
fn parts(address: &str) -> Option<Vec<&str>> {
    let path = match address.split_once("://") {
        Some((_, authority_and_path)) => authority_and_path.split_once('/')?.1,
        None => address,
    };
    Some(path.trim_matches('/').split('/').collect())
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
    fn other_entities_are_not_partitions() {
        for address in ["", "$cbs", "hub", "hub/Partitions/3", "amqps://ns.example", "a/b/c/d/e"] {
            assert_eq!(PartitionAddress::parse(address), None, "{address}");
        }
    }

    #[test]
    fn events_are_sent_to_a_hub_or_to_a_partition() {
        let address = |hub: &str, id: Option<&str>| {
            Some(EntityAddress { eventhub_name: hub.into(), partition_id: id.map(Into::into) })
        };
        assert_eq!(EntityAddress::parse("Hub"), address("Hub", None));
        assert_eq!(EntityAddress::parse("amqps://ns.example/Hub"), address("Hub", None));
        assert_eq!(EntityAddress::parse("Hub/Partitions/3"), address("Hub", Some("3")));
        for other in ["", "amqps://ns.example", "Hub/Publishers/a", "a/b/c/d"] {
            assert_eq!(EntityAddress::parse(other), None, "{other}");
        }
    }
}
