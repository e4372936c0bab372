//! Input that is refused before anything is sent.

use eventhub_checkpointstore::{Checkpoint, ConsumerGroup, ErrorKind, PartitionOwnership};

use super::script::Script;
use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::BlobService;
use super::{group, maybe_async, ownership, test};

#[maybe_async]
#[test]
async fn partition_ids_are_checked_before_anything_is_sent() {
    let script = Script::over(&BlobService::new("checkpoints"));
    let store = script.store();
    for id in ["", ".", "..", "a/b", "a\\b", "a\r\nb", &"x".repeat(129)] {
        let read = store.get_checkpoint(&group(), id).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::InvalidInput, "{id:?}");
        let deleted = store.delete_checkpoint(&group(), id).await;
        assert_eq!(deleted.unwrap_err().kind(), ErrorKind::InvalidInput, "{id:?}");
        assert!(PartitionOwnership::new(&group(), id, "a").is_err());
        assert!(Checkpoint::new(&group(), id, "1", 1).is_err());
    }
    let claims = store.relinquish_ownership(&[ownership("0", "a")]).await;
    let (_, error) = claims.failed().next().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "it was never claimed");
    assert!(script.sent().is_empty());
}

#[maybe_async]
#[test]
async fn texts_that_no_header_can_carry_are_refused() {
    for text in ["a\r\nx-ms-meta-b: c", "a\nb", "a\0b", "é", " a", "a "] {
        assert!(PartitionOwnership::new(&group(), "0", text).is_err(), "{text:?}");
        assert!(ownership("0", "a").claimed_by(text).is_err(), "{text:?}");
        assert!(Checkpoint::new(&group(), "0", text, 1).is_err(), "{text:?}");
    }
    assert!(PartitionOwnership::new(&group(), "0", "").is_err());
    for part in ["", ".", "..", "a/b", "a\nb"] {
        assert!(ConsumerGroup::new(part, "h", "g").is_err(), "{part:?}");
        // An event hub may have slashes in its name.
        let is_refused = ConsumerGroup::new("n", part, "g").is_err();
        assert_eq!(is_refused, part != "a/b", "{part:?}");
        assert!(ConsumerGroup::new("n", "h", part).is_err(), "{part:?}");
    }
}

#[maybe_async]
#[test]
async fn accounts_containers_and_urls_are_refused_when_the_store_is_made() {
    let made = |url: &str, container: &str| {
        BlobCheckpointStore::new(url, container, Credential::anonymous()).map(drop)
    };
    const URL: &str = "https://acct.blob.core.windows.net";
    let long = "x".repeat(64);
    for container in ["", "ab", "UPPER", "a/b", "..", "a--b", "-ab", "$root", "$logs", &long] {
        assert_eq!(
            made(URL, container).unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{container:?}"
        );
    }
    for url in [
        "",
        "acct",
        "ftp://acct/",
        "https://",
        "https://a b/",
        "https://u@h/",
        "https://h/#f",
        "https://h:99999/",
        "https://h:1000O/",
        "https://h/a\\b",
        "https://h/a//b",
        "https://h/%2e%2e/b",
    ] {
        assert_eq!(
            made(url, "checkpoints").unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{url:?}"
        );
    }
    made(URL, "checkpoints").unwrap();
    for hostname in ["", "a/b", "https://h", "u@h", "a b", "h:99999", "h:1O"] {
        let error = BlobCheckpointStore::builder(URL, "checkpoints")
            .credential(Credential::anonymous())
            .secondary_hostname(hostname)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{hostname:?}");
    }
    let mut texts = Vec::new();
    for faulty in [
        "",
        "nonsense",
        "AccountName=acct;AccountKey",
        "BlobSecondaryEndpoint=https://h/",
        "DefaultEndpointsProtocol=https",
        "AccountName=acct;AccountKey=!",
        "AccountName=ACCT;AccountKey=c2VjcmV0",
        "AccountName=acct;DefaultEndpointsProtocol=ftp",
        "UseDevelopmentStorage=maybe",
    ] {
        let error = BlobCheckpointStore::from_connection_string(faulty, "checkpoints").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{faulty:?}");
        texts.push(error.to_string());
    }
    let count = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), count, "each fault has its own text: {texts:#?}");
}

#[cfg(feature = "serde")]
#[maybe_async]
#[test]
async fn deserialized_values_are_checked_like_constructed_ones() {
    let good = |partition: &str, owner: &str, etag: &str| {
        format!(
            r#"{{"fully_qualified_namespace":"n","eventhub_name":"h","consumer_group":"g",
               "partition_id":"{partition}","owner_id":"{owner}","etag":"{etag}"}}"#
        )
    };
    let read = |text: &str| serde_json::from_str::<PartitionOwnership>(text);
    assert!(read(&good("0", "a", "0x1")).is_ok());
    for (partition, owner, etag) in
        [("..", "a", "0x1"), ("a/b", "a", "0x1"), ("0", "a", "0x1\\r\\nx: y"), ("0", "a", "")]
    {
        assert!(read(&good(partition, owner, etag)).is_err(), "{partition} {owner} {etag}");
    }
    assert!(read(&good("0", "a", "0x1").replace("\"h\"", "\"..\"")).is_err());
    let checkpoint = r#"{"fully_qualified_namespace":"n","eventhub_name":"h","consumer_group":"g",
        "partition_id":"0","offset":"1","sequence_number":1}"#;
    let read = |text: &str| serde_json::from_str::<Checkpoint>(text);
    assert!(read(checkpoint).is_ok());
    assert!(read(&checkpoint.replace("\"0\"", "\"\"")).is_err());
    assert!(read(&checkpoint.replace(":1}", ":1e30}")).is_err());
}

/// Values of another writer come back as they were listed, but are never sent again.
#[cfg(feature = "serde")]
#[maybe_async]
#[test]
async fn foreign_values_are_deserialized_but_never_sent() {
    let script = Script::over(&BlobService::new("checkpoints"));
    let store = script.store();
    let names = r#""fully_qualified_namespace":"n","eventhub_name":"h","consumer_group":"g""#;
    for foreign in ["a\\r\\nx: y", "é"] {
        let ownership =
            format!(r#"{{{names},"partition_id":"0","owner_id":"{foreign}","etag":"0x1"}}"#);
        let ownership: PartitionOwnership = serde_json::from_str(&ownership).unwrap();
        let claims = store.claim_ownership(&[ownership]).await;
        let (_, error) = claims.failed().next().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{foreign}");

        let checkpoint =
            format!(r#"{{{names},"partition_id":"0","offset":"{foreign}","sequence_number":1}}"#);
        let checkpoint: Checkpoint = serde_json::from_str(&checkpoint).unwrap();
        let error = store.update_checkpoint(&checkpoint).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{foreign}");
    }
    assert!(script.sent().is_empty());
}
