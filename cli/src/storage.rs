//! The records in a container, over the library: the only place that calls it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use eventhub_checkpointstore::checkpointstoreblob::{
    BlobCheckpointStore, BlobCheckpointStoreBuilder, Credential,
};
use eventhub_checkpointstore::container::{
    AccountInformation, ContainerProperties, ServiceProperties,
};
use eventhub_checkpointstore::{
    ChangeOutcome, Checkpoint, CheckpointChange, ClaimOutcome, ConsumerGroup, ConsumerGroupRecords,
    DeleteOutcome, ETag, Error, ErrorKind, Expected, KeepReason, LegacyLayout, Listing,
    MemoryContainer, NameCase, PartitionOwnership, Partitions, RelinquishOutcome, RunMode,
    UpdateOutcome,
};

use crate::args::{Auth, Global};
use crate::core::partition::{HubPartitions, Partition, Position, join};
use crate::core::plan::Seen;
use crate::core::records::Naming;
use crate::exit::Failure;
use crate::parallel;
use crate::sign_in;

/// What a container holds of a group, in numbers.
pub use eventhub_checkpointstore::ConsumerGroupSummary as GroupSummary;

/// With at least this many groups, the whole container is listed. It hardly has more pages than that.
const MANY: usize = 100;

/// A container, read and written under both spellings of names.
#[derive(Debug, Clone)]
pub struct Storage {
    lower: BlobCheckpointStore,
    as_given: BlobCheckpointStore,
    /// Its name, for messages.
    pub name: String,
}

/// What a container has of a group under one spelling.
#[derive(Debug)]
pub struct GroupRecords {
    pub group: ConsumerGroup,
    pub naming: Naming,
    pub checkpoints: Listing<Checkpoint>,
    pub ownerships: Listing<PartitionOwnership>,
}

/// Why a write was not made.
#[derive(Debug)]
pub enum WriteError {
    /// Another writer was first: the record is not the one that the plan saw.
    Conflict,
    /// It may have been applied.
    Unknown(Error),
    /// It was not applied.
    Failed(Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        if error.kind() == ErrorKind::ConditionNotMet && !error.is_outcome_unknown() {
            Self::Conflict
        } else if error.is_outcome_unknown() {
            Self::Unknown(error)
        } else {
            Self::Failed(error)
        }
    }
}

impl GroupRecords {
    fn new(records: ConsumerGroupRecords, naming: Naming) -> Self {
        let ConsumerGroupRecords { group, checkpoints, ownerships, .. } = records;
        Self { group, naming, checkpoints, ownerships }
    }

    pub fn is_empty(&self) -> bool {
        self.checkpoints.is_empty()
            && self.ownerships.is_empty()
            && self.unreadable().next().is_none()
    }

    /// The server's clock.
    pub fn server_time(&self) -> SystemTime {
        self.checkpoints.server_time()
    }

    /// The blobs of checkpoints that are not readable at all: partition and reason.
    fn unreadable(&self) -> impl Iterator<Item = (String, String)> {
        let readable = |id: &str| self.checkpoints.iter().any(|one| one.partition_id() == id);
        self.checkpoints.skipped().iter().filter(|blob| blob.reason.is_defect()).filter_map(
            move |blob| {
                let id = blob.name.rsplit('/').next()?;
                (!readable(id)).then(|| (id.to_owned(), blob.reason.to_string()))
            },
        )
    }

    pub fn partitions(&self, hub: Option<&HubPartitions>) -> Vec<Partition> {
        let unreadable: Vec<_> = self.unreadable().collect();
        join(self.checkpoints.items(), &unreadable, self.ownerships.items(), hub)
    }
}

impl Storage {
    /// The container that flags and environment name.
    pub fn open(global: &Global, vars: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let account = Account::find(global, vars)?;
        let store = |case| {
            let builder = account.builder().name_case(case).call_timeout(global.timeout);
            Ok::<_, Failure>(
                builder
                    .user_agent_prefix(concat!("eventhub-checkpoints/", env!("CARGO_PKG_VERSION")))
                    .build()?,
            )
        };
        Ok(Self {
            lower: store(NameCase::Lower)?,
            as_given: store(NameCase::AsGiven)?,
            name: account.container.clone(),
        })
    }

    /// A container in memory, for tests.
    pub fn in_memory(container: &MemoryContainer) -> Result<Self, Failure> {
        let store = |case| {
            let builder = BlobCheckpointStore::builder("http://127.0.0.1:1/memory", "memory");
            builder.name_case(case).build_with_container(container.clone())
        };
        Ok(Self {
            lower: store(NameCase::Lower)?,
            as_given: store(NameCase::AsGiven)?,
            name: "memory".to_owned(),
        })
    }

