//! Pointers to containers and transports implement the same traits and forward every method.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use eventhub_checkpointstore::Clock;
use eventhub_checkpointstore::container::{
    AccountInformation, BlobContent, BlobProperties, BlobVisitor, BlobWritten, CallContext,
    ContainerProperties, CreateContainer, DeleteBlob, GetAccountInformation, GetBlob,
    GetBlobProperties, GetContainerProperties, GetServiceProperties, ListBlobs, PageEnd, PutBlob,
    ServiceProperties, SetBlobMetadata,
};
use eventhub_checkpointstore::{
    AccessToken, CallOptions, Error, ErrorKind, MemoryContainer, SendLimits, TransportError,
};

use super::script::{Script, Step, start};
use super::subject::{BlobCheckpointStore, BlobContainer, Transport};
use super::support::blob_service::{BlobService, error_reply};
use super::{checkpoint, credential_of, group, maybe_async, ownership, test};

/// A container that does all there is, by a clock of its own.
struct Whole {
    blobs: MemoryContainer,
    now: Instant,
}

#[maybe_async]
impl BlobContainer for Whole {
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten, Error> {
        BlobContainer::put_blob(&self.blobs, request).await
    }

    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten, Error> {
        BlobContainer::set_blob_metadata(&self.blobs, request).await
    }

    async fn get_blob_properties(
        &self,
        request: GetBlobProperties<'_>,
    ) -> Result<BlobProperties, Error> {
        BlobContainer::get_blob_properties(&self.blobs, request).await
    }

    async fn list_blobs(
        &self,
        request: ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd, Error> {
        BlobContainer::list_blobs(&self.blobs, request, visitor).await
    }

    async fn get_blob(&self, request: GetBlob<'_>) -> Result<BlobContent, Error> {
        BlobContainer::get_blob(&self.blobs, request).await
    }

    async fn delete_blob(&self, request: DeleteBlob<'_>) -> Result<(), Error> {
        BlobContainer::delete_blob(&self.blobs, request).await
    }

    async fn create_container(&self, request: CreateContainer<'_>) -> Result<(), Error> {
        BlobContainer::create_container(&self.blobs, request).await
    }

    async fn get_container_properties(
        &self,
        request: GetContainerProperties<'_>,
    ) -> Result<ContainerProperties, Error> {
        BlobContainer::get_container_properties(&self.blobs, request).await
    }

    async fn get_account_information(
        &self,
        _request: GetAccountInformation<'_>,
    ) -> Result<AccountInformation, Error> {
        Ok(AccountInformation::default())
    }

    async fn get_service_properties(
        &self,
        _request: GetServiceProperties<'_>,
    ) -> Result<ServiceProperties, Error> {
        Ok(ServiceProperties::default())
    }

    fn clock(&self) -> &dyn Clock {
        self
    }
}

impl Clock for Whole {
    fn now(&self) -> Instant {
        self.now
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::now()
    }
}

#[maybe_async]
async fn does_all<C: BlobContainer + 'static>(point: impl FnOnce(Whole) -> C) {
    let blobs = MemoryContainer::not_created();
    let now = Instant::now() + Duration::from_secs(3600);
    let container = point(Whole { blobs: blobs.clone(), now });
    assert_eq!(container.clock().now(), now);

    let options = CallOptions::new();
    let context = CallContext::new(&options);
    container.create_container(CreateContainer::new(context)).await.unwrap();
    blobs.put_content("legacy", "content").unwrap();
    let read = container.get_blob(GetBlob::new("legacy", context)).await.unwrap();
    assert_eq!(read.content, "content");

    let store = BlobCheckpointStore::from_container(container);
    let properties = store.get_container_properties().await.unwrap();
    assert_eq!(properties.lease_state.as_deref(), Some("available"));
    let account = store.get_account_information().await.unwrap();
    assert_eq!(account, AccountInformation::default());
    let service = store.get_service_properties().await.unwrap();
    assert_eq!(service, ServiceProperties::default());
    store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    let claims = store.claim_ownership(&[ownership("0", "a")]).await;
    let renewed = store.claim_ownership(&claims.into_claimed()).await;
    assert!(renewed.all_claimed(), "{renewed:?}");
    let read = store.get_checkpoint(&group(), "0").await.unwrap();
    assert!(read.is_some());
    let deleted = store.delete_checkpoint(&group(), "0").await.unwrap();
    assert!(deleted);
    let left = store.list_checkpoints(&group()).await.unwrap();
    assert!(left.is_empty());
}

#[maybe_async]
#[test]
async fn containers() {
    does_all::<Arc<dyn BlobContainer>>(|container| Arc::new(container)).await;
    does_all::<Box<dyn BlobContainer>>(|container| Box::new(container)).await;
}

#[maybe_async]
#[test]
async fn transports() {
    let script = Script::new({
        let service = BlobService::new("checkpoints");
        move |sent| match sent.request.index {
            0 | 2 => Step::reply_now(error_reply(503, "ServerBusy", "busy")),
            _ => Step::reply(sent, service.handle(&sent.request)),
        }
    });
    script.advance(Duration::from_secs(3600));
    let shared: Arc<dyn Transport> = Arc::new(script.clone());
    let boxed: Box<dyn Transport> = Box::new(script.clone());
    for store in [script.builder().transport(shared), script.builder().transport(boxed)] {
        store.build().unwrap().list_ownership(&group()).await.unwrap();
    }
    let sent = script.sent();
    assert_eq!((sent.len(), script.slept().len()), (4, 2), "the pauses are the transport's");
    assert!(sent.iter().all(|sent| sent.is_streamed), "the chunks are the transport's");
    let date = httpdate::fmt_http_date(start() + Duration::from_secs(3600));
    assert_eq!(sent[0].header("x-ms-date"), date, "the clock is the transport's");
}

/// Not in the runtime that it needs.
struct Unready(Script);

#[maybe_async]
impl Transport for Unready {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        Transport::send(&self.0, request, options).await
    }

    fn ready(&self) -> Result<(), TransportError> {
        Err(TransportError::unsupported("it needs its own runtime"))
    }

    async fn sleep(&self, duration: Duration) {
        Transport::sleep(&self.0, duration).await;
    }

    fn clock(&self) -> &dyn Clock {
        Transport::clock(&self.0)
    }
}

#[maybe_async]
#[test]
async fn a_transport_that_is_not_ready_gets_no_request_and_no_token() {
    let script = Script::over(&BlobService::new("checkpoints"));
    let shared: Arc<dyn Transport> = Arc::new(Unready(script.clone()));
    let boxed: Box<dyn Transport> = Box::new(Unready(script.clone()));
    for builder in [
        script.builder().transport(Unready(script.clone())),
        script.builder().transport(shared),
        script.builder().transport(boxed),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let credential = credential_of(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            issue()
        });
        let store = builder.credential(credential).build().unwrap();
        let error = store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains("its own runtime"), "{error}");
        assert!(!error.is_outcome_unknown(), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "no token for a request that is never sent");
    }
    assert!(script.sent().is_empty() && script.slept().is_empty());
}

#[maybe_async]
async fn issue() -> Result<AccessToken, &'static str> {
    Ok(AccessToken::new("token", start() + Duration::from_secs(3600)))
}
