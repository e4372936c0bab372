//! Which consumer groups have records in the container.

use super::{BlobCheckpointStore, maybe_async};
use crate::error::Result;
use crate::model::{ConsumerGroupSummary, Listing};
use crate::records::groups::GroupReader;

#[maybe_async]
impl BlobCheckpointStore {
    /// Lists every consumer group that has a checkpoint or an ownership in the container, whichever SDK wrote it.
    ///
    /// Use it to see what is in a container, or why a list of one group is empty: names that differ in case are
    /// different groups, and so are fleets of different [naming](crate::NameCase). The names are those of the blobs,
    /// sorted; a group that has upper-case letters is read by a store with
    /// [`NameCase::AsGiven`](crate::NameCase::AsGiven). The name of an event hub may contain slashes.
    ///
    /// The whole container is listed, one request per 5,000 blobs, and counted as it streams in: memory grows with groups
    /// and owners, not with blobs. Other blobs are ignored. Records that are not readable are named in
    /// [`Listing::skipped`]. For a large container, raise the time limit with
    /// [`with_options`](Self::with_options).
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
