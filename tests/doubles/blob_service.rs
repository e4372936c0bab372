//! An in-memory double of the Blob service's REST interface, as far as a checkpoint store needs it.
//!
//! Use it for the service's semantics (conditions, ETags, pages, clocks) and for faults at a chosen request: call
//! [`handle`](BlobService::handle) without sockets, for example from a `Script`, or [`serve`](BlobService::serve) it. Do not
//! use it as evidence of what Azure does: that is what Azurite and the recorded lists in `tests/vectors` are for.
//!
//! Written from the REST reference and from recorded responses, and independent of the crate under test. It is honest: what
//! it does not implement gets a 501, never a plausible success. Misbehaviour is injected as a [`Fault`].

mod conditions;
mod fault;
mod foreign;
mod listing;
mod operations;
mod request;
mod response;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::loopback::{Loopback, Recorded, Reply};

pub use fault::{Fault, Gate};
pub use foreign::ForeignBlob;
pub use response::error_reply;
pub use state::{Blob, Operation, Write};

use fault::Faults;
use state::{Key, State};

type Authorizer = dyn Fn(&Recorded) -> bool + Send + Sync;

/// A handle; clones share one service.
#[derive(Clone)]
pub struct BlobService {
    /// The container that the direct access reads and writes.
    container: String,
    inner: Arc<Inner>,
}

struct Inner {
    account_path: Mutex<Option<String>>,
    authorizer: Mutex<Option<Arc<Authorizer>>>,
    state: Mutex<State>,
    faults: Faults,
    held: Mutex<Vec<Recorded>>,
}

impl BlobService {
    /// A service with one empty container.
    pub fn new(container: &str) -> Self {
        let service = Self::without_container(container);
        service.state().create_container(container);
        service
    }

    /// A service whose container is still to be created, by that name for the direct access.
    pub fn without_container(container: &str) -> Self {
        Self {
            container: container.to_owned(),
            inner: Arc::new(Inner {
                account_path: Mutex::default(),
                authorizer: Mutex::default(),
                state: Mutex::default(),
                faults: Faults::default(),
                held: Mutex::default(),
            }),
        }
    }

    /// The same service, with another, empty container for the direct access.
    pub fn with_another_container(&self, container: &str) -> Self {
        self.state().create_container(container);
        Self { container: container.to_owned(), ..self.clone() }
    }

    /// Expects `/{account}` before the container, as the emulator and Azure Stack do.
    pub fn with_account_path(self, account: &str) -> Self {
        *lock(&self.inner.account_path) = Some(account.to_owned());
        self
    }

    /// Responds with 403 `AuthenticationFailed` where `check` says no.
    pub fn with_authorizer(
        self,
        check: impl Fn(&Recorded) -> bool + Send + Sync + 'static,
    ) -> Self {
        *lock(&self.inner.authorizer) = Some(Arc::new(check));
        self
    }

    /// Blobs per list page, 5000 at first; a request's `maxresults` can only lower it.
    pub fn set_page_size(&self, blobs: usize) {
        self.state().page_size = blobs;
    }

    /// Lets every `before`-th page of a list be empty and carry a marker, as the service may. 0 switches it off.
    pub fn set_empty_pages(&self, before: usize) {
        self.state().empty_page_every = before;
    }