    fn store(&self, naming: Naming) -> &BlobCheckpointStore {
        match naming {
            Naming::Lower => &self.lower,
            Naming::AsGiven => &self.as_given,
        }
    }

    /// What is stored of a group, under each of the spellings; both, if its names are in lower case, are one.
    pub fn read(
        &self,
        group: &ConsumerGroup,
        namings: &[Naming],
    ) -> Result<Vec<GroupRecords>, Failure> {
        let is_lower = group.to_string() == group.to_string().to_lowercase();
        let namings = if is_lower { &namings[..1] } else { namings };
        let read = namings
            .iter()
            .map(|naming| Ok(GroupRecords::new(self.store(*naming).list_records(group)?, *naming)));
        read.collect::<Result<_, Error>>().map_err(Failure::from)
    }

    /// What protects the container.
    pub fn container_properties(&self) -> Result<ContainerProperties, Error> {
        self.lower.get_container_properties()
    }

    /// Of which kind the account is.
    pub fn account_information(&self) -> Result<AccountInformation, Error> {
        self.lower.get_account_information()
    }

    /// What holds for all containers of the account.
    pub fn service_properties(&self) -> Result<ServiceProperties, Error> {
        self.lower.get_service_properties()
    }

    /// What is stored of each of these groups, in their order. From [`MANY`] groups on one list of the container is less than
    /// a list for each.
    pub fn read_each(
        &self,
        wanted: &[(ConsumerGroup, Naming)],
    ) -> Result<Vec<GroupRecords>, Failure> {
        if wanted.len() < MANY {
            return parallel::try_map(wanted, |(group, naming)| {
                Ok(GroupRecords::new(self.store(*naming).list_records(group)?, *naming))
            });
        }
        let listed = self.as_given.list_all_records()?;
        let now = listed.first().map_or_else(SystemTime::now, |one| one.checkpoints.server_time());
        let found: BTreeMap<_, _> =
            listed.into_iter().map(|records| (records.group.to_string(), records)).collect();
        let records = wanted.iter().map(|(group, naming)| {
            match found.get(&naming.names(group)) {
                // With the names as they were asked for.
                Some(records) => GroupRecords {
                    group: group.clone(),
                    ..GroupRecords::new(records.clone(), *naming)
                },
                None => GroupRecords {
                    group: group.clone(),
                    naming: *naming,
                    checkpoints: Listing::new(Vec::new(), Vec::new(), now),
                    ownerships: Listing::new(Vec::new(), Vec::new(), now),
                },
            }
        });
        Ok(records.collect())
    }

