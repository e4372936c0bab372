//! The checkpoint store over a container of blobs.

mod builder;
mod checkpoint_store;
mod claims;
mod conditional;
mod consumer_groups;
mod fenced;
#[cfg(feature = "legacy")]
mod legacy;
mod properties;
mod reading;
mod reset;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::container::RestContainer;
use super::{BlobContainer, Credential, LOG, Transport, default_transport, maybe_async, runtime};
pub use builder::BlobCheckpointStoreBuilder;
pub use checkpoint_store::CheckpointStore;
pub use fenced::FencedCheckpointStore;

use crate::container::call::CallOptions;
use crate::container::memory::MemoryContainer;
use crate::container::{
    CallContext, Condition, CreateContainer, DeleteBlob, PutBlob, SetBlobMetadata,
};
use crate::error::{ErrorKind, Result};
use crate::model::{
    Checkpoint, CheckpointWritten, Claims, ConsumerGroup, PartitionOwnership, Relinquished,
    check_partition_id,
};
use crate::options::{MAX_CALL_TIMEOUT, StoreOptions};
use crate::records::checkpoint as codec;
use crate::records::listing::Warned;
use crate::records::naming::{BlobKind, blob_name};

/// Keeps ownerships and checkpoints of Event Hubs consumers in a blob container.
///
/// Cheap to clone; all clones share one connection pool, which ends with the last of them. What it stores is what
/// the stores of the other SDKs store, so consumers in any language share partitions over one container.
///
/// # Time limits
///
/// Every call has a deadline, 20 s by default, over all its attempts, pages and claims.
///
/// # Example
///
#[doc = example!("store/overview")]
#[derive(Clone)]
pub struct BlobCheckpointStore {
    inner: Arc<Inner>,
    options: Arc<CallOptions>,
}

struct Inner {
    container: Box<dyn BlobContainer>,
    options: StoreOptions,
    warned: Warned,
}

impl BlobCheckpointStore {
    /// A store in the account that a connection string names. Nothing is sent yet.
    ///
    /// Understands what the portal shows, a SAS connection string, and `UseDevelopmentStorage=true`.
    ///
    #[doc = example!("store/from_connection_string")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the string or the container's name is not valid;
    /// [`ErrorKind::Configuration`] if it needs a Cargo feature that is not switched on.
    pub fn from_connection_string(connection_string: &str, container_name: &str) -> Result<Self> {
        Self::builder_from_connection_string(connection_string, container_name).build()
    }

    /// A store in an account by the URL of its blob service, as in `https://contoso.blob.core.windows.net`.
    /// Nothing is sent yet. A SAS in the URL counts if the credential is anonymous.
    ///
    #[doc = example!("store/new")]
    ///
    /// # Errors
    ///
    /// As [`from_connection_string`](Self::from_connection_string); a token credential needs https.
    pub fn new(
        blob_account_url: &str,
        container_name: &str,
        credential: impl Into<Credential>,
    ) -> Result<Self> {
        Self::builder(blob_account_url, container_name).credential(credential).build()
    }

    /// Sets every option of a store in an account by its URL.
    ///
    #[cfg_attr(not(doctest), doc = example!("store/builder"))]
    pub fn builder(blob_account_url: &str, container_name: &str) -> BlobCheckpointStoreBuilder {
        BlobCheckpointStoreBuilder::from_url(blob_account_url, container_name)
    }

    /// Sets every option of a store in the account that a connection string names.
    ///
    #[cfg_attr(not(doctest), doc = example!("store/builder"))]
    pub fn builder_from_connection_string(
        connection_string: &str,
        container_name: &str,
    ) -> BlobCheckpointStoreBuilder {
        BlobCheckpointStoreBuilder::from_connection_string(connection_string, container_name)
    }

    /// A store in memory, for tests and demonstrations. It keeps the conditions of the service.
    ///
    /// Clones share the records. For consumers with stores of their own, also of both surfaces, share a
    /// [`MemoryContainer`] with [`from_container`](Self::from_container).
    ///
    #[doc = example!("store/in_memory")]
    pub fn in_memory() -> Self {
        Self::from_container(MemoryContainer::new())
    }

