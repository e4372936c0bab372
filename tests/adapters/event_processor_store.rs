//! What the official `EventProcessor` needs of a checkpoint store, whichever version of it asks.
//!
//! Mounted by a root per version, with its own `subject`.

use std::error::Error as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::http::Etag;
use azure_core::time::OffsetDateTime;
use azure_messaging_eventhubs::CheckpointStore;
use azure_messaging_eventhubs::models::{Checkpoint, Ownership};
use eventhub_checkpointstore::checkpointstoreblob_aio::{BlobCheckpointStore, Credential};
use eventhub_checkpointstore::{CallOptions, Error, ErrorKind};

use super::subject;
use crate::support::azurite::Azurite;
use crate::support::blob_service::{BlobService, Fault};
use crate::support::capture_log;
use crate::support::loopback::{Loopback, Reply};

const NAMESPACE: &str = "NS.servicebus.windows.net";
const HUB: &str = "Hub";
const GROUP: &str = "$Default";

fn claim(partition_id: &str, owner_id: Option<&str>, etag: Option<Etag>) -> Ownership {
    Ownership {
        fully_qualified_namespace: NAMESPACE.into(),
        event_hub_name: HUB.into(),
        consumer_group: GROUP.into(),
        partition_id: partition_id.into(),
        owner_id: owner_id.map(Into::into),
        etag,
        ..Default::default()
    }
}

fn first_claims(partition_ids: &[&str]) -> Vec<Ownership> {
    partition_ids.iter().map(|id| claim(id, Some("a"), None)).collect()
}

fn checkpoint(offset: Option<&str>, sequence_number: Option<i64>) -> Checkpoint {
    Checkpoint {
        fully_qualified_namespace: NAMESPACE.into(),
        event_hub_name: HUB.into(),
        consumer_group: GROUP.into(),
        partition_id: "0".into(),
        offset: offset.map(Into::into),
        sequence_number,
    }
}

fn ids(ownerships: &[Ownership]) -> Vec<&str> {
    ownerships.iter().map(|ownership| ownership.partition_id.as_str()).collect()
}

fn is_recent(time: Option<OffsetDateTime>) -> bool {
    let age = SystemTime::now().duration_since(time.unwrap().into());
    // Whole seconds of the server's clock.
    age.unwrap_or_else(|ahead| ahead.duration()) < Duration::from_secs(10)
}

async fn listed(store: &dyn CheckpointStore) -> Vec<Ownership> {
    store.list_ownerships(NAMESPACE, HUB, GROUP).await.unwrap()
}

/// A new container in Azurite.
async fn on_azurite() -> Arc<dyn CheckpointStore> {
    let azurite = Azurite::shared();
    let (account, name) = (azurite.connection_string(), azurite.new_container_name());
    let store = BlobCheckpointStore::from_connection_string(&account, &name).unwrap();
    assert!(store.create_container_if_not_exists().await.unwrap());
    subject(store)
}

/// A service that fails on demand, behind a store that does not retry.
fn on_double() -> (BlobService, Loopback, Arc<dyn CheckpointStore>) {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
    let store = BlobCheckpointStore::new(&loopback.url(), "checkpoints", key).unwrap();
    let store = store.with_options(CallOptions::new().with_max_retries(0));
    (service, loopback, subject(store))
}

fn refuse(service: &BlobService, status: u16, code: &'static str, part: &'static str) {
    service.inject(move |request| match request.target.contains(part) {
        true => Fault::Respond(Reply::new(status).header("x-ms-error-code", code)),
        false => Fault::None,
    });
}

/// Our error below theirs.
fn kind(error: &azure_core::Error) -> ErrorKind {
    error.source().and_then(|source| source.downcast_ref::<Error>()).unwrap().kind()
}