    /// What is stored of every group, with its names as they stand in the blobs. The two spellings of a group are neighbors.
    pub fn read_all(&self) -> Result<Vec<GroupRecords>, Failure> {
        let all = self.as_given.list_all_records()?.into_iter().map(|records| {
            let naming = Naming::of(&records.group);
            GroupRecords::new(records, naming)
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by_cached_key(|records| {
            let name = records.group.to_string();
            (name.to_lowercase(), records.naming == Naming::AsGiven, name)
        });
        Ok(all)
    }

    /// Every group of the container, with its names as they stand in the blobs.
    pub fn groups(&self) -> Result<Listing<GroupSummary>, Error> {
        self.as_given.list_consumer_groups()
    }

    /// The checkpoints that an older processor left.
    pub fn legacy(
        &self,
        group: &ConsumerGroup,
        layout: &LegacyLayout,
    ) -> Result<Listing<Checkpoint>, Error> {
        self.lower.list_legacy_checkpoints(group, layout)
    }

    /// The owners of a group.
    pub fn owners(
        &self,
        group: &ConsumerGroup,
        naming: Naming,
    ) -> Result<Listing<PartitionOwnership>, Error> {
        self.store(naming).list_ownership(group)
    }

    /// The owners of each of these groups, as [`read_each`](Self::read_each).
    pub fn owners_of_each(
        &self,
        wanted: &[(ConsumerGroup, Naming)],
    ) -> Result<Vec<Listing<PartitionOwnership>>, Failure> {
        if wanted.len() < MANY {
            return parallel::try_map(wanted, |(group, naming)| Ok(self.owners(group, *naming)?));
        }
        Ok(self.read_each(wanted)?.into_iter().map(|records| records.ownerships).collect())
    }

    /// Writes a checkpoint over just what a plan saw.
    pub fn write(
        &self,
        group: &ConsumerGroup,
        naming: Naming,
        partition_id: &str,
        position: &Position,
        seen: Seen<'_>,
    ) -> Result<(), WriteError> {
        let offset = position.offset.clone();
        let checkpoint =
            Checkpoint::with_position(group, partition_id, offset, position.sequence_number)?;
        let store = self.store(naming);
        let expected = match seen {
            Seen::Nothing => Expected::Absent,
            Seen::Version(etag) => Expected::Version(etag),
            // A list does not tell the version of what is not readable; the store reads it just before it writes.
            Seen::Unreadable => {
                let changes = store.reset_checkpoints(&[checkpoint], RunMode::Force);
                return changes.into_iter().try_for_each(outcome);
            }
        };
        match store.update_checkpoint_if(&checkpoint, expected)?.outcome {
            UpdateOutcome::Written => Ok(()),
            _ => Err(WriteError::Conflict),
        }
    }

    /// Tries a write that is allowed or denied, and in neither case writes: it asks for a version that never was.
    pub fn try_write(&self, group: &ConsumerGroup, naming: Naming) -> Result<(), WriteError> {
        let checkpoint = Checkpoint::new(group, "doctor-never-writes-this", "-1", -1)?;
        let never = ETag::new("0x0")?;
        let store = self.store(naming);
        let _ = store.update_checkpoint_if(&checkpoint, Expected::Version(&never))?;
        Ok(())
    }

    /// Deletes just what a plan saw of a checkpoint.
    pub fn delete_checkpoint(
        &self,
        group: &ConsumerGroup,
        naming: Naming,
        partition_id: &str,
        seen: Seen<'_>,
    ) -> Result<(), WriteError> {
        let store = self.store(naming);
        match seen {
            Seen::Nothing => Ok(()),
            Seen::Version(etag) => {
                deleted(store.delete_checkpoint_if(group, partition_id, etag)?)
            }
            Seen::Unreadable => {
                let only = Partitions::only([partition_id]);
                let changes = store.delete_checkpoints(group, only, RunMode::Force)?;
                changes.into_iter().try_for_each(outcome)
            }
        }
    }

    /// Takes the owner out of just the version of a record that a plan saw.
    pub fn release(
        &self,
        group: &ConsumerGroup,
        naming: Naming,
        partition_id: &str,
        seen: Seen<'_>,
    ) -> Result<(), WriteError> {
        let Seen::Version(etag) = seen else { return Err(WriteError::Conflict) };
        let record =
            PartitionOwnership::new(group, partition_id, "released")?.with_etag(etag.clone());
        for outcome in self.store(naming).relinquish_ownership(&[record]) {
            match outcome {
                RelinquishOutcome::Released(_) => {}
                RelinquishOutcome::Failed(_, error) => return Err(error.into()),
                _ => return Err(WriteError::Conflict),
            }
        }
        Ok(())
    }

    /// Deletes just the version of an ownership record that a plan saw.
    pub fn delete_ownership(
        &self,
        group: &ConsumerGroup,
        naming: Naming,
        partition_id: &str,
        seen: Seen<'_>,
    ) -> Result<(), WriteError> {
        let Seen::Version(etag) = seen else { return Err(WriteError::Conflict) };
        deleted(self.store(naming).delete_ownership_if(group, partition_id, etag)?)
    }

    /// Writes an ownership record where there is none.
    pub fn write_owner(
        &self,
        group: &ConsumerGroup,
        naming: Naming,
        partition_id: &str,
        owner_id: &str,
    ) -> Result<(), WriteError> {
        let record = PartitionOwnership::new(group, partition_id, owner_id)?;
        for outcome in self.store(naming).claim_ownership(&[record]) {
            match outcome {
                ClaimOutcome::Claimed(_) => {}
                ClaimOutcome::Failed(_, error) => return Err(error.into()),
                _ => return Err(WriteError::Conflict),
            }
        }
        Ok(())
    }
}

fn deleted(outcome: DeleteOutcome) -> Result<(), WriteError> {
    match outcome {
        DeleteOutcome::Deleted | DeleteOutcome::Missing => Ok(()),
        _ => Err(WriteError::Conflict),
    }
}

fn outcome(change: CheckpointChange) -> Result<(), WriteError> {
    match change.outcome {
        ChangeOutcome::Failed(error) => Err(error.into()),
        ChangeOutcome::Kept(KeepReason::SamePosition) | ChangeOutcome::Applied => Ok(()),
        _ => Err(WriteError::Conflict),
    }
}

/// Where the container is, and the secret that opens it.
struct Account {
    container: String,
    place: Place,
    credential: Option<Credential>,
}

enum Place {
    Url(String),
    ConnectionString(String),
}

const WAYS_IN: &str = "Set AZURE_STORAGE_CONNECTION_STRING; or name the account with --account or --storage-url, and set \
                       AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or add --auth login.";

impl Account {
    fn find(global: &Global, vars: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let set = |name: &str| vars(name).filter(|value| !value.trim().is_empty());
        let container = global
            .container
            .clone()
            .or_else(|| set("AZURE_STORAGE_CONTAINER"))
            .or_else(|| set("AZURE_STORAGE_BLOB_CONTAINER"))
            .ok_or_else(|| {
                Failure::usage(
                    "no container is given: name it with --container or AZURE_STORAGE_CONTAINER",
                )
            })?;
        let needed = |name: &str| {
            set(name).ok_or_else(|| Failure::usage(format!("{name} is not set")).with_hint(WAYS_IN))
        };
        let account = global.account.clone().or_else(|| set("AZURE_STORAGE_ACCOUNT"));
        let is_named = global.account.is_some() || global.storage_url.is_some();
        let auth = match global.auth {
            Auth::Auto if is_named && set("AZURE_STORAGE_KEY").is_some() => Auth::Key,
            Auth::Auto if is_named && set("AZURE_STORAGE_SAS_TOKEN").is_some() => Auth::Sas,
            Auth::Auto if set("AZURE_STORAGE_CONNECTION_STRING").is_some() => {
                Auth::ConnectionString
            }
            Auth::Auto if set("AZURE_STORAGE_KEY").is_some() => Auth::Key,
            Auth::Auto if set("AZURE_STORAGE_SAS_TOKEN").is_some() => Auth::Sas,
            Auth::Auto => sign_in::given(vars).ok_or_else(|| {
                Failure::usage("there is no credential for the storage account").with_hint(WAYS_IN)
            })?,
            explicit => explicit,
        };
        if auth == Auth::ConnectionString {
            let place = Place::ConnectionString(needed("AZURE_STORAGE_CONNECTION_STRING")?);
            return Ok(Self { container, place, credential: None });
        }
        let url = match (&global.storage_url, &account) {
            (Some(url), _) => url.clone(),
            (None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
            (None, None) => {
                return Err(Failure::usage(
                    "no storage account is given: name it with --account or --storage-url",
                ));
            }
        };
        let credential = match auth {
            Auth::Key => {
                let account = account.or_else(|| account_of(&url)).ok_or_else(|| {
                    Failure::usage(format!(
                        "the URL {} does not name the account: add --account",
                        url.split(['?', '#']).next().unwrap_or_default()
                    ))
                })?;
                Credential::account_key(&account, &needed("AZURE_STORAGE_KEY")?)?
            }
            Auth::Sas => Credential::sas(&needed("AZURE_STORAGE_SAS_TOKEN")?)?,
            auth if sign_in::has_tokens(auth) => sign_in::credential(auth, vars)?,
            _ => Credential::anonymous(),
        };
        Ok(Self { container, place: Place::Url(url), credential: Some(credential) })
    }

    fn builder(&self) -> BlobCheckpointStoreBuilder {
        let builder = match &self.place {
            Place::Url(url) => BlobCheckpointStore::builder(url, &self.container),
            Place::ConnectionString(text) => {
                BlobCheckpointStore::builder_from_connection_string(text, &self.container)
            }
        };
        match &self.credential {
            Some(credential) => builder.credential(credential.clone()),
            None => builder,
        }
    }
}

/// The account that a URL names: the path's first segment for emulators, else the host's first label.
fn account_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let segment = path.split('/').next().unwrap_or_default();
    let label = host.split('.').next().unwrap_or_default();
    let name = if segment.is_empty() { label } else { segment };
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| name.to_owned())
}

/// The pause between two looks at the owners.
pub const POLL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_in_the_url() {
        for (url, account) in [
            ("https://contoso.blob.core.windows.net", Some("contoso")),
            ("http://127.0.0.1:10000/devstoreaccount1", Some("devstoreaccount1")),
            ("http://azurite:10000/devstoreaccount1/", Some("devstoreaccount1")),
            ("http://127.0.0.1:10000", Some("127")),
            ("https://", None),
        ] {
            assert_eq!(account_of(url).as_deref(), account, "{url}");
        }
    }
}
