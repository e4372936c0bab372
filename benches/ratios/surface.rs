//! Who does the works: the store and the bare client of each surface.

use std::sync::Arc;

use tokio::runtime::Runtime;

use support::target::{Endpoint, Work};
use support::{aio, blocking};

/// Does a work so many times, one after the other.
pub type Caller<'a> = Box<dyn Fn(Work, u32) + 'a>;
/// Makes so many checkpoints as each of 16 callers.
pub type Crowd<'a> = Box<dyn Fn(u32) + 'a>;

pub const CROWD: u32 = 16;

pub trait Surface {
    fn name(&self) -> &str;
    /// The bound for the wall time of a list of 10,000.
    fn long_list(&self) -> f64;
    /// Whether a caller always gets the same connection back: not if another thread puts it back.
    fn is_one_thread(&self) -> bool;
    fn bare(&self, endpoint: &Endpoint) -> Caller<'_>;
    fn store(&self, endpoint: &Endpoint) -> Caller<'_>;
    fn bare_crowd(&self, endpoint: &Endpoint) -> Crowd<'_>;
    fn store_crowd(&self, endpoint: &Endpoint) -> Crowd<'_>;
}

pub struct Blocking;

impl Surface for Blocking {
    fn name(&self) -> &str {
        "blocking"
    }

    fn long_list(&self) -> f64 {
        1.6
    }

    fn is_one_thread(&self) -> bool {
        true
    }

    fn bare(&self, endpoint: &Endpoint) -> Caller<'_> {
        let bare = blocking::Bare::new(endpoint);
        Box::new(move |work, count| bare.repeat(work, count))
    }

    fn store(&self, endpoint: &Endpoint) -> Caller<'_> {
        let store = blocking::Store::new(endpoint);
        Box::new(move |work, count| store.repeat(work, count))
    }

    fn bare_crowd(&self, endpoint: &Endpoint) -> Crowd<'_> {
        let bare = blocking::Bare::new(endpoint);
        Box::new(move |count| blocking::at_once(CROWD, || bare.repeat(Work::Checkpoint, count)))
    }

    fn store_crowd(&self, endpoint: &Endpoint) -> Crowd<'_> {
        let store = blocking::Store::new(endpoint);
        Box::new(move |count| blocking::at_once(CROWD, || store.repeat(Work::Checkpoint, count)))
    }
}

/// On one thread the client's own costs show; workers are what `#[tokio::main]` makes.
pub struct Aio {
    pub name: &'static str,
    pub is_one_thread: bool,
    pub runtime: Runtime,
}

impl Aio {
    pub fn one_thread() -> Self {
        let builder = &mut tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        Self { name: "aio, one thread", is_one_thread: true, runtime }
    }

    pub fn workers() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        Self { name: "aio, workers", is_one_thread: false, runtime }
    }
}

impl Surface for Aio {
    fn name(&self) -> &str {
        self.name
    }

    fn long_list(&self) -> f64 {
        1.3
    }

    fn is_one_thread(&self) -> bool {
        self.is_one_thread
    }

    fn bare(&self, endpoint: &Endpoint) -> Caller<'_> {
        let bare = aio::Bare::new(endpoint);
        Box::new(move |work, count| self.runtime.block_on(bare.repeat(work, count)))
    }

    fn store(&self, endpoint: &Endpoint) -> Caller<'_> {
        let store = aio::Store::new(endpoint);
        Box::new(move |work, count| self.runtime.block_on(store.repeat(work, count)))
    }

    fn bare_crowd(&self, endpoint: &Endpoint) -> Crowd<'_> {
        let bare = Arc::new(aio::Bare::new(endpoint));
        Box::new(move |count| {
            self.runtime.block_on(aio::at_once(CROWD, || {
                let bare = bare.clone();
                async move { bare.repeat(Work::Checkpoint, count).await }
            }));
        })
    }

    fn store_crowd(&self, endpoint: &Endpoint) -> Crowd<'_> {
        let store = Arc::new(aio::Store::new(endpoint));
        Box::new(move |count| {
            self.runtime.block_on(aio::at_once(CROWD, || {
                let store = store.clone();
                async move { store.repeat(Work::Checkpoint, count).await }
            }));
        })
    }
}
