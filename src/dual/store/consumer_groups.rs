//! Lists the consumer groups with records in the container.

use super::{BlobCheckpointStore, maybe_async};
use crate::error::Result;
use crate::model::{ConsumerGroupSummary, Listing};
use crate::records::groups::GroupReader;

#[maybe_async]
impl BlobCheckpointStore {
    /// Lists every consumer group with a checkpoint or an ownership in the container, whichever SDK wrote it.
    ///
    /// Use it to see what a container holds, or why the list of a group is empty: names that differ only in case are
    /// different groups, and so are fleets with different [naming](crate::NameCase). The names are those in the blob names,
    /// sorted. To read a group with upper-case letters, use a store with [`NameCase::AsGiven`](crate::NameCase::AsGiven).
    /// The name of an event hub may contain slashes.
    ///
    /// The whole container is listed, with one request per 5,000 blobs, and counted as it streams in. Memory grows with
    /// groups and owners, not with blobs. Other blobs are ignored. [`Listing::skipped`] names unreadable records. For a
    /// large container, raise the time limit with [`with_options`](Self::with_options).
    ///
    #[doc = example!("store/list_consumer_groups")]
    ///
    /// # Errors
    ///
    /// As [`list_ownership`](Self::list_ownership).
    pub async fn list_consumer_groups(&self) -> Result<Listing<ConsumerGroupSummary>> {
        let mut groups = GroupReader::default();
        let read = self.read_pages("", self.allows_secondary(), self.deadline(), &mut groups).await;
        read.map_err(|error| error.with_action("list the consumer groups"))?;
        let listing = groups.finish(self.warned());
        self.judge(listing.skipped())?;
        Ok(listing)
    }
}
