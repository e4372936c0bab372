//! What becomes of one request, for the connections that are like its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Pooled;
use super::returning::Stage;
use crate::transport::TransportError;
use crate::transport::generations::{Generation, Generations};

/// A caller that gives a request up after so long, without a response, has waited in vain.
const IN_VAIN: Duration = Duration::from_secs(1);

/// Watches a request until it ends, or is given up.
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

    /// The client to send by, and where it is told how far the request came.
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
    /// A caller with a limit of its own drops its request. If it was sent on an old connection, the next one must not
    /// be sent on one that is just as dead.
    fn drop(&mut self) {
        if !self.has_ended && self.stage == Stage::Reused && self.began.elapsed() >= IN_VAIN {
            self.clients.retire(&self.generation, Instant::now());
        }
    }
}
