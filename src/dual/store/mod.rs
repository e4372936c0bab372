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
/// Cloning is cheap. All clones share one connection pool, which is closed with the last of them. The format is the same as
/// in the stores of the other SDKs, so consumers in any language can share partitions over one container.
///
/// # Time limits
///
/// Every call has a deadline, by default 20 s, which covers all attempts, pages and claims.
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
    /// Creates a store in the account that a connection string names. Nothing is sent yet.
    ///
    /// Accepts the connection strings of the portal, SAS connection strings, and `UseDevelopmentStorage=true`.
    ///
    #[doc = example!("store/from_connection_string")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the string or the container's name is not valid;
    /// [`ErrorKind::Configuration`] if it needs a Cargo feature that is not enabled.
    pub fn from_connection_string(connection_string: &str, container_name: &str) -> Result<Self> {
        Self::builder_from_connection_string(connection_string, container_name).build()
    }

    /// Creates a store in an account by the URL of its blob service, such as `https://contoso.blob.core.windows.net`.
    /// Nothing is sent yet. A SAS in the URL is used if the credential is anonymous.
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

    /// Returns a builder for a store in an account by its URL.
    ///
    #[cfg_attr(not(doctest), doc = example!("store/builder"))]
    pub fn builder(blob_account_url: &str, container_name: &str) -> BlobCheckpointStoreBuilder {
        BlobCheckpointStoreBuilder::from_url(blob_account_url, container_name)
    }

    /// Returns a builder for a store in the account that a connection string names.
    ///
    #[cfg_attr(not(doctest), doc = example!("store/builder"))]
    pub fn builder_from_connection_string(
        connection_string: &str,
        container_name: &str,
    ) -> BlobCheckpointStoreBuilder {
        BlobCheckpointStoreBuilder::from_connection_string(connection_string, container_name)
    }

    /// Creates a store in memory, for tests and demonstrations. It enforces the conditions of the service.
    ///
    /// Clones share the records. To give each consumer its own store, even on both surfaces, share a [`MemoryContainer`]
    /// with [`from_container`](Self::from_container).
    ///
    #[doc = example!("store/in_memory")]
    pub fn in_memory() -> Self {
        Self::from_container(MemoryContainer::new())
    }

    /// Creates a store over a custom container, with default options.
    ///
    #[doc = example!("store/from_container")]
    pub fn from_container(container: impl BlobContainer + 'static) -> Self {
        Self::assemble(Box::new(container), StoreOptions::default())
    }

    pub(super) fn assemble(container: Box<dyn BlobContainer>, options: StoreOptions) -> Self {
        let inner = Inner { container, options, warned: Warned::default() };
        Self { inner: Arc::new(inner), options: Arc::default() }
    }

    /// Returns the same store with these options for its calls. The connections are shared.
    ///
    #[doc = example!("store/with_options")]
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Self {
        Self { inner: Arc::clone(&self.inner), options: Arc::new(options) }
    }

    /// Returns the same store with changed options.
    pub(crate) fn with_changed_options(
        &self,
        change: impl FnOnce(CallOptions) -> CallOptions,
    ) -> Self {
        self.with_options(change((*self.options).clone()))
    }

    /// Returns the same store with a time limit for whole calls, unless its own limit is shorter.
    pub(super) fn limited_to(&self, limit: std::time::Duration) -> Self {
        let own = self.options.timeout().unwrap_or(self.inner.options.call_timeout);
        self.with_changed_options(|options| options.with_timeout(own.min(limit)))
    }

    /// Returns whether the secondary may respond to reads.
    fn allows_secondary(&self) -> bool {
        !self.options.primary_only()
    }

    /// Drops this handle. The connections are closed with the last clone. Nothing waits for the network.
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

    /// Returns the deadline of a call that begins now.
    pub(super) fn deadline(&self) -> Instant {
        let limit = self.options.timeout().unwrap_or(self.inner.options.call_timeout);
        let now = self.container().clock().now();
        // A limit that the clock cannot express is no limit.
        now.checked_add(limit).unwrap_or(now + MAX_CALL_TIMEOUT)
    }

    pub(super) fn context(&self, deadline: Instant) -> CallContext<'_> {
        CallContext::new(&self.options).with_deadline(Some(deadline))
    }
}

