//! The trait of blob containers. Custom containers implement it.

mod memory;
mod rest;

use std::sync::Arc;

use super::{AccessToken, Credential, LOG, Transport, maybe_async};

use crate::clock::{Clock, SystemClock};
use crate::container::{
    AccountInformation, BlobContent, BlobProperties, BlobVisitor, BlobWritten, ContainerProperties,
    CreateContainer, DeleteBlob, GetAccountInformation, GetBlob, GetBlobProperties,
    GetContainerProperties, GetServiceProperties, ListBlobs, PageEnd, PutBlob, ServiceProperties,
    SetBlobMetadata,
};
use crate::error::{Error, ErrorKind, Result};
pub(super) use rest::RestContainer;

/// A container of blobs with metadata, ETags and conditional writes.
///
/// The guarantees of the store depend on atomic conditions: of two writes with
/// [`Condition::NotExists`](crate::container::Condition::NotExists), or with the same
/// [`Condition::Matches`](crate::container::Condition::Matches), exactly one succeeds, and every write creates a new ETag.
///
/// Rules for errors:
///
/// - [`ErrorKind::ConditionNotMet`] if the condition of a write does not hold. If an earlier attempt of the same call may
///   have been applied, set [`Error::with_applied`], so that the store finds out who won.
/// - [`ErrorKind::BlobNotFound`] and [`ErrorKind::ContainerNotFound`] must be distinguished.
/// - Any other kind counts as a failure. If the write may have been applied, set [`Error::with_applied`] as above.
///
/// New operations will be added as provided methods, and new parts of requests and results as fields of `#[non_exhaustive]`
/// structs.
///
/// # Example
///
/// A container that wraps another one and counts writes:
///
#[doc = example!("container/blob_container")]
#[maybe_async]
pub trait BlobContainer: Send + Sync {
    /// Writes an empty block blob with metadata, replacing what is there unless the condition forbids it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConditionNotMet`], [`ErrorKind::ContainerNotFound`], or a failure.
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten>;

    /// Replaces all metadata of an existing blob.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConditionNotMet`], [`ErrorKind::BlobNotFound`], [`ErrorKind::ContainerNotFound`], or a failure.
    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten>;

    /// Reads the metadata, ETag and time of a blob.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BlobNotFound`], [`ErrorKind::ContainerNotFound`], or a failure.
    async fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties>;

    /// Shows each blob of one page to `visitor`, in the order of their names, and returns the end of the page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ContainerNotFound`], or a failure. The store then discards the blobs that were shown.
    async fn list_blobs(
        &self,
        request: ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd>;

    /// Reads a blob with its content. Only needed for the checkpoints of legacy processors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BlobNotFound`], [`ErrorKind::ContainerNotFound`], or a failure. With a
    /// [`max_length`](GetBlob::max_length), an empty blob may fail with the status 416, as with the service.
    async fn get_blob(&self, request: GetBlob<'_>) -> Result<BlobContent> {
        Err(Error::new(ErrorKind::Other, "this container does not read content")
            .with_blob(request.name))
    }

    /// Deletes a blob. Only needed to delete checkpoints.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConditionNotMet`], [`ErrorKind::BlobNotFound`], [`ErrorKind::ContainerNotFound`], or a failure.
    async fn delete_blob(&self, request: DeleteBlob<'_>) -> Result<()> {
        Err(Error::new(ErrorKind::Other, "this container does not delete blobs")
            .with_blob(request.name))
    }

    /// Creates the container. Only needed for `create_container_if_not_exists`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ContainerAlreadyExists`], or a failure.
    async fn create_container(&self, _request: CreateContainer<'_>) -> Result<()> {
        Err(Error::new(ErrorKind::Other, "this container cannot be created"))
    }

    /// Reads the properties of the container. Only needed for `get_container_properties` of the store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ContainerNotFound`] if the container does not exist.
    async fn get_container_properties(
        &self,
        _request: GetContainerProperties<'_>,
    ) -> Result<ContainerProperties> {
        Err(Error::new(ErrorKind::Other, "this container does not report properties"))
    }

    /// Reads the kind and the redundancy of the account. Only needed for `get_account_information` of the store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Other`] if the container is in no account.
    async fn get_account_information(
        &self,
        _request: GetAccountInformation<'_>,
    ) -> Result<AccountInformation> {
        Err(Error::new(ErrorKind::Other, "this container is in no account"))
    }

    /// Reads the settings that apply to all containers of the account. Only needed for `get_service_properties` of the store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Other`] if the container is in no account.
    async fn get_service_properties(
        &self,
        _request: GetServiceProperties<'_>,
    ) -> Result<ServiceProperties> {
        Err(Error::new(ErrorKind::Other, "this container is in no account"))
    }

    /// Returns the clock for deadlines and leases. Default: the system's.
    fn clock(&self) -> &dyn Clock {
        &SystemClock
    }
}

pointers!(BlobContainer {
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten>;
    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten>;
    async fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties>;
    async fn list_blobs(&self, request: ListBlobs<'_>, visitor: &mut dyn BlobVisitor) -> Result<PageEnd>;
    async fn get_blob(&self, request: GetBlob<'_>) -> Result<BlobContent>;
    async fn delete_blob(&self, request: DeleteBlob<'_>) -> Result<()>;
    async fn create_container(&self, request: CreateContainer<'_>) -> Result<()>;
    async fn get_container_properties(&self, request: GetContainerProperties<'_>) -> Result<ContainerProperties>;
    async fn get_account_information(&self, request: GetAccountInformation<'_>) -> Result<AccountInformation>;
    async fn get_service_properties(&self, request: GetServiceProperties<'_>) -> Result<ServiceProperties>;
    fn clock(&self) -> &dyn Clock;
});
