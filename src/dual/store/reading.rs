//! Lists and single reads: the names to request, and the treatment of unreadable blobs.

use std::time::Instant;

use super::{BlobCheckpointStore, maybe_async};
use crate::container::{GetBlobProperties, ListBlobs};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Checkpoint, ConsumerGroup, Listing, PartitionOwnership, SkippedBlob, check_partition_id,
};
use crate::records::listing::{ListingReader, PageReader, Record, log_left_out};
use crate::records::naming::{BlobKind, NameCase, group_prefix, prefix};
use crate::records::stored::StoredCheckpoint;

#[maybe_async]
impl BlobCheckpointStore {
    /// Lists the ownerships of a group, including relinquished partitions.
    ///
    /// Sends one request per 5,000 partitions. An unreadable blob is skipped and named in [`Listing::skipped`]; by default
    /// it does not fail the list.
    ///
    /// If the store has a secondary, it may respond after a failure of the primary: see [`Listing::is_from_secondary`]. Do
    /// not base claims on such a list, because its ETags may be outdated. To exclude the secondary, set
    /// [`with_primary_only`](crate::CallOptions::with_primary_only).
    ///
    #[doc = example!("store/list_ownership")]
    ///
    /// # Errors
    ///
    /// Any failure of a request. A truncated list is [`ErrorKind::InvalidResponse`], never a shorter list.
    pub async fn list_ownership(
        &self,
        group: &ConsumerGroup,
    ) -> Result<Listing<PartitionOwnership>> {
        self.list(group, self.allows_secondary())
            .await
            .map_err(|error| error.with_action("list the ownerships"))
    }

    /// Lists the checkpoints of a group. Sends one request per 5,000 partitions.
    ///
    #[doc = example!("store/list_checkpoints")]
    ///
    /// # Errors
    ///
    /// As [`list_ownership`](Self::list_ownership).
    pub async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>> {
        self.list(group, self.allows_secondary_for_checkpoints())
            .await
            .map_err(|error| error.with_action("list the checkpoints"))
    }

    /// Reads the checkpoint of one partition with one request; `None` if there is none.
    ///
    /// If the store has a secondary, it may respond after a failure of the primary, with a position that may lag by
    /// minutes. Events are then repeated, but none is skipped. [`list_checkpoints`](Self::list_checkpoints) only uses the
    /// secondary if [allowed](super::BlobCheckpointStoreBuilder::list_checkpoints_from_secondary).
    ///
    #[doc = example!("store/get_checkpoint")]
    ///
    /// # Errors
    ///
    /// Any failure of the request. A failed read is never `None`.
    pub async fn get_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
    ) -> Result<Option<Checkpoint>> {
        self.read_checkpoint(group, partition_id, self.allows_secondary()).await
    }

    pub(super) async fn read_checkpoint(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
        allow_secondary: bool,
    ) -> Result<Option<Checkpoint>> {
        check_partition_id(partition_id)?;
        let deadline = self.deadline();
        let mut is_foreign = false;
        for prefix in self.prefixes(group, BlobKind::Checkpoint) {
            let name = format!("{prefix}{partition_id}");
            let stored =
                self.read_stored(group, partition_id, &name, allow_secondary, deadline).await;
            let stored = stored.map_err(|error| error.with_action("read the checkpoint"))?;
            if let Some(stored) = stored {
                if let Some(reason) = stored.decoded.defect() {
                    self.check_skipped(&[SkippedBlob::new(name, reason)])?;
                }
                if let Some(checkpoint) = stored.into_checkpoint() {
                    let foreign = is_foreign.then(|| checkpoint.clone().without_etag());
                    return Ok(Some(foreign.unwrap_or(checkpoint)));
                }
            }
            is_foreign = true;
        }
        Ok(None)
    }

    /// Reads the blob of a checkpoint, readable or not; `None` if there is none.
    pub(super) async fn read_stored(
        &self,
        group: &ConsumerGroup,
        partition_id: &str,
        name: &str,
        allow_secondary: bool,
        deadline: Instant,
    ) -> Result<Option<StoredCheckpoint>> {
        let mut request = GetBlobProperties::new(name, self.context(deadline));
        request.allow_secondary = allow_secondary;
        match self.container().get_blob_properties(request).await {
            Ok(properties) => {
                Ok(Some(StoredCheckpoint::from_properties(group, partition_id, properties)))
            }
            Err(error) if error.kind() == ErrorKind::BlobNotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list<T: Record + Send>(
        &self,
        group: &ConsumerGroup,
        allow_secondary: bool,
    ) -> Result<Listing<T>> {
        let prefixes = self.prefixes(group, T::KIND);
        let listing = self.list_under(group, &prefixes, allow_secondary, self.deadline()).await?;
        self.check_skipped(listing.skipped())?;
        Ok(listing)
    }

    /// Lists the records under a prefix, and under another prefix those of partitions that are not under the first.
    pub(super) async fn list_under<T: Record + Send>(
        &self,
        group: &ConsumerGroup,
        prefixes: &[String],
        allow_secondary: bool,
        deadline: Instant,
    ) -> Result<Listing<T>> {
        let mut reader = ListingReader::new(group);
        for prefix in prefixes {
            reader.begin(prefix.clone());
            self.read_pages(prefix, allow_secondary, deadline, &mut reader).await?;
        }
        Ok(reader.finish(self.warned()))
    }

    /// Shows every page of a list to a reader.
    pub(super) async fn read_pages<R: PageReader>(
        &self,
        prefix: &str,
        allow_secondary: bool,
        deadline: Instant,
        reader: &mut R,
    ) -> Result<()> {
        let mut marker = None;
        loop {
            if self.container().clock().now() >= deadline {
                let message = "the call's deadline passed before the list was complete";
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            let mut request = ListBlobs::new(prefix, marker.as_ref(), self.context(deadline));
            request.allow_secondary = allow_secondary;
            let end = self.container().list_blobs(request, reader).await?;
            reader.end_page(&end)?;
            marker = end.next_marker;
            if marker.is_none() {
                return Ok(());
            }
        }
    }
}

impl BlobCheckpointStore {
    /// Returns the prefixes to read: that of the store's own naming and, if configured, that of the other one.
    pub(super) fn prefixes(&self, group: &ConsumerGroup, kind: BlobKind) -> Vec<String> {
        self.cases(group).into_iter().map(|case| prefix(group, kind, case)).collect()
    }

    /// Returns the namings to read: the store's own and, if configured and different for the group, the other one.
    pub(super) fn cases(&self, group: &ConsumerGroup) -> Vec<NameCase> {
        let options = self.store_options();
        let (own, other) = (options.name_case, options.name_case.other());
        if options.read_fallback && group_prefix(group, own) != group_prefix(group, other) {
            vec![own, other]
        } else {
            vec![own]
        }
    }

    /// Returns whether a list with checkpoints may come from the secondary.
    pub(super) fn allows_secondary_for_checkpoints(&self) -> bool {
        self.store_options().list_checkpoints_from_secondary && self.allows_secondary()
    }

    /// Logs warnings about unreadable blobs, or fails if the store is configured to.
    pub(super) fn check_skipped(&self, skipped: &[SkippedBlob]) -> Result<()> {
        for blob in skipped {
            if !blob.reason.is_defect() {
                log_left_out(blob);
                continue;
            }
            if self.store_options().strict {
                return Err(Error::new(ErrorKind::InvalidData, blob.reason.to_string())
                    .with_blob(blob.name.clone()));
            }
            self.warned().warn(blob);
        }
        Ok(())
    }
}
