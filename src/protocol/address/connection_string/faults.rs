//! Explains what is wrong with a part of a connection string without showing it, because it may be part of a key.

use crate::protocol::address::pairs::{ENV_FILE, fault_of_letters};

/// The keys that are read, as Azure writes them.
const NAMES: [&str; 9] = [
    "AccountName",
    "AccountKey",
    "SharedAccessSignature",
    "BlobEndpoint",
    "BlobSecondaryEndpoint",
    "DefaultEndpointsProtocol",
    "EndpointSuffix",
    "UseDevelopmentStorage",
    "DevelopmentStorageProxyUri",
];

/// Keys of Event Hubs, Service Bus and IoT Hub. Connection strings of storage accounts have none of them.
const EVENT_HUBS: [&str; 4] = ["Endpoint", "EntityPath", "SharedAccessKey", "SharedAccessKeyName"];

/// The fault of a key that is not read. Azure's keys for other services are all letters.
pub(super) fn fault_of_key(key: &str) -> Option<String> {
    if let Some(fault) = fault_of_letters(key) {
        return Some(fault.to_owned());
    }
    if EVENT_HUBS.iter().any(|name| key.eq_ignore_ascii_case(name)) {
        return Some(
            "this is a connection string of Event Hubs; the store needs the storage account's, which begins \
             with DefaultEndpointsProtocol or BlobEndpoint"
                .to_owned(),
        );
    }
    // The name is not shown: it may be a piece of a key.
    misspelt(key)
        .map(|name| format!("its name is not a key of a storage account; did you mean {name}?"))
}

/// The fault of a value that contains a pair: the key is the name of a variable, or a ';' is missing between two pairs.
pub(super) fn fault_of_value(value: &str) -> Option<String> {
    let (inner, _) = value.rsplit_once('=')?;
    let inner = inner.to_ascii_lowercase();
    let begins = |name: &str| inner.split('=').any(|part| part.ends_with(name));
    let has_pair = NAMES.iter().any(|name| begins(&name.to_ascii_lowercase()));
    // The pairs of a SAS have other names.
    has_pair.then(|| {
        format!("its value has a pair Name=Value in it; {ENV_FILE}, or put a ';' before the pair")
    })
}

/// The known key that an unknown one is close to.
fn misspelt(key: &str) -> Option<&'static str> {
    const NEAR: usize = 2;
    /// The ends of keys that name a host, as other services and tools write them.
    const ENDS: [&str; 6] = ["url", "uri", "host", "hostname", "address", "server"];
    if is_endpoint_of_another(key) {
        return None;
    }
    let key = key.to_ascii_lowercase();
    let near = |name: &&&str| distance(&key, &name.to_ascii_lowercase()) <= NEAR;
    // Words that occur only in keys that decide the host.
    let words = [
        ("blob", "BlobEndpoint"),
        ("suffix", "EndpointSuffix"),
        ("protocol", "DefaultEndpointsProtocol"),
    ];
    let is_host = key.contains("endpoint") || ENDS.iter().any(|end| key.ends_with(end));
    let is_secondary = key.contains("secondary");
    let by_host = || {
        let meant = if is_secondary { "BlobSecondaryEndpoint" } else { "BlobEndpoint" };
        is_host.then_some(meant)
    };
    let by_word = || words.into_iter().find(|(word, _)| key.contains(word)).map(|(_, name)| name);
    NAMES.iter().find(near).copied().or_else(by_word).or_else(by_host)
}

/// Returns whether it is `QueueEndpoint` or a similar key, which resembles ours.
fn is_endpoint_of_another(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let service =
        key.strip_suffix("endpoint").map(|key| key.strip_suffix("secondary").unwrap_or(key));
    service.is_some_and(|service| ["queue", "table", "file", "dfs", "web"].contains(&service))
}

/// The Levenshtein distance: how many letters to insert, remove or replace.
pub(super) fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, of_other) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != of_other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