#[tokio::test]
async fn claims_are_won_renewed_stolen_and_lost() {
    for store in [subject(BlobCheckpointStore::in_memory()), on_azurite().await] {
        let first = store.claim_ownership(&first_claims(&["0", "1"])).await.unwrap();
        assert_eq!(ids(&first), ["0", "1"]);
        assert!(first.iter().all(|claimed| claimed.owner_id.as_deref() == Some("a")
            && claimed.etag.is_some()
            && is_recent(claimed.last_modified_time)));

        let renewed = store.claim_ownership(&first).await.unwrap();
        assert_eq!(ids(&renewed), ["0", "1"]);
        assert!(renewed.iter().zip(&first).all(|(new, old)| new.etag != old.etag));

        let stolen = claim("1", Some("b"), renewed[1].etag.clone());
        assert_eq!(ids(&store.claim_ownership(&[stolen]).await.unwrap()), ["1"]);
        assert_eq!(ids(&store.claim_ownership(&renewed).await.unwrap()), ["0"]);

        let listed = listed(&*store).await;
        assert_eq!(ids(&listed), ["0", "1"]);
        assert_eq!(listed[1].owner_id.as_deref(), Some("b"));
        // The caller's names, not those of the blob.
        assert_eq!(listed[0].fully_qualified_namespace, NAMESPACE);
        assert_eq!((&*listed[0].event_hub_name, &*listed[0].consumer_group), (HUB, GROUP));
        assert!(is_recent(listed[0].last_modified_time));
        // The processor renews with the ETags of the list.
        assert_eq!(ids(&store.claim_ownership(&listed[..1]).await.unwrap()), ["0"]);
        assert_eq!(ids(&store.claim_ownership(&[]).await.unwrap()), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn no_owner_is_written_as_an_empty_owner() {
    let (service, _loopback, store) = on_double();
    let claimed = store.claim_ownership(&first_claims(&["0", "1"])).await.unwrap();
    let nobody = [
        claim("0", None, claimed[0].etag.clone()),
        claim("1", Some(""), claimed[1].etag.clone()),
        claim("2", None, None),
    ];
    let released = store.claim_ownership(&nobody).await.unwrap();
    assert_eq!(ids(&released), ["0", "1", "2"]);
    for ownership in released.iter().chain(&listed(&*store).await) {
        assert_eq!(ownership.owner_id, None);
    }
    for blob in service.blobs().values() {
        assert_eq!(blob.metadata, [("ownerid".to_owned(), String::new())]);
    }
}

/// The round's own warnings of a partition, whose id no other test has.
fn warnings_of(partition_id: &str) -> Vec<String> {
    let lines = capture_log::lines_with(&format!("{partition_id:?}")).into_iter();
    let warnings = lines.filter(|(level, _)| *level == log::Level::Warn);
    warnings.map(|(_, line)| line).collect()
}

#[tokio::test]
async fn a_partition_that_fails_for_a_while_is_left_out_with_one_warning() {
    capture_log::start();
    let (service, _loopback, store) = on_double();
    refuse(&service, 503, "ServerBusy", "ownership/wait-");
    let claims = first_claims(&["wait-0", "wait-1", "go-2", "go-3"]);
    let claimed = store.claim_ownership(&claims).await.unwrap();
    assert_eq!(ids(&claimed), ["go-2", "go-3"]);
    let warnings = warnings_of("wait-1");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings, warnings_of("wait-0"));
    assert!(warnings[0].contains("ServerBusy"), "{warnings:?}");

    assert!(store.claim_ownership(&claims[2..]).await.unwrap().is_empty());
    assert_eq!(warnings_of("go-2"), Vec::<String>::new(), "lost, which is no failure");

    refuse(&service, 500, "InternalError", "ownership");
    assert!(store.claim_ownership(&claimed).await.unwrap().is_empty());
    assert_eq!(warnings_of("go-2").len(), 1);
    service.clear_faults();
    assert_eq!(ids(&store.claim_ownership(&claimed).await.unwrap()), ["go-2", "go-3"]);
}

#[tokio::test]
async fn a_round_fails_if_all_of_it_fails_for_good() {
    capture_log::start();
    for (status, code, expected) in [
        (401, "NoAuthenticationInformation", ErrorKind::AccessDenied),
        (403, "AuthorizationFailure", ErrorKind::AccessDenied),
        (404, "ContainerNotFound", ErrorKind::ContainerNotFound),
        (400, "InvalidHeaderValue", ErrorKind::Rejected),
    ] {
        let (service, _loopback, store) = on_double();
        refuse(&service, status, code, "ownership");
        let error = store.claim_ownership(&first_claims(&["0", code])).await.unwrap_err();
        assert_eq!(kind(&error), expected);
        assert_eq!(warnings_of(code), Vec::<String>::new(), "the error says it");

        service.clear_faults();
        refuse(&service, status, code, "ownership/1");
        let claimed = store.claim_ownership(&first_claims(&["0", "1"])).await.unwrap();
        assert_eq!(ids(&claimed), ["0"]);
        // The rest of the round was lost, which is no failure.
        assert!(store.claim_ownership(&first_claims(&["0", "1"])).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn records_that_cannot_be_stored_are_refused() {
    let (_service, loopback, store) = on_double();
    let claims = [claim("0", Some("owner\n"), None), claim("a/b", Some("a"), None)];
    let error = store.claim_ownership(&claims).await.unwrap_err();
    assert_eq!(kind(&error), ErrorKind::InvalidInput);
    for (offset, sequence_number) in [(None, None), (Some(""), None), (Some("no offset"), Some(1))]
    {
        let checkpoint = checkpoint(offset, sequence_number);
        let error = store.update_checkpoint(checkpoint).await.unwrap_err();
        assert_eq!(kind(&error), ErrorKind::InvalidInput);
    }
    assert!(loopback.requests().is_empty());
}

#[tokio::test]
async fn a_list_that_fails_is_an_error() {
    let (service, _loopback, store) = on_double();
    refuse(&service, 500, "InternalError", "comp=list");
    let error = store.list_ownerships(NAMESPACE, HUB, GROUP).await.unwrap_err();
    assert_eq!(kind(&error), ErrorKind::Service);
    let error = store.list_checkpoints(NAMESPACE, HUB, GROUP).await.unwrap_err();
    assert_eq!(kind(&error), ErrorKind::Service);
}

#[tokio::test]
async fn positions_keep_what_is_there_and_what_is_not() {
    for store in [subject(BlobCheckpointStore::in_memory()), on_azurite().await] {
        for (offset, sequence_number) in
            [(Some("2:-1:-1"), Some(7)), (None, Some(8)), (Some("8590"), None)]
        {
            store.update_checkpoint(checkpoint(offset, sequence_number)).await.unwrap();
            let listed = store.list_checkpoints(NAMESPACE, HUB, GROUP).await.unwrap();
            assert_eq!(listed.len(), 1);
            assert_eq!(listed[0].fully_qualified_namespace, NAMESPACE);
            assert_eq!(listed[0].partition_id, "0");
            assert_eq!(listed[0].offset.as_deref(), offset);
            assert_eq!(listed[0].sequence_number, sequence_number);
        }
    }
}

#[tokio::test]
async fn claims_do_not_expire_by_a_wrong_clock() {
    let (service, _loopback, store) = on_double();
    for offset in [-7200, 7200] {
        service.set_clock_offset(offset);
        let partition_id = offset.to_string();
        let claimed = store.claim_ownership(&first_claims(&[&partition_id])).await.unwrap();
        assert!(is_recent(claimed[0].last_modified_time), "{claimed:?}");
        let listed = listed(&*store).await;
        let record = listed.iter().find(|record| record.partition_id == partition_id).unwrap();
        assert!(is_recent(record.last_modified_time), "{record:?}");
    }
}
