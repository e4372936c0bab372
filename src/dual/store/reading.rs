//! Lists and single reads: which names are asked for, and what becomes of blobs that are not readable.

use std::time::Instant;

use super::{BlobCheckpointStore, maybe_async};
use crate::container::{GetBlobProperties, ListBlobs};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Checkpoint, ConsumerGroup, Listing, PartitionOwnership, SkippedBlob, check_partition_id,
};
use crate::records::listing::{ListingReader, PageReader, Record, log_left_out};
use crate::records::naming::{BlobKind, prefix};
use crate::records::stored::StoredCheckpoint;

#[maybe_async]
impl BlobCheckpointStore {
    /// Lists who owns which partition of a group, relinquished partitions included.
    ///
    /// One request per 5,000 partitions. A blob that is not readable is left out and named in
    /// [`Listing::skipped`]; it never fails the list.
    ///
    /// After a failure of the primary the secondary may respond, if the store knows one:
    /// [`Listing::is_from_secondary`]. Do not claim by such a list, whose ETags may be old; to rule it out, set
    /// [`with_primary_only`](crate::CallOptions::with_primary_only).
    ///
    #[doc = example!("store/list_ownership")]
    ///
    /// # Errors
    ///
    /// Any failure of a request; a list that is cut short is [`ErrorKind::InvalidResponse`], never a shorter list.
    pub async fn list_ownership(
        &self,
        group: &ConsumerGroup,
    ) -> Result<Listing<PartitionOwnership>> {
        self.list(group, self.allows_secondary())
            .await
            .map_err(|error| error.with_action("list the ownerships"))
    }

    /// Lists the checkpoints of a group. One request per 5,000 partitions.
    ///
    #[doc = example!("store/list_checkpoints")]
    ///
    /// # Errors
    ///
    /// As [`list_ownership`](Self::list_ownership).
    pub async fn list_checkpoints(&self, group: &ConsumerGroup) -> Result<Listing<Checkpoint>> {
        let allow_secondary =
            self.store_options().list_checkpoints_from_secondary && self.allows_secondary();
        self.list(group, allow_secondary)
            .await
            .map_err(|error| error.with_action("list the checkpoints"))
    }

    /// Reads the checkpoint of one partition, in one request; `None` if there is none.
    ///
    /// After a failure of the primary the secondary may answer, if the store knows one, with a position that may lag by
    /// minutes: events are repeated then, none is left out. [`list_checkpoints`](Self::list_checkpoints) never asks it
    /// unless it was allowed.
    ///
    #[doc = example!("store/get_checkpoint")]
    ///
    /// # Errors
    ///
    /// Any failure of the request: a failed read is never `None`.
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
                    self.judge(&[SkippedBlob::new(name, reason)])?;
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

    /// The blob of a checkpoint, readable or not; `None` if there is none.
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
        self.judge(listing.skipped())?;
        Ok(listing)
    }

    /// Lists the records under a prefix, and under another one those of the partitions that the first does not have.
    pub(super) async fn list_under<T: Record + Send>(
        &self,
        group: &ConsumerGroup,
        prefixes: &[String],
        allow_secondary: bool,
        deadline: Instant,
    ) -> Result<Listing<T>> {
        let mut reader = ListingReader::new(group);
        for prefix in prefixes {
            reader.begin(prefix);
            self.read_pages(prefix, allow_secondary, deadline, &mut reader).await?;
        }
        Ok(reader.finish(self.warned()))
    }

    /// Shows a reader every page of a list.
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
                let message = "the time of the whole call is over before the list is complete";
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
    /// Where records are read: under the own naming, then, if that was asked for, under the other one.
    pub(super) fn prefixes(&self, group: &ConsumerGroup, kind: BlobKind) -> Vec<String> {
        let options = self.store_options();
        let own = prefix(group, kind, options.name_case);
        let other = prefix(group, kind, options.name_case.other());
        if options.read_fallback && own != other { vec![own, other] } else { vec![own] }
    }

    /// Warns of unreadable blobs, or fails if the store was told to be strict.
    pub(super) fn judge(&self, skipped: &[SkippedBlob]) -> Result<()> {
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
