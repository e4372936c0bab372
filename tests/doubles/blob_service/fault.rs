//! Misbehaviour between the client and the service.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::super::loopback::{Recorded, Reply};
use super::lock;

/// Longer than anything that a test does meanwhile; a test that fails must not hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// Holds responses back until a test releases them.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        let (is_open, opened) = &*self.0;
        *lock(is_open) = true;
        opened.notify_all();
    }

    fn wait(&self) {
        let (is_open, opened) = &*self.0;
        drop(opened.wait_timeout_while(lock(is_open), PATIENCE, |is_open| !*is_open));
    }
}

type Edit = dyn FnOnce(Reply) -> Reply + Send;

/// The fault that one request meets.
#[derive(Default)]
pub enum Fault {
    #[default]
    None,
    /// The request is lost.
    DropBeforeProcessing,
    /// The request is applied, its response is lost.
    DropAfterProcessing,
    /// Not applied; this is the response.
    Respond(Reply),
    /// Applied; this is the response nevertheless.
    ApplyThenRespond(Reply),
    /// Applied late, even if the client has given up by then.
    Delay(Duration),
    /// Applied at once; the response is sent when the gate opens.
    Gated(Gate),
    /// The connection is closed, and the request waits in the network until
    /// [`apply_held`](super::BlobService::apply_held).
    Hold,
    /// Not applied; there is never a response.
    HangBefore,
    /// Applied; there is never a response.
    HangAfter,
    /// Applied; the response ends after so many bytes.
    TruncateResponse(usize),
    /// Applied; the response is changed on its way: dripped, without a date, in chunks …
    Edit(Box<Edit>),
}

impl Fault {
    pub fn edit(edit: impl FnOnce(Reply) -> Reply + Send + 'static) -> Self {
        Self::Edit(Box::new(edit))
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::DropBeforeProcessing => "DropBeforeProcessing",
            Self::DropAfterProcessing => "DropAfterProcessing",
            Self::Respond(_) => "Respond",
            Self::ApplyThenRespond(_) => "ApplyThenRespond",
            Self::Delay(_) => "Delay",
            Self::Gated(_) => "Gated",
            Self::Hold => "Hold",
            Self::HangBefore => "HangBefore",
            Self::HangAfter => "HangAfter",
            Self::TruncateResponse(_) => "TruncateResponse",
            Self::Edit(_) => "Edit",
        }
    }

    /// The response that the client gets; `process` applies the request.
    pub(super) fn carry_out(self, process: impl FnOnce() -> Reply) -> Reply {
        match self {
            Self::None => process(),
            // The service has put a held request aside.
            Self::DropBeforeProcessing | Self::Hold => Reply::close(),
            Self::DropAfterProcessing => instead(process(), Reply::close()),
            Self::Respond(reply) => reply,
            Self::ApplyThenRespond(reply) => instead(process(), reply),
            Self::Delay(delay) => {
                // Inside the handler: a request that was sent is applied, whoever still listens.
                thread::sleep(delay);
                process()
            }
            Self::Gated(gate) => {
                let reply = process();
                gate.wait();
                reply
            }
            Self::HangBefore => Reply::hang(),
            Self::HangAfter => instead(process(), Reply::hang()),
            Self::TruncateResponse(bytes) => process().truncate_at(bytes),
            Self::Edit(edit) => edit(process()),
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn instead(_lost: Reply, reply: Reply) -> Reply {
    reply
}

type Injector = Box<dyn FnMut(&Recorded) -> Fault + Send>;

#[derive(Default)]
pub(super) struct Faults {
    queue: Mutex<VecDeque<Fault>>,
    injector: Mutex<Option<Injector>>,
    log: Mutex<Vec<(usize, &'static str)>>,
}

impl Faults {
    pub(super) fn next(&self, request: &Recorded) -> Fault {
        let queued = lock(&self.queue).pop_front();
        let fault = queued.unwrap_or_else(|| match lock(&self.injector).as_mut() {
            Some(choose) => choose(request),
            None => Fault::None,
        });
        if !matches!(fault, Fault::None) {
            lock(&self.log).push((request.index, fault.name()));
        }
        fault
    }

    pub(super) fn set_injector(&self, injector: Injector) {
        *lock(&self.injector) = Some(injector);
    }

    pub(super) fn queue(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.queue).extend(faults);
    }

    pub(super) fn clear(&self) {
        lock(&self.queue).clear();
        *lock(&self.injector) = None;
    }

    pub(super) fn log(&self) -> Vec<(usize, &'static str)> {
        lock(&self.log).clone()
    }
}
