//! The in-memory container as a container of this surface.

use super::{BlobContainer, maybe_async};
use crate::clock::Clock;
use crate::container::memory::MemoryContainer;
use crate::container::{
    BlobContent, BlobProperties, BlobVisitor, BlobWritten, ContainerProperties, CreateContainer,
    DeleteBlob, GetBlob, GetBlobProperties, GetContainerProperties, ListBlobs, PageEnd, PutBlob,
    SetBlobMetadata,
};
use crate::error::Result;

#[maybe_async]
impl BlobContainer for MemoryContainer {
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten> {
        self.put(&request)
    }

    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten> {
        self.set_metadata(&request)
    }

    async fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties> {
        self.properties(&request)
    }

    async fn list_blobs(
        &self,
        request: ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd> {
        self.list(&request, visitor)
    }

    async fn get_blob(&self, request: GetBlob<'_>) -> Result<BlobContent> {
        self.content(&request)
    }

    async fn delete_blob(&self, request: DeleteBlob<'_>) -> Result<()> {
        self.delete(&request)
    }

    async fn create_container(&self, _request: CreateContainer<'_>) -> Result<()> {
        self.create()
    }

    async fn get_container_properties(
        &self,
        _request: GetContainerProperties<'_>,
    ) -> Result<ContainerProperties> {
        self.container_properties()
    }

    fn clock(&self) -> &dyn Clock {
        self.own_clock()
    }
}