    /// A store over a container of your own, with default options.
    ///
    #[doc = example!("store/from_container")]
    pub fn from_container(container: impl BlobContainer + 'static) -> Self {
        Self::assemble(Box::new(container), StoreOptions::default())
    }

    pub(super) fn assemble(container: Box<dyn BlobContainer>, options: StoreOptions) -> Self {
        let inner = Inner { container, options, warned: Warned::default() };
        Self { inner: Arc::new(inner), options: Arc::default() }
    }

    /// The same store, whose calls carry these options. The connections are shared.
    ///
    #[doc = example!("store/with_options")]
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Self {
        Self { inner: Arc::clone(&self.inner), options: Arc::new(options) }
    }

    /// The same store, with some of its options changed.
    pub(crate) fn with_changed_options(
        &self,
        change: impl FnOnce(CallOptions) -> CallOptions,
    ) -> Self {
        self.with_options(change((*self.options).clone()))
    }

    /// The same store and options, with a limit of the whole call that only gets shorter.
    pub(super) fn limited_to(&self, limit: std::time::Duration) -> Self {
        let own = self.options.timeout().unwrap_or(self.inner.options.call_timeout);
        self.with_changed_options(|options| options.with_timeout(own.min(limit)))
    }

    /// Whether a read that may be answered by the secondary is allowed to be.
    fn allows_secondary(&self) -> bool {
        !self.options.primary_only()
    }

    /// Ends this handle. Connections are closed with the last clone; neither waits for the network.
    pub fn close(self) {}

    pub(super) fn container(&self) -> &dyn BlobContainer {
        &*self.inner.container
    }

    pub(super) fn claim_concurrency(&self) -> usize {
        self.inner.options.claim_concurrency
    }

    pub(super) fn store_options(&self) -> &StoreOptions {
        &self.inner.options
    }

    pub(super) fn warned(&self) -> &Warned {
        &self.inner.warned
    }

    pub(super) fn name(&self, group: &ConsumerGroup, kind: BlobKind, partition_id: &str) -> String {
        blob_name(group, kind, partition_id, self.inner.options.name_case)
    }

    /// When a call that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        let limit = self.options.timeout().unwrap_or(self.inner.options.call_timeout);
        let now = self.container().clock().now();
        // What no clock can express is no limit.
        now.checked_add(limit).unwrap_or(now + MAX_CALL_TIMEOUT)
    }

    pub(super) fn context(&self, deadline: Instant) -> CallContext<'_> {
        CallContext::new(&self.options).with_deadline(Some(deadline))
    }
}

#[maybe_async]
impl BlobCheckpointStore {
    /// Claims partitions: first claims, renewals and takeovers, as each ownership says by its ETag.
    ///
    /// One request per claim, several at a time. An outcome per claim comes back in the order of the claims, so a
    /// failure never hides what was won. A claim whose record has vanished becomes a first claim. Winning gives a new
    /// ETag, which the next renewal needs. If the response to a claim is lost, two more requests find out who won; a lost
    /// claim takes one more to name the present owner.
    ///
    /// Fails with [`ErrorKind::InvalidInput`], without a request: a record as it was listed, which names its present
    /// owner ([`claimed_by`](PartitionOwnership::claimed_by) makes it a claim), and a second claim of one partition in
    /// the same batch. A blob on which somebody holds a lease cannot be claimed: that is
    /// [`Failed`](crate::ClaimOutcome::Failed) with the code `LeaseIdMissing`, not lost.
    ///
    #[doc = example!("store/claim_ownership")]
    pub async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims {
        claims::claim_all(self, ownerships).await
    }

    /// Gives partitions up, so that others need not wait until the claims expire. Only records whose ETag is still
    /// the given one are touched; one that has vanished counts as given up.
    ///
    /// One outcome per ownership, as of [`claim_ownership`](Self::claim_ownership). An ownership without an ETag fails with
    /// [`ErrorKind::InvalidInput`].
    ///
    #[doc = example!("store/relinquish_ownership")]
    pub async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished {
        claims::relinquish_all(self, ownerships).await.into()
    }