    /// The server's clock minus the real one, in seconds: for `Date`, `Last-Modified` and `Creation-Time`.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.state().clock_offset = seconds;
    }

    /// For how many days the account keeps what is deleted or overwritten.
    pub fn set_delete_retention_days(&self, days: Option<u32>) {
        self.state().delete_retention_days = days;
    }

    /// Whether the account has a hierarchical namespace.
    pub fn set_hierarchical(&self, is_hierarchical: bool) {
        self.state().is_hierarchical = is_hierarchical;
    }

    /// A header of the container's properties, as `x-ms-has-legal-hold`.
    pub fn set_container_header(&self, name: &str, value: &str) {
        self.state().container_headers.insert(name.to_owned(), value.to_owned());
    }

    /// The time of the server's clock.
    pub fn now(&self) -> SystemTime {
        self.state().now()
    }

    /// The handler for [`Loopback::start`] or [`Loopback::start_tls`].
    pub fn handler(&self) -> impl Fn(&Recorded) -> Reply + Send + Sync + 'static {
        let service = self.clone();
        move |request| service.handle(request)
    }

    /// A plain HTTP server for this service.
    pub fn serve(&self) -> Loopback {
        Loopback::start(self.handler())
    }

    /// Responds to one request, with its fault if there is one.
    pub fn handle(&self, request: &Recorded) -> Reply {
        let fault = self.inner.faults.next(request);
        if matches!(fault, Fault::Hold) {
            lock(&self.inner.held).push(request.clone());
        }
        fault.carry_out(|| self.process(request))
    }

    fn process(&self, request: &Recorded) -> Reply {
        let account = lock(&self.inner.account_path).clone();
        let authorizer = lock(&self.inner.authorizer).clone();
        let is_authorized = authorizer.is_none_or(|check| check(request));
        let mut state = self.state();
        let reply = operations::process(&mut state, request, account.as_deref(), is_authorized);
        response::with_common_headers(reply, &mut state, request)
    }

    /// Asks `choose` for the fault of every request that no queued fault is waiting for.
    pub fn inject(&self, choose: impl FnMut(&Recorded) -> Fault + Send + 'static) {
        self.inner.faults.set_injector(Box::new(choose));
    }

    /// Faults for the next requests, one each, in order of arrival; [`Fault::None`] lets one pass.
    pub fn queue_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inner.faults.queue(faults);
    }

    /// Removes the injector and what is left in the queue.
    pub fn clear_faults(&self) {
        self.inner.faults.clear();
    }

    /// Lets the held requests arrive, in their order, and returns the responses that nobody reads.
    pub fn apply_held(&self) -> Vec<Reply> {
        let held = std::mem::take(&mut *lock(&self.inner.held));
        held.iter().map(|request| self.process(request)).collect()
    }

    /// The faults so far, by request index and name.
    pub fn injected(&self) -> Vec<(usize, &'static str)> {
        self.inner.faults.log()
    }

    /// The blobs by name, without what a list shows but a request cannot reach (snapshots, deleted blobs).
    pub fn blobs(&self) -> BTreeMap<String, Blob> {
        let state = self.state();
        state.container(&self.container).map_or_else(BTreeMap::new, |container| {
            container
                .blobs
                .iter()
                .filter(|(key, _)| key.is_live())
                .map(|(key, blob)| (key.name.clone(), blob.clone()))
                .collect()
        })
    }

    /// One blob.
    pub fn blob(&self, name: &str) -> Option<Blob> {
        let state = self.state();
        let container = state.container(&self.container)?;
        container.blobs.get(&Key::live(name)).cloned()
    }

    /// Writes an empty blob as some other client would, and returns its ETag.
    pub fn put(&self, name: &str, metadata: &[(&str, &str)]) -> String {
        self.put_with(ForeignBlob::new(name).metadata(metadata))
    }

    /// Writes a blob that need not follow any rule, and returns its ETag.
    ///
    /// # Panics
    ///
    /// Like [`delete`](Self::delete), if the container does not exist.
    pub fn put_with(&self, foreign: ForeignBlob) -> String {
        let mut state = self.state();
        let (key, blob) = foreign.into_blob(&mut state);
        let etag = blob.etag.clone();
        state.put_directly(&self.container, key, blob);
        etag
    }

    /// Deletes a blob behind the clients' backs; `false` if there was none.
    pub fn delete(&self, name: &str) -> bool {
        self.state().delete_directly(&self.container, name)
    }

    /// Every write that was applied, in the order in which it was.
    pub fn history(&self) -> Vec<Write> {
        self.state().history.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
