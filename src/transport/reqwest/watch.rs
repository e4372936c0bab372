//! Watches a request, to judge the other connections of its client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Pooled;
use super::returning::Stage;
use crate::transport::TransportError;
use crate::transport::generations::{Generation, Generations};

/// A caller that drops a request after this long without a response has waited in vain.
const IN_VAIN: Duration = Duration::from_secs(1);

/// Watches a request until it ends or is dropped.
pub(super) struct Watch<'t> {
    clients: &'t Generations<Pooled>,
    generation: Arc<Generation<Pooled>>,
    stage: Stage,
    began: Instant,
    has_ended: bool,
}

impl<'t> Watch<'t> {
    pub(super) fn new(clients: &'t Generations<Pooled>) -> Self {
        let began = Instant::now();
        let generation = clients.current(began);
        Self { clients, generation, stage: Stage::default(), began, has_ended: false }
    }

    pub(super) fn client(&self) -> &Pooled {
        &self.generation.client
    }

    /// The client to use, and where it reports how far the request came.
    pub(super) fn parts(&mut self) -> (&Pooled, &mut Stage) {
        (&self.generation.client, &mut self.stage)
    }

    pub(super) fn end(mut self, error: Option<&TransportError>) {
        self.has_ended = true;
        if let Some(error) = error {
            self.clients.note_failure(&self.generation, error, self.stage == Stage::Reused);
        }
    }
}

impl Drop for Watch<'_> {
    /// A caller with its own time limit drops the request. If it was sent on an old connection, the next request must not
    /// use one that may be just as dead.
    fn drop(&mut self) {
        if !self.has_ended && self.stage == Stage::Reused && self.began.elapsed() >= IN_VAIN {
            self.clients.retire(&self.generation, Instant::now());
        }
    }
}
