//! Connections and their sessions.

use std::sync::Arc;

use fe2o3_amqp::acceptor::{ConnectionAcceptor, ListenerSessionHandle, SessionAcceptor};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;

use crate::hub::Hub;
use crate::link::{self, SessionContext};
use crate::sasl::AnonymousOrPlain;

/// The official client asks for the same.
const MAX_FRAME_SIZE: u32 = 65536;

/// Links of a session, as at the service. A number that is the default is not written, and Python's client compares it.
const MAX_LINKS: u32 = 254;

/// Serves one connection until the peer closes it.
pub(crate) async fn serve(stream: DuplexStream, hub: Arc<Hub>) {
    let acceptor = ConnectionAcceptor::builder()
        .container_id("eventhubs-double")
        .max_frame_size(MAX_FRAME_SIZE)
        .sasl_acceptor(AnonymousOrPlain)
        .build();
    let Ok(mut connection) = acceptor.accept(stream).await else {
        return;
    };
    hub.counts.connections.add(1);

    let session_acceptor = SessionAcceptor::builder().handle_max(MAX_LINKS).build();
    let mut sessions = JoinSet::new();
    while let Ok(session) = session_acceptor.accept(&mut connection).await {
        while sessions.try_join_next().is_some() {}
        sessions.spawn(serve_session(session, Arc::clone(&hub)));
    }
}

/// Serves the links of one session until the peer ends it.
async fn serve_session(mut session: ListenerSessionHandle, hub: Arc<Hub>) {
    let context = SessionContext::new(hub);
    let mut links = JoinSet::new();
    while let Some(attach) = session.next_incoming_attach().await {
        while links.try_join_next().is_some() {}
        if let Some(serving) = link::accept(attach, &mut session, &context).await {
            links.spawn(serving);
        }
    }
}
