//! The numbers of an event hub: from where they come.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::core::partition::{HubPartition, HubPartitions};
use crate::exit::Failure;

/// Tells the properties of hubs. It never opens a receiver, which would throw a consumer out.
pub trait HubData {
    /// Every partition of a hub.
    fn partitions(&self, namespace: &str, eventhub: &str) -> Result<HubPartitions, Failure>;
}

/// The numbers of a file: one group, or the groups of `lag -o json`.
#[derive(Debug)]
pub struct HubFile {
    path: PathBuf,
    hubs: Vec<FileHub>,
}

#[derive(Debug, Deserialize)]
struct Document {
    groups: Vec<FileHub>,
}

#[derive(Debug, Deserialize)]
struct FileHub {
    namespace: String,
    eventhub: String,
    partitions: Vec<FilePartition>,
}

#[derive(Debug, Deserialize)]
struct FilePartition {
    partition_id: String,
    #[serde(flatten)]
    numbers: HubPartition,
}

impl HubFile {
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |error: String| Failure::usage(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let document: Document =
            serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        Ok(Self { path: path.to_owned(), hubs: document.groups })
    }
}

impl HubData for HubFile {
    fn partitions(&self, namespace: &str, eventhub: &str) -> Result<HubPartitions, Failure> {
        let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
        let hub = self
            .hubs
            .iter()
            .find(|hub| same(&hub.namespace, namespace) && same(&hub.eventhub, eventhub));
        let hub = hub.ok_or_else(|| {
            Failure::nothing(format!(
                "{} says nothing of {namespace}/{eventhub}",
                self.path.display()
            ))
        })?;
        let numbers =
            hub.partitions.iter().map(|one| (one.partition_id.clone(), one.numbers.clone()));
        Ok(numbers.collect::<BTreeMap<_, _>>())
    }
}
