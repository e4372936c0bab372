//! The state that the acceptor, the connections and the owner of the server share.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Recorded, Reply};

type Handler = dyn Fn(&Recorded) -> Reply + Send + Sync;

/// Where the replies come from.
pub(super) enum Replies {
    Handler(Box<Handler>),
    /// By request index, so that concurrent connections cannot swap their replies.
    Script(Mutex<Vec<Option<Reply>>>),
    NeverRead,
}

impl Replies {
    pub(super) fn script(replies: Vec<Reply>) -> Self {
        Self::Script(Mutex::new(replies.into_iter().map(Some).collect()))
    }
}

/// How a connection behaves that something on the way has forgotten, as a firewall does that loses its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Whatever is sent on it is met with a reset.
    Reset,
    /// Whatever is sent on it gets lost.
    Silence,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) requests: Vec<Recorded>,
    /// By connection ordinal; the handle is for shutting the socket down from outside.
    pub(super) open: BTreeMap<usize, TcpStream>,
    pub(super) accepted: usize,
    pub(super) unexpected: usize,
    pub(super) protocol_errors: Vec<String>,
    pub(super) handshakes: usize,
    pub(super) resumed_handshakes: usize,
    pub(super) idle_close: Option<Duration>,
    /// Connections with a lower ordinal are dead, in this way.
    pub(super) dead: Option<(usize, Death)>,
    pub(super) stopping: bool,
    pub(super) acceptor_stopped: bool,
    next_index: usize,
}

pub(super) struct Shared {
    replies: Replies,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(replies: Replies) -> Self {
        Self { replies, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A test that panics elsewhere must still see the recorded requests.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    pub(super) fn wait_until(&self, patience: Duration, reached: impl Fn(&State) -> bool) -> bool {
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), patience, |state| !reached(state))
            .unwrap_or_else(PoisonError::into_inner);
        reached(&state)
    }

    pub(super) fn reads(&self) -> bool {
        !matches!(self.replies, Replies::NeverRead)
    }

    /// Registers a connection and returns its ordinal; `None` once the server is stopping.
    pub(super) fn open(&self, stream: &TcpStream) -> Option<usize> {
        let handle = stream.try_clone().ok()?;
        let mut state = self.state();
        if state.stopping {
            return None;
        }
        let ordinal = state.accepted;
        state.accepted += 1;
        state.open.insert(ordinal, handle);
        drop(state);
        self.changed.notify_all();
        Some(ordinal)
    }

    pub(super) fn death(&self, ordinal: usize) -> Option<Death> {
        let (below, death) = self.state().dead?;
        (ordinal < below).then_some(death)
    }

    pub(super) fn shut_down_connections(&self) {
        let mut state = self.state();
        for stream in state.open.values() {
            // An error here means that the peer was faster.
            let _ = stream.shutdown(Shutdown::Both);
        }
        if !self.reads() {
            // No thread waits on these connections that would take them off the list.
            state.open.clear();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Gives the request its index and keeps a copy.
    pub(super) fn record(&self, request: &mut Recorded) {
        self.update(|state| {
            request.index = state.next_index;
            state.next_index += 1;
            state.requests.push(request.clone());
        });
    }

    pub(super) fn respond(&self, request: &Recorded) -> Reply {
        match &self.replies {
            Replies::Handler(handler) => handler(request),
            Replies::Script(replies) => {
                let mut replies = replies.lock().unwrap_or_else(PoisonError::into_inner);
                let scripted = replies.get_mut(request.index).and_then(Option::take);
                scripted.unwrap_or_else(|| self.beyond_script(request))
            }
            Replies::NeverRead => Reply::hang(),
        }
    }

    fn beyond_script(&self, request: &Recorded) -> Reply {
        self.update(|state| state.unexpected += 1);
        Reply::new(500).body(format!(
            "request {} is beyond the end of the script: {} {}",
            request.index, request.method, request.target
        ))
    }
}
