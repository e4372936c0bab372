//! A container in memory, with the semantics of the service.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::clock::{Clock, SystemClock};
use crate::container::{
    BlobContent, BlobEntry, BlobProperties, BlobVisitor, BlobWritten, Condition,
    ContainerProperties, DeleteBlob, GetBlob, GetBlobProperties, ListBlobs, PageEnd, PutBlob,
    SetBlobMetadata,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ETag;

/// The page size of the service.
const PAGE: usize = 5000;

/// A container in memory, with the conditions, ETags, times and errors of the service.
///
/// Clones share the blobs, even across the blocking and the async surface. Consumers in one process can share partitions
/// over it, in tests and demonstrations. Its content is lost with the process.
///
/// ```
/// use eventhub_checkpointstore::MemoryContainer;
///
/// let container = MemoryContainer::new();
/// let the_same_blobs = container.clone();
/// # let _ = the_same_blobs;
/// ```
#[derive(Clone)]
pub struct MemoryContainer {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    exists: bool,
    writes: u64,
    blobs: BTreeMap<Arc<str>, Arc<Blob>>,
}

struct Blob {
    etag: ETag,
    last_modified: SystemTime,
    metadata: Vec<(String, String)>,
    content: Bytes,
}

type Page = Vec<(Arc<str>, Arc<Blob>)>;
type ListedMetadata<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

impl MemoryContainer {
    /// Creates an empty container.
    ///
    #[doc = shared_example!("container/memory")]
    pub fn new() -> Self {
        Self::over(State { exists: true, ..State::default() })
    }

    /// Creates a container that does not exist in the service yet. Until it is created, every operation fails with
    /// [`ErrorKind::ContainerNotFound`].
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("container/memory"))]
    pub fn not_created() -> Self {
        Self::over(State::default())
    }

    fn over(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)), clock: Arc::new(SystemClock) }
    }

    /// Returns the same container with another clock, for the times of its blobs and for the stores that use it. A test can
    /// then let leases end and ownerships expire without waiting.
    ///
    /// ```
    /// use std::time::Duration;
    /// use eventhub_checkpointstore::{ManualClock, MemoryContainer};
    ///
    /// let clock = ManualClock::new();
    /// let container = MemoryContainer::new().with_clock(clock.clone());
    /// clock.advance(Duration::from_secs(120));
    /// # let _ = container;
    /// ```
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    pub(crate) fn own_clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Returns the time in whole seconds, like the service's clock.
    fn now(&self) -> SystemTime {
        let since = self.clock.system_time().duration_since(UNIX_EPOCH).unwrap_or_default();
        UNIX_EPOCH + Duration::from_secs(since.as_secs())
    }

    /// Writes a blob with content and without metadata, as a legacy processor would. Replaces an existing blob.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("container/memory"))]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ContainerNotFound`].
    pub fn put_content(&self, name: &str, content: impl Into<Bytes>) -> Result<()> {
        let now = self.now();
        self.existing()?.write(name, &[], content.into(), now);
        Ok(())
    }

    pub(crate) fn container_properties(&self) -> Result<ContainerProperties> {
        drop(self.existing()?);
        Ok(ContainerProperties {
            lease_state: Some("available".to_owned()),
            server_time: Some(self.now()),
            ..ContainerProperties::default()
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn existing(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.exists {
            Ok(state)
        } else {
            Err(service_error(ErrorKind::ContainerNotFound, 404, "ContainerNotFound"))
        }
    }

    pub(crate) fn put(&self, request: &PutBlob<'_>) -> Result<BlobWritten> {
        let mut state = self.existing()?;
        let found = state.blobs.get(request.name);
        let allowed = match (request.condition, found) {
            (Condition::None, _) | (Condition::NotExists, None) => Ok(()),
            (Condition::NotExists, Some(_)) => Err((409, "BlobAlreadyExists")),
            (Condition::Matches(etag), Some(blob)) if blob.etag == *etag => Ok(()),
            (Condition::Matches(_), _) => Err((412, "ConditionNotMet")),
        };
        allowed.map_err(|(status, code)| {
            service_error(ErrorKind::ConditionNotMet, status, code).with_blob(request.name)
        })?;
        Ok(state.write(request.name, request.metadata, Bytes::new(), self.now()))
    }

    pub(crate) fn set_metadata(&self, request: &SetBlobMetadata<'_>) -> Result<BlobWritten> {
        let mut state = self.existing()?;
        let blob = state.blob(request.name)?;
        check_condition(blob, request.name, request.condition)?;
        let content = blob.content.clone();
        Ok(state.write(request.name, request.metadata, content, self.now()))
    }

    pub(crate) fn properties(&self, request: &GetBlobProperties<'_>) -> Result<BlobProperties> {
        let state = self.existing()?;
        Ok(state.blob(request.name)?.properties(self.now()))
    }

    pub(crate) fn content(&self, request: &GetBlob<'_>) -> Result<BlobContent> {
        let state = self.existing()?;
        let blob = state.blob(request.name)?;
        let max_length = request
            .max_length
            .map_or(usize::MAX, |max| usize::try_from(max.get()).unwrap_or(usize::MAX));
        let content = blob.content.slice(..blob.content.len().min(max_length));
        Ok(BlobContent::new(blob.properties(self.now()), content))
    }

    pub(crate) fn delete(&self, request: &DeleteBlob<'_>) -> Result<()> {
        let mut state = self.existing()?;
        check_condition(state.blob(request.name)?, request.name, request.condition)?;
        state.blobs.remove(request.name);
        Ok(())
    }

    pub(crate) fn list(
        &self,
        request: &ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd> {
        let after = match request.marker {
            Some(marker) => Bound::Excluded(marker.as_str()),
            None => Bound::Included(request.prefix),
        };
        let (page, is_last) = self.existing()?.page(request.prefix, after);
        for (name, blob) in &page {
            let metadata: ListedMetadata<'_> = blob
                .metadata
                .iter()
                .map(|(key, value)| (Cow::Borrowed(key.as_str()), Cow::Borrowed(value.as_str())))
                .collect();
            let mut entry = BlobEntry::new(&**name, &metadata);
            entry.etag = Some(Cow::Borrowed(blob.etag.as_str()));
            entry.last_modified = Some(blob.last_modified);
            visitor.visit(entry);
        }
        let marker = page.last().filter(|_| !is_last).map(|(name, _)| name.to_string());
        Ok(PageEnd::new(marker, Some(self.now()), false))
    }

    pub(crate) fn create(&self) -> Result<()> {
        let mut state = self.lock();
        if state.exists {
            return Err(service_error(
                ErrorKind::ContainerAlreadyExists,
                409,
                "ContainerAlreadyExists",
            ));
        }
        state.exists = true;
        Ok(())
    }
}

impl State {
    fn blob(&self, name: &str) -> Result<&Blob> {
        self.blobs.get(name).map(Arc::as_ref).ok_or_else(|| {
            service_error(ErrorKind::BlobNotFound, 404, "BlobNotFound").with_blob(name)
        })
    }

    /// The visitor may use the container, so the blobs are not shown while the lock is held.
    fn page(&self, prefix: &str, after: Bound<&str>) -> (Page, bool) {
        let mut found = self
            .blobs
            .range::<str, _>((after, Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(prefix))
            .map(|(name, blob)| (Arc::clone(name), Arc::clone(blob)));
        let page = found.by_ref().take(PAGE).collect();
        (page, found.next().is_none())
    }

    fn write(
        &mut self,
        name: &str,
        metadata: &[(&str, &str)],
        content: Bytes,
        written: SystemTime,
    ) -> BlobWritten {
        self.writes += 1;
        let etag = ETag::numbered(self.writes);
        let metadata = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let blob = Blob { etag: etag.clone(), last_modified: written, metadata, content };
        self.blobs.insert(name.into(), Arc::new(blob));
        let mut result = BlobWritten::new(etag);
        result.last_modified = Some(written);
        result.server_time = Some(written);
        result
    }
}

impl Blob {
    fn properties(&self, now: SystemTime) -> BlobProperties {
        let mut properties = BlobProperties::new(self.etag.clone(), self.metadata.clone());
        properties.last_modified = Some(self.last_modified);
        properties.server_time = Some(now);
        properties
    }
}

fn check_condition(blob: &Blob, name: &str, condition: Condition<'_>) -> Result<()> {
    match condition {
        Condition::None => Ok(()),
        Condition::Matches(etag) if blob.etag == *etag => Ok(()),
        Condition::Matches(_) | Condition::NotExists => {
            Err(service_error(ErrorKind::ConditionNotMet, 412, "ConditionNotMet").with_blob(name))
        }
    }
}

fn service_error(kind: ErrorKind, status: u16, code: &str) -> Error {
    Error::new(kind, "").with_status(status).with_code(code)
}

impl Default for MemoryContainer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryContainer").field("blobs", &self.lock().blobs.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::container::CallContext;
    use crate::container::call::CallOptions;

    /// A visitor that writes into the listed container.
    struct Writer {
        container: MemoryContainer,
        seen: Vec<String>,
    }

    impl BlobVisitor for Writer {
        fn visit(&mut self, blob: BlobEntry<'_>) {
            self.container.put_content("b", "").unwrap();
            self.seen.push(blob.name.into_owned());
        }

        fn start_over(&mut self) {
            self.seen.clear();
        }
    }

    #[test]
    fn a_list_can_be_read_while_its_container_is_used() {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut writer = Writer { container: MemoryContainer::new(), seen: Vec::new() };
            let container = writer.container.clone();
            container.put_content("a", "").unwrap();
            let options = CallOptions::new();
            let request = ListBlobs::new("", None, CallContext::new(&options));
            let listed = container.list(&request, &mut writer);
            sender.send((listed.is_ok(), writer.seen)).unwrap();
        });
        let read = receiver.recv_timeout(Duration::from_secs(10));
        assert_eq!(read, Ok((true, vec!["a".to_owned()])));
    }
}
