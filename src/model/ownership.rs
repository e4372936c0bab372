//! Ownerships: who owns a partition.

use std::hash::{Hash, Hasher};
use std::time::{Duration, SystemTime};

use super::check::{check_header_text, check_partition_id};
use super::text::Text;
use super::{ConsumerGroup, ETag, RecordId, Version};
use crate::error::{Error, Result};

/// The ownership of a partition, either as stored or as a claim.
///
/// Without an ETag it is a first claim, which succeeds only while the partition has no record. With the ETag of a listed
/// record it renews or takes over exactly that version.
///
/// A listed record names its current owner, so it is not a claim yet: `claim_ownership` refuses it until
/// [`claimed_by`](Self::claimed_by) sets the claimant. A record that a claim returned can be renewed as it is. Serialization
/// keeps this difference, as the field `listed`; a form without this field is a claim.
///
/// ```
/// use eventhub_checkpointstore::{ConsumerGroup, PartitionOwnership};
///
/// let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
/// let first = PartitionOwnership::new(&group, "0", "consumer-a")?;
/// assert_eq!(first.owner_id(), Some("consumer-a"));
/// assert!(first.etag().is_none());
/// # Ok::<(), eventhub_checkpointstore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(
        try_from = "super::serde_form::OwnershipForm",
        into = "super::serde_form::OwnershipForm"
    )
)]
pub struct PartitionOwnership {
    group: ConsumerGroup,
    partition_id: Text,
    owner_id: Option<Text>,
    etag: Option<ETag>,
    last_modified: Option<SystemTime>,
    source: Source,
}

/// The origin of a record. It is not part of the record's value, so all origins are equal.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The caller has set the claimant.
    Claim,
    /// The record was read, so its owner is the current one.
    Store,
}

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl PartitionOwnership {
    /// Creates a first claim of a partition.
    ///
    #[doc = shared_example!("model/ownership_new")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the partition id cannot be part of a blob name (see
    /// [`ConsumerGroup::new`]; 128 characters at most), or if the owner id is empty, longer than 4,096 bytes, not printable
    /// ASCII, or begins or ends with a blank.
    pub fn new(
        group: &ConsumerGroup,
        partition_id: impl Into<String>,
        owner_id: impl Into<String>,
    ) -> Result<Self> {
        let (partition_id, owner_id) = (partition_id.into(), owner_id.into());
        check_partition_id(&partition_id)?;
        check_owner_id(&owner_id)?;
        let id = RecordId { group, partition_id: &partition_id };
        Ok(Self::from_storage(id, Some(&owner_id), Version::default()).into_claim())
    }

    /// Creates a first claim without an owner, which only the interfaces of other crates ask for.
    #[cfg(feature = "aio")]
    pub(crate) fn unowned(group: &ConsumerGroup, partition_id: &str) -> Result<Self> {
        check_partition_id(partition_id)?;
        let id = RecordId { group, partition_id };
        Ok(Self::from_storage(id, None, Version::default()).into_claim())
    }

    /// Creates a record that was read. The owner id is not checked, so that no foreign record is refused.
    #[inline]
    pub(crate) fn from_storage(id: RecordId<'_>, owner_id: Option<&str>, version: Version) -> Self {
        Self {
            group: id.group.clone(),
            partition_id: id.partition_id.into(),
            owner_id: owner_id.map(Text::from),
            etag: version.etag,
            last_modified: version.last_modified,
            source: Source::Store,
        }
    }

    /// Returns the record as a claim for the owner that it names.
    pub(crate) fn into_claim(mut self) -> Self {
        self.source = Source::Claim;
        self
    }

    /// Returns whether the record was read and has no claimant yet.
    pub(crate) fn is_as_listed(&self) -> bool {
        matches!(self.source, Source::Store)
    }

    /// Returns the record as a claim for an owner. The ETag stays, so the claim can take over only this version.
    ///
    /// ```
    /// # use eventhub_checkpointstore::{ConsumerGroup, ETag, PartitionOwnership};
    /// # let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;
    /// let listed = PartitionOwnership::new(&group, "0", "gone")?.with_etag(ETag::new("0x1")?);
    /// let takeover = listed.claimed_by("consumer-b")?;
    /// assert_eq!((takeover.owner_id(), takeover.etag()), (Some("consumer-b"), listed.etag()));
    /// # Ok::<(), eventhub_checkpointstore::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an owner id that cannot be stored, as in
    /// [`new`](Self::new).
    pub fn claimed_by(&self, owner_id: impl Into<String>) -> Result<Self> {
        let owner_id = owner_id.into();
        check_owner_id(&owner_id)?;
        Ok(Self { owner_id: Some(owner_id.into()), ..self.clone() }.into_claim())
    }

    /// Returns the record without an owner.
    #[must_use]
    pub fn released(&self) -> Self {
        Self { owner_id: None, ..self.clone() }.into_claim()
    }

    /// Binds the claim to one version of the stored record.
    ///
    #[doc = shared_example!("model/ownership_version")]
    #[must_use]
    pub fn with_etag(mut self, etag: ETag) -> Self {
        self.etag = Some(etag);
        self
    }

    /// Turns it back into a first claim, which succeeds only while no record exists.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/ownership_version"))]
    #[must_use]
    pub fn without_etag(mut self) -> Self {
        self.etag = None;
        self
    }

    /// Sets the time of the last write, by the server's clock; for implementers of stores.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/ownership_version"))]
    #[must_use]
    pub fn with_last_modified(mut self, last_modified: SystemTime) -> Self {
        self.last_modified = Some(last_modified);
        self
    }

    /// Returns the consumer group.
    pub fn group(&self) -> &ConsumerGroup {
        &self.group
    }

    /// Returns the id of the partition.
    pub fn partition_id(&self) -> &str {
        &self.partition_id
    }

    /// Returns the owner, or `None` if the partition was relinquished.
    pub fn owner_id(&self) -> Option<&str> {
        self.owner_id.as_deref()
    }

    /// Returns whether the record names an owner. The ownership may still have expired.
    pub fn is_owned(&self) -> bool {
        self.owner_id.is_some()
    }

    /// Returns the version of the stored record, if it was listed or claimed.
    pub fn etag(&self) -> Option<&ETag> {
        self.etag.as_ref()
    }

    /// Returns the time of the last write by the server's clock, to the second.
    pub fn last_modified(&self) -> Option<SystemTime> {
        self.last_modified
    }

    /// Returns the age of the record at a time of the *server's* clock, such as [`Listing::server_time`].
    ///
    /// `None` if the record was never stored, or if the server did not report the time; zero if it was written later than
    /// that.
    ///
    /// [`Listing::server_time`]: crate::Listing::server_time
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("model/ownership_version"))]
    pub fn age(&self, server_time: SystemTime) -> Option<Duration> {
        let last_modified = self.last_modified?;
        Some(server_time.duration_since(last_modified).unwrap_or(Duration::ZERO))
    }
}

pub(super) fn check_owner_id(owner_id: &str) -> Result<()> {
    check_header_text("owner id", owner_id)?;
    if owner_id.is_empty() {
        return Err(Error::invalid_input(
            "owner id \"\": an empty owner means that nobody owns the partition; use `released`",
        ));
    }
    Ok(())
}
