//! Faults that a test injects, each for one occasion.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fe2o3_amqp::types::definitions::{
    AmqpError, ConnectionError, Error, ErrorCondition, LinkError, SessionError,
};
use fe2o3_amqp::types::primitives::Symbol;
use tokio::sync::broadcast;

use crate::request_response::Node;

/// The fault of a request for a token or for properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyFault {
    /// It is refused with this status.
    Status(i32),
    /// It never gets a response.
    Silence,
    /// It gets a response after a while.
    Delay(Duration),
}

/// The fault of the attach of a receive link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachFault {
    /// It is refused with a condition, as in `com.microsoft:server-busy`, and a description.
    Refuse(String, String),
    /// It never gets a response.
    Silence,
}

/// Which links are detached.
#[derive(Debug, Clone)]
pub(crate) struct Detach {
    pub(crate) target: Target,
    pub(crate) error: Error,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Partition(String),
    AllPartitions,
    Management,
}

#[derive(Debug)]
pub(crate) struct Faults {
    attaches: Mutex<VecDeque<AttachFault>>,
    tokens: Mutex<VecDeque<ReplyFault>>,
    management: Mutex<VecDeque<ReplyFault>>,
    detaches: broadcast::Sender<Detach>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            attaches: Mutex::default(),
            tokens: Mutex::default(),
            management: Mutex::default(),
            detaches: broadcast::Sender::new(64),
        }
    }
}

impl Faults {
    pub(crate) fn next_attach(&self) -> Option<AttachFault> {
        lock(&self.attaches).pop_front()
    }

    pub(crate) fn add_attach(&self, fault: AttachFault) {
        lock(&self.attaches).push_back(fault);
    }

    pub(crate) fn next_reply(&self, node: Node) -> Option<ReplyFault> {
        lock(self.replies(node)).pop_front()
    }

    pub(crate) fn add_reply(&self, node: Node, fault: ReplyFault) {
        lock(self.replies(node)).push_back(fault);
    }

    fn replies(&self, node: Node) -> &Mutex<VecDeque<ReplyFault>> {
        match node {
            Node::Cbs => &self.tokens,
            Node::Management => &self.management,
        }
    }

    pub(crate) fn detach(&self, target: Target, condition: &str, description: &str) {
        let error = error(condition, description.to_string());
        // Nobody may be attached.
        let _ = self.detaches.send(Detach { target, error });
    }

    pub(crate) fn detaches(&self) -> broadcast::Receiver<Detach> {
        self.detaches.subscribe()
    }
}

/// Waits until a link of the target is to be detached.
pub(crate) async fn detached(
    detaches: &mut broadcast::Receiver<Detach>,
    is_meant: impl Fn(&Target) -> bool,
) -> Error {
    loop {
        match detaches.recv().await {
            Ok(detach) if is_meant(&detach.target) => return detach.error,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// An error of the condition that has this name.
pub(crate) fn error(condition: &str, description: String) -> Error {
    let known: ErrorCondition = match condition {
        "amqp:link:detach-forced" => LinkError::DetachForced.into(),
        "amqp:link:redirect" => LinkError::Redirect.into(),
        "amqp:link:stolen" => LinkError::Stolen.into(),
        "amqp:connection:forced" => ConnectionError::ConnectionForced.into(),
        "amqp:session:window-violation" => SessionError::WindowViolation.into(),
        "amqp:internal-error" => AmqpError::InternalError.into(),
        "amqp:not-found" => AmqpError::NotFound.into(),
        "amqp:unauthorized-access" => AmqpError::UnauthorizedAccess.into(),
        "amqp:resource-limit-exceeded" => AmqpError::ResourceLimitExceeded.into(),
        other => ErrorCondition::Custom(Symbol::from(other)),
    };
    Error::new(known, description, None)
}

fn lock<T>(queue: &Mutex<VecDeque<T>>) -> MutexGuard<'_, VecDeque<T>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
