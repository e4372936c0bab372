//! Lists the consumer groups with records in the container, and all records of one group or of every group.

use super::{BlobCheckpointStore, maybe_async};
use crate::error::Result;
use crate::model::{ConsumerGroup, ConsumerGroupRecords, ConsumerGroupSummary, Listing};
use crate::records::group_records::{AllRecordsReader, RecordsReader};
use crate::records::groups::GroupReader;
use crate::records::naming::group_prefix;

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
        self.check_skipped(listing.skipped())?;
        Ok(listing)
    }

    /// Lists the checkpoints and the ownerships of a group together.
    ///
    /// Use it to show the state of a group. It sends one request per 5,000 blobs, where
    /// [`list_checkpoints`](Self::list_checkpoints) and [`list_ownership`](Self::list_ownership) send at least one each, and
    /// returns the same records. Other blobs under the names of the group, such as those of legacy processors, are listed
    /// and ignored.
    ///
    /// A secondary responds only if it may for [both kinds](super::BlobCheckpointStoreBuilder::list_checkpoints_from_secondary).
    ///
    #[doc = example!("store/list_records")]
    ///
    /// # Errors
    ///
    /// As [`list_ownership`](Self::list_ownership).
    pub async fn list_records(&self, group: &ConsumerGroup) -> Result<ConsumerGroupRecords> {
        let deadline = self.deadline();
        let mut records = RecordsReader::new(group);
        for case in self.cases(group) {
            records.begin(case);
            let prefix = group_prefix(group, case);
            let allow_secondary = self.allows_secondary_for_checkpoints();
            let read = self.read_pages(&prefix, allow_secondary, deadline, &mut records).await;
            read.map_err(|error| error.with_action("list the records"))?;
        }
        let records = records.finish(self.warned());
        self.check_skipped(records.checkpoints.skipped())?;
        self.check_skipped(records.ownerships.skipped())?;
        Ok(records)
    }

    /// Lists the checkpoints and the ownerships of every group in the container, whichever SDK wrote them.
    ///
    /// Use it to export a container, or to watch all its groups. The whole container is listed, with one request per 5,000
    /// blobs, where a list for each group would take at least one request each. The groups are those of
    /// [`list_consumer_groups`](Self::list_consumer_groups), which needs less memory, with their names as in the blob names,
    /// sorted. Other blobs are ignored.
    ///
    /// Records whose blob names this store would not write have no ETag, as with
    /// [`read_other_name_case`](super::BlobCheckpointStoreBuilder::read_other_name_case): a store with
    /// [`NameCase::AsGiven`](crate::NameCase::AsGiven) returns every ETag. For a large container, raise the time limit with
    /// [`with_options`](Self::with_options).
    ///
    #[doc = example!("store/list_all_records")]
    ///
    /// # Errors
    ///
    /// As [`list_ownership`](Self::list_ownership).
    pub async fn list_all_records(&self) -> Result<Vec<ConsumerGroupRecords>> {
        let mut records = AllRecordsReader::new(self.store_options().name_case);
        let allow_secondary = self.allows_secondary_for_checkpoints();
        let read = self.read_pages("", allow_secondary, self.deadline(), &mut records).await;
        read.map_err(|error| error.with_action("list all records"))?;
        let groups = records.finish(self.warned());
        for group in &groups {
            self.check_skipped(group.checkpoints.skipped())?;
            self.check_skipped(group.ownerships.skipped())?;
        }
        Ok(groups)
    }
}