    /// Stores a checkpoint over whatever is stored, an older or a later position.
    ///
    /// A request whose response was lost may reach the service late, even after later checkpoints were stored and
    /// acknowledged: the older position then stands, and the next owner processes the events after it again. Nothing is
    /// skipped, and the next update corrects it. A [`fenced`](Self::fenced) store rules it out, because each of its writes
    /// replaces one version only; it also keeps out a former owner of the partition.
    ///
    /// One request, two for the first checkpoint of a partition: metadata is set first, because writing the blob anew
    /// would keep a deleted version each time where soft delete is on
    /// ([azure-sdk-for-python#12836](https://github.com/Azure/azure-sdk-for-python/issues/12836)).
    ///
    #[doc = example!("store/update_checkpoint")]
    ///
    /// # Errors
    ///
    /// Any failure of a request; [`ErrorKind::ContainerNotFound`] at once. With [`Error::is_outcome_unknown`](crate::Error::is_outcome_unknown) it may be
    /// stored all the same; storing it again does no harm.
    pub async fn update_checkpoint(&self, checkpoint: &Checkpoint) -> Result<CheckpointWritten> {
        let name = self.name(checkpoint.group(), BlobKind::Checkpoint, checkpoint.partition_id());
        let encoded = codec::encode(checkpoint);
        let metadata = encoded.metadata();
        let context = self.context(self.deadline());

        let set = SetBlobMetadata::new(&name, &metadata, Condition::None, context);
        let written = match self.container().set_blob_metadata(set).await {
            Err(error) if error.kind() == ErrorKind::BlobNotFound => {
                let put = PutBlob::new(&name, &metadata, Condition::None, context);
                let written = self.container().put_blob(put).await;
                // The first request may still arrive.
                written.map_err(|later| later.with_earlier(error.applied()))
            }
            other => other,
        };
        let written = written.map_err(|error| error.with_action("update the checkpoint"))?;
        Ok(CheckpointWritten::new(written.etag, written.last_modified))
    }

    /// Deletes the checkpoint of a partition. Returns whether there was one; where an answer was lost and the next one
    /// says that there is none, the lost request counts as the one that deleted it.
    ///
    /// Consumers without a checkpoint begin at their configured start; see that none is running.
    ///
    #[doc = example!("store/delete_checkpoint")]
    ///
    /// # Errors
    ///
    /// Any failure of the request.
    pub async fn delete_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<bool> {
        check_partition_id(partition_id)?;
        let name = self.name(group, BlobKind::Checkpoint, partition_id);
        let request = DeleteBlob::new(&name, Condition::None, self.context(self.deadline()));
        match self.container().delete_blob(request).await {
            Ok(()) => Ok(true),
            // An earlier attempt whose answer was lost may have deleted it.
            Err(error) if error.kind() == ErrorKind::BlobNotFound => Ok(error.is_outcome_unknown()),
            Err(error) => Err(error.with_action("delete the checkpoint")),
        }
    }

    /// Creates the container unless it exists. Returns whether this call created it; where an answer was lost and the
    /// next one says that it exists, the lost request counts as the one that created it.
    ///
    #[doc = example!("store/create_container")]
    ///
    /// # Errors
    ///
    /// Any failure of the request; a container that is being deleted is
    /// [`ErrorKind::ContainerNotFound`] for about 30 s.
    pub async fn create_container_if_not_exists(&self) -> Result<bool> {
        let request = CreateContainer::new(self.context(self.deadline()));
        match self.container().create_container(request).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::ContainerAlreadyExists => {
                // An earlier attempt whose answer was lost may have created it.
                Ok(error.is_outcome_unknown())
            }
            Err(error) => Err(error.with_action("create the container")),
        }
    }
}

impl fmt::Debug for BlobCheckpointStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobCheckpointStore")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}
