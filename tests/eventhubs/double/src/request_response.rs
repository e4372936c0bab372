//! Request-response nodes: `$cbs` and `$management`.
//!
//! A client attaches a pair of links in one session: it sends requests on the first and names, in `reply-to`, the
//! target address of the second, where the responses go. JavaScript's client names the link instead, and Python's names
//! nothing: its session has one pair for the node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fe2o3_amqp::acceptor::ListenerSessionHandle;
use fe2o3_amqp::types::messaging::{AmqpValue, ApplicationProperties, Body, Message, Properties};
use fe2o3_amqp::types::performatives::Attach;
use fe2o3_amqp::types::primitives::{SimpleValue, Value};
use fe2o3_amqp::{Receiver, Sender};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::faults::{self, ReplyFault, Target};
use crate::hub::Hub;
use crate::link::{self, Serving, SessionContext};
use crate::management;

pub(crate) type Request = Message<Body<Value>>;
pub(crate) type Reply = Message<AmqpValue<Value>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// Claims-based security: takes tokens.
    Cbs,
    Management,
}

impl Node {
    /// JavaScript's client asks for the management of a hub at `{hub}/$management`.
    pub(crate) fn at(address: &str) -> Option<Self> {
        match address {
            "$cbs" => Some(Self::Cbs),
            _ if address.rsplit('/').next() == Some("$management") => Some(Self::Management),
            _ => None,
        }
    }

    fn respond(self, request: &Request, hub: &Hub) -> Response {
        match self {
            Self::Cbs => put_token(request, hub),
            Self::Management => management::respond(request, hub),
        }
    }
}

/// Every token is good.
fn put_token(request: &Request, hub: &Hub) -> Response {
    hub.counts.put_tokens.add(1);
    let name =
        request.application_properties.as_ref().and_then(|properties| properties.0.get("name"));
    let audience = match name {
        Some(SimpleValue::String(name)) => name.clone(),
        _ => String::new(),
    };
    let text = match &request.body {
        Body::Value(AmqpValue(Value::String(text))) => text.clone(),
        _ => String::new(),
    };
    hub.tokens.lock().unwrap_or_else(PoisonError::into_inner).push((audience, text));
    Response { status: 202, description: "Accepted", body: Value::Null }
}

/// The response of a node to a request.
pub(crate) struct Response {
    pub(crate) status: i32,
    pub(crate) description: &'static str,
    pub(crate) body: Value,
}

impl Response {
    fn into_reply(self, request: &Request) -> Reply {
        let message_id =
            request.properties.as_ref().and_then(|properties| properties.message_id.clone());
        let properties = Properties { correlation_id: message_id, ..Properties::default() };
        let status = ApplicationProperties::builder()
            .insert("status-code", self.status)
            .insert("status-description", self.description.to_string())
            .build();
        Message::builder()
            .properties(properties)
            .application_properties(status)
            .value(self.body)
            .build()
    }
}

/// The reply links of a session, by node and address.
#[derive(Debug, Default)]
pub(crate) struct Replies(Mutex<HashMap<(Node, String), mpsc::Sender<Reply>>>);

impl Replies {
    fn open(&self, node: Node, address: String) -> mpsc::Receiver<Reply> {
        let (sender, receiver) = mpsc::channel(16);
        self.links().insert((node, address), sender);
        receiver
    }

    async fn send(&self, node: Node, address: Option<&str>, reply: Reply) {
        let link = match address {
            Some(address) => self.links().get(&(node, address.to_string())).cloned(),
            None => self.only_one(node),
        };
        if let Some(link) = link {
            // The peer may have closed the link without waiting for its response.
            let _ = link.send(reply).await;
        }
    }

    fn only_one(&self, node: Node) -> Option<mpsc::Sender<Reply>> {
        let links = self.links();
        let mut open = links.iter().filter(|((of, _), link)| *of == node && !link.is_closed());
        open.next().map(|(_, link)| link.clone())
    }

    fn links(&self) -> MutexGuard<'_, HashMap<(Node, String), mpsc::Sender<Reply>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves the link on which requests come.
pub(crate) async fn serve(
    node: Node,
    mut requests: Receiver,
    hub: Arc<Hub>,
    replies: Arc<Replies>,
) {
    let mut detaches = hub.faults.detaches();
    loop {
        let is_meant = |target: &Target| node == Node::Management && *target == Target::Management;
        let delivery = tokio::select! {
            delivery = requests.recv::<Body<Value>>() => delivery,
            error = faults::detached(&mut detaches, is_meant) => {
                let _ = requests.close_with_error(error).await;
                return;
            }
        };
        let Ok(delivery) = delivery else { return };
        let _inside = (node == Node::Management).then(|| hub.counts.management_level.enter());
        sleep(hub.settle_delay).await;
        if requests.accept(&delivery).await.is_err() {
            return;
        }
        sleep(hub.settle_delay).await;
        let request = delivery.into_message();
        let response = match hub.faults.next_reply(node) {
            Some(ReplyFault::Silence) => continue,
            Some(ReplyFault::Status(status)) => {
                Response { status, description: "as the test wants it", body: Value::Null }
            }
            Some(ReplyFault::Delay(delay)) => {
                sleep(delay).await;
                node.respond(&request, &hub)
            }
            None => node.respond(&request, &hub),
        };
        let reply_to =
            request.properties.as_ref().and_then(|properties| properties.reply_to.as_deref());
        replies.send(node, reply_to, response.into_reply(&request)).await;
    }
}

/// Accepts the link on which responses go.
pub(crate) async fn accept_replies(
    node: Node,
    attach: Attach,
    session: &mut ListenerSessionHandle,
    context: &SessionContext,
) -> Option<Serving> {
    let address = link::target_address(&attach).filter(|address| !address.is_empty());
    let address = address.unwrap_or(&attach.name).to_string();
    let queue = context.replies.open(node, address);
    let sender = link::accept_sender(attach, session).await?;
    Some(Box::pin(serve_replies(sender, queue)))
}

async fn serve_replies(mut sender: Sender, mut queue: mpsc::Receiver<Reply>) {
    loop {
        let reply = tokio::select! {
            reply = queue.recv() => reply,
            _ = sender.on_detach() => None,
        };
        let Some(reply) = reply else { return };
        if sender.send(reply).await.is_err() {
            return;
        }
    }
}
