//! The stored blobs, and their history.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Odd, so that multiples do not repeat below 2^48: every ETag is new, and a later one is not a larger one.
const ETAG_STEP: u64 = 0x9E37_79B9_7F4B;

/// A stored blob.
#[derive(Clone, Debug)]
pub struct Blob {
    /// In the order and the spelling in which it was written.
    pub metadata: Vec<(String, String)>,
    /// Without quotes.
    pub etag: String,
    /// The server's clock, whole seconds.
    pub last_modified: SystemTime,
    pub content: Vec<u8>,
    pub created: SystemTime,
    pub content_type: String,
    /// XML for the list: before `<Properties>`, and inside of it.
    pub(super) list_elements: String,
    pub(super) list_properties: String,
}

/// Which write was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    PutBlob,
    SetMetadata,
    DeleteBlob,
    CreateContainer,
    DeleteContainer,
    /// By the test, not by a request.
    Direct,
}

/// One write that was applied.
#[derive(Clone, Debug)]
pub struct Write {
    pub container: String,
    /// Empty for operations on the container.
    pub blob: String,
    pub operation: Operation,
    /// The ETag that the blob has from now on; `None` after a delete.
    pub etag: Option<String>,
    /// The ETag that it had before.
    pub replaced: Option<String>,
    /// The metadata from now on.
    pub metadata: Vec<(String, String)>,
    pub at: Instant,
    /// The index of the request; `None` for a write by the test.
    pub request: Option<usize>,
}

/// A list shows snapshots and deleted versions under the name of the blob; requests reach the live one only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) variant: Variant,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variant {
    Snapshot(String),
    Deleted,
    Live,
}

impl Key {
    pub(super) fn live(name: &str) -> Self {
        Self { name: name.to_owned(), variant: Variant::Live }
    }

    pub(super) fn is_live(&self) -> bool {
        self.variant == Variant::Live
    }
}

pub(super) struct Container {
    pub(super) etag: String,
    pub(super) blobs: BTreeMap<Key, Blob>,
}

pub(super) struct State {
    containers: BTreeMap<String, Container>,
    pub(super) history: Vec<Write>,
    pub(super) page_size: usize,
    pub(super) empty_page_every: usize,
    pub(super) clock_offset: i64,
    pub(super) delete_retention_days: Option<u32>,
    pub(super) is_hierarchical: bool,
    pub(super) container_headers: BTreeMap<String, String>,
    pub(super) pages_served: usize,
    etags: u64,
    responses: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            containers: BTreeMap::new(),
            history: Vec::new(),
            page_size: 5000,
            empty_page_every: 0,
            clock_offset: 0,
            delete_retention_days: None,
            is_hierarchical: false,
            container_headers: BTreeMap::new(),
            pages_served: 0,
            etags: 0,
            responses: 0,
        }
    }
}

impl State {
    /// The server's clock, in the whole seconds that the service knows.
    pub(super) fn now(&self) -> SystemTime {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let seconds = since_1970
            .as_secs()
            .checked_add_signed(self.clock_offset)
            .expect("a server clock after 1970");
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    pub(super) fn new_etag(&mut self) -> String {
        self.etags += 1;
        let digits = self.etags.wrapping_mul(ETAG_STEP) & 0xFFFF_FFFF_FFFF;
        format!("0x8DE{digits:012X}")
    }

    pub(super) fn new_request_id(&mut self) -> String {
        self.responses += 1;
        format!("00000000-0000-0000-0000-{:012x}", self.responses)
    }

    pub(super) fn container(&self, name: &str) -> Option<&Container> {
        self.containers.get(name)
    }

    pub(super) fn container_mut(&mut self, name: &str) -> Option<&mut Container> {
        self.containers.get_mut(name)
    }

    /// Creates or replaces a container and returns its ETag.
    pub(super) fn create_container(&mut self, name: &str) -> String {
        let etag = self.new_etag();
        let container = Container { etag: etag.clone(), blobs: BTreeMap::new() };
        self.containers.insert(name.to_owned(), container);
        etag
    }

    pub(super) fn remove_container(&mut self, name: &str) -> bool {
        self.containers.remove(name).is_some()
    }

    /// Stores a blob and writes the history.
    pub(super) fn store(&mut self, place: Place<'_>, key: Key, blob: Blob) {
        let write = place.write(&key.name, Some(blob.etag.clone()), blob.metadata.clone());
        let replaced = self.existing_container(place.container).blobs.insert(key, blob);
        self.history.push(Write { replaced: replaced.map(|blob| blob.etag), ..write });
    }

    /// Removes a live blob and writes the history; `false` if there was none.
    pub(super) fn remove(&mut self, place: Place<'_>, name: &str) -> bool {
        let container = self.existing_container(place.container);
        let Some(removed) = container.blobs.remove(&Key::live(name)) else {
            return false;
        };
        self.history
            .push(Write { replaced: Some(removed.etag), ..place.write(name, None, Vec::new()) });
        true
    }

    pub(super) fn put_directly(&mut self, container: &str, key: Key, blob: Blob) {
        self.store(Place::direct(container), key, blob);
    }

    pub(super) fn delete_directly(&mut self, container: &str, name: &str) -> bool {
        self.remove(Place::direct(container), name)
    }

    fn existing_container(&mut self, name: &str) -> &mut Container {
        self.container_mut(name).unwrap_or_else(|| panic!("the container {name} does not exist"))
    }
}

/// Where a write goes and who asked for it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) container: &'a str,
    pub(super) operation: Operation,
    pub(super) request: Option<usize>,
}

impl<'a> Place<'a> {
    fn direct(container: &'a str) -> Self {
        Self { container, operation: Operation::Direct, request: None }
    }

    pub(super) fn write(
        self,
        blob: &str,
        etag: Option<String>,
        metadata: Vec<(String, String)>,
    ) -> Write {
        Write {
            container: self.container.to_owned(),
            blob: blob.to_owned(),
            operation: self.operation,
            etag,
            replaced: None,
            metadata,
            at: Instant::now(),
            request: self.request,
        }
    }
}
