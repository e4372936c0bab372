//! Links: which node of the hub a link is for, and how it is refused.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::Sender;
use fe2o3_amqp::acceptor::{LinkAcceptor, LinkEndpoint, ListenerSessionHandle};
use fe2o3_amqp::types::definitions::{Error, ReceiverSettleMode, Role};
use fe2o3_amqp::types::messaging::{Target, TargetArchetype};
use fe2o3_amqp::types::performatives::Attach;
use tokio::time::{sleep, timeout};

use crate::hub::Hub;
use crate::publisher;
use crate::receiver;
use crate::request_response::{self, Node, Replies};

/// The task that serves a link until it is gone.
pub(crate) type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long a close waits for the response of a peer that may be gone.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The state that the links of one session share.
pub(crate) struct SessionContext {
    pub(crate) hub: Arc<Hub>,
    pub(crate) replies: Arc<Replies>,
}

impl SessionContext {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, replies: Arc::default() }
    }
}

/// Accepts an incoming link; `None` when the session ended meanwhile.
pub(crate) async fn accept(
    mut attach: Attach,
    session: &mut ListenerSessionHandle,
    context: &SessionContext,
) -> Option<Serving> {
    // Settled in one step, as at the service, whatever the peer asks for: Python's producer asks for two and waits for one.
    attach.rcv_settle_mode = ReceiverSettleMode::First;
    match attach.role {
        Role::Sender => match target_address(&attach).and_then(Node::at) {
            Some(node) => accept_requests(node, attach, session, context).await,
            None => publisher::accept(attach, session, context).await,
        },
        Role::Receiver => {
            // A receiver need not name a target, but the acceptor insists on one.
            attach.target.get_or_insert_with(|| Box::new(Target::default().into()));
            match source_address(&attach).and_then(Node::at) {
                Some(node) => {
                    request_response::accept_replies(node, attach, session, context).await
                }
                None => receiver::accept(attach, session, context).await,
            }
        }
    }
}

async fn accept_requests(
    node: Node,
    attach: Attach,
    session: &mut ListenerSessionHandle,
    context: &SessionContext,
) -> Option<Serving> {
    let endpoint = LinkAcceptor::new().accept_incoming_attach(attach, session).await.ok()?;
    let LinkEndpoint::Receiver(requests) = endpoint else {
        return None;
    };
    Some(Box::pin(request_response::serve(
        node,
        requests,
        Arc::clone(&context.hub),
        Arc::clone(&context.replies),
    )))
}

/// Accepts the link of a remote receiver.
pub(crate) async fn accept_sender(
    attach: Attach,
    session: &mut ListenerSessionHandle,
) -> Option<Sender> {
    match LinkAcceptor::new().accept_incoming_attach(attach, session).await {
        Ok(LinkEndpoint::Sender(sender)) => Some(sender),
        _ => None,
    }
}

/// Closes a link with an error, a little later than at once: clients below fe2o3-amqp 0.18.2 may otherwise see the
/// close before they have finished their attach.
pub(crate) async fn close_with(sender: Sender, error: Error, delay: Duration) {
    sleep(delay).await;
    let _ = timeout(CLOSE_TIMEOUT, sender.close_with_error(error)).await;
}

pub(crate) fn source_address(attach: &Attach) -> Option<&str> {
    attach.source.as_ref()?.address.as_deref()
}

pub(crate) fn target_address(attach: &Attach) -> Option<&str> {
    match attach.target.as_deref()? {
        TargetArchetype::Target(target) => target.address.as_deref(),
        #[allow(
            unreachable_patterns,
            reason = "a coordinator exists with the feature `transaction` only"
        )]
        _ => None,
    }
}