#[maybe_async]
impl BlobCheckpointStore {
    /// Claims partitions. The ETag of each ownership decides whether it is a first claim, a renewal or a takeover.
    ///
    /// Sends one request per claim, several at a time, and returns one outcome per claim in the same order, so a failure
    /// never hides a success. A claim whose record has vanished becomes a first claim. A won claim returns a new ETag,
    /// which the next renewal needs. If the response to a claim is lost, two more requests find out who won. A lost claim
    /// takes one more request to name the current owner.
    ///
    /// Two claims fail with [`ErrorKind::InvalidInput`] without a request: a listed record, which still names its current
    /// owner ([`claimed_by`](PartitionOwnership::claimed_by) turns it into a claim), and a second claim of a partition in
    /// the same batch. A blob with a lease cannot be claimed; the outcome is [`Failed`](crate::ClaimOutcome::Failed) with
    /// the code `LeaseIdMissing`, not lost.
    ///
    #[doc = example!("store/claim_ownership")]
    pub async fn claim_ownership(&self, ownerships: &[PartitionOwnership]) -> Claims {
        claims::claim_all(self, ownerships).await
    }

    /// Relinquishes partitions, so that other consumers need not wait until the ownerships expire. Only records that still
    /// have the given ETag are changed. A record that has vanished counts as released.
    ///
    /// Returns one outcome per ownership, like [`claim_ownership`](Self::claim_ownership). An ownership without an ETag
    /// fails with [`ErrorKind::InvalidInput`].
    ///
    #[doc = example!("store/relinquish_ownership")]
    pub async fn relinquish_ownership(&self, ownerships: &[PartitionOwnership]) -> Relinquished {
        claims::relinquish_all(self, ownerships).await.into()
    }

    /// Stores a checkpoint. It replaces whatever is stored, even a later position.
    ///
    /// A request whose response was lost may reach the service late, even after later checkpoints were stored and
    /// acknowledged. It then restores the older position, and the next owner processes the events after it again. No event
    /// is skipped, and the next update corrects the position. A [`fenced`](Self::fenced) store prevents this, because each
    /// of its writes replaces one specific version. It also keeps out a former owner of the partition.
    ///
    /// Sends one request, or two for the first checkpoint of a partition. It sets metadata first, because with soft delete
    /// enabled, rewriting the blob would keep a deleted version each time
    /// ([azure-sdk-for-python#12836](https://github.com/Azure/azure-sdk-for-python/issues/12836)).
    ///
    #[doc = example!("store/update_checkpoint")]
    ///
    /// # Errors
    ///
    /// Any failure of a request; [`ErrorKind::ContainerNotFound`] without a retry. If
    /// [`Error::is_outcome_unknown`](crate::Error::is_outcome_unknown), the checkpoint may have been stored; it is safe to
    /// store it again.
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

    /// Deletes the checkpoint of a partition. Returns whether there was one. If a response was lost and a retry finds no
    /// checkpoint, the lost request counts as the one that deleted it.
    ///
    /// Consumers without a checkpoint begin at their configured start. Make sure that none is running.
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
            // An earlier attempt whose response was lost may have deleted it.
            Err(error) if error.kind() == ErrorKind::BlobNotFound => Ok(error.is_outcome_unknown()),
            Err(error) => Err(error.with_action("delete the checkpoint")),
        }
    }

    /// Creates the container unless it exists. Returns whether this call created it. If a response was lost and a retry
    /// finds the container, the lost request counts as the one that created it.
    ///
    #[doc = example!("store/create_container")]
    ///
    /// # Errors
    ///
    /// Any failure of the request; while a container is being deleted, [`ErrorKind::ContainerNotFound`] for about 30 s.
    pub async fn create_container_if_not_exists(&self) -> Result<bool> {
        let request = CreateContainer::new(self.context(self.deadline()));
        match self.container().create_container(request).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::ContainerAlreadyExists => {
                // An earlier attempt whose response was lost may have created it.
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
