//! The properties of the container and its account: read as the service reports them, and refused without permission.

use eventhub_checkpointstore::container::{
    AccountInformation, ContainerProperties, ServiceProperties,
};
use eventhub_checkpointstore::{ErrorKind, MemoryContainer};

use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::{BlobService, Fault, error_reply};
use super::{maybe_async, stores, test};

fn over(service: &BlobService) -> (BlobCheckpointStore, super::support::loopback::Loopback) {
    let loopback = service.serve();
    let store =
        BlobCheckpointStore::new(&loopback.url(), "checkpoints", Credential::anonymous()).unwrap();
    (store, loopback)
}

#[maybe_async]
#[test]
async fn a_container_says_what_protects_it() {
    let service = BlobService::new("checkpoints");
    let (store, loopback) = over(&service);
    let plain = store.get_container_properties().await.unwrap();
    assert_eq!(plain.lease_state.as_deref(), Some("available"));
    assert_eq!((plain.has_legal_hold, plain.public_access), (None, None));
    for (name, value) in [
        ("x-ms-lease-state", "leased"),
        ("x-ms-blob-public-access", "container"),
        ("x-ms-has-immutability-policy", "true"),
        ("x-ms-has-legal-hold", "False"),
        ("x-ms-immutable-storage-with-versioning-enabled", "true"),
        ("x-ms-meta-team", "billing"),
    ] {
        service.set_container_header(name, value);
    }
    let properties = store.get_container_properties().await.unwrap();
    let ContainerProperties { has_immutability_policy, has_legal_hold, .. } = properties;
    assert_eq!((has_immutability_policy, has_legal_hold), (Some(true), Some(false)));
    assert_eq!(properties.has_version_level_immutability, Some(true));
    assert_eq!(properties.public_access.as_deref(), Some("container"));
    assert_eq!(properties.metadata, [("team".to_owned(), "billing".to_owned())]);
    assert!(properties.server_time.is_some());
    let sent = &loopback.requests()[0];
    assert_eq!(
        (sent.method.as_str(), sent.target.as_str()),
        ("HEAD", "/checkpoints?restype=container")
    );
}

#[maybe_async]
#[test]
async fn an_account_reports_its_kind_and_its_soft_delete_settings() {
    let service = BlobService::new("checkpoints");
    let (store, loopback) = over(&service);
    service.set_hierarchical(true);
    let account = store.get_account_information().await.unwrap();
    assert_eq!(account.sku_name.as_deref(), Some("Standard_LRS"));
    assert_eq!(account.account_kind.as_deref(), Some("StorageV2"));
    assert_eq!(account.is_hierarchical_namespace_enabled, Some(true));
    let without_soft_delete = store.get_service_properties().await.unwrap();
    assert_eq!(without_soft_delete, ServiceProperties::default());
    service.set_delete_retention_days(Some(14));
    let properties = store.get_service_properties().await.unwrap();
    assert_eq!(properties.delete_retention_days, Some(14));
    let targets: Vec<_> = loopback.requests().iter().map(|sent| sent.target.clone()).collect();
    assert_eq!(
        targets[..2],
        ["/checkpoints?comp=properties&restype=account", "/?comp=properties&restype=service"]
    );
}

#[maybe_async]
#[test]
async fn missing_permissions_and_containers_are_errors() {
    let service = BlobService::new("checkpoints");
    let (store, loopback) = over(&service);
    service.inject(|_| {
        Fault::Respond(error_reply(403, "AuthorizationPermissionMismatch", "No permission."))
    });
    let kinds = [
        store.get_container_properties().await.unwrap_err().kind(),
        store.get_account_information().await.unwrap_err().kind(),
        store.get_service_properties().await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::AccessDenied; 3]);
    service.clear_faults();
    let absent = BlobCheckpointStore::new(&loopback.url(), "absent", Credential::anonymous());
    let error = absent.unwrap().get_container_properties().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContainerNotFound);
    // A body of somebody else.
    service.inject(|_| Fault::edit(|reply| reply.body("<html></html>")));
    let error = store.get_service_properties().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
}

/// Signed with the account's key, at the container and at the root of the account.
#[maybe_async]
#[test]
async fn every_container_has_properties_once_it_is_created() {
    for store in stores() {
        let error = store.get_container_properties().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ContainerNotFound, "{error}");
        store.create_container_if_not_exists().await.unwrap();
        let properties = store.get_container_properties().await.unwrap();
        assert_eq!(properties.lease_state.as_deref(), Some("available"), "{store:?}");
        assert_ne!(properties.has_legal_hold, Some(true));
    }
    let azurite = super::azurite();
    let AccountInformation { sku_name, account_kind, .. } =
        azurite.get_account_information().await.unwrap();
    assert!(sku_name.is_some() && account_kind.is_some());
    azurite.get_service_properties().await.unwrap();
    // What is in no account says so.
    let memory = BlobCheckpointStore::from_container(MemoryContainer::new());
    let error = memory.get_account_information().await.unwrap_err();
    assert!(error.to_string().contains("in no account"), "{error}");
    let error = memory.get_service_properties().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
}
