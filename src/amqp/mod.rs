//! The AMQP 1.0 engine for events of Event Hubs. It runs in its own tasks and serves both surfaces.
//!
//! - [`hub`] holds the connection that all partitions share. It opens the connection on demand, authorizes it through
//!   `$cbs`, and renews its token in a task. After a failure, the first task that needs the connection opens it again.
//! - [`partition`] is one task per reader. The task owns a [`link`] in its own session, hands over batches through a
//!   channel that never blocks, and resumes after the last event. [`window`] limits what the reader holds: when the
//!   caller takes events, the link gets the freed room as credit.
//! - [`screen`] keeps the messages of senders away from the AMQP stack, because senders may send anything. [`decode`]
//!   makes events of them.
//! - [`management`] reads properties. It needs no receiver in any consumer group.
//! - [`fault`] classifies each failure by what helps.
//!
//! Nothing here waits for a caller, and no caller's future runs an AMQP operation. If such a future were dropped during
//! an attach, or with a receiver in mid-stream, the connection would end for all partitions. The surfaces know only
//! channels.

mod backoff;
mod body_copy;
mod connection_string;
mod decode;
mod encoded;
mod encoding;
mod fault;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzzing;
mod hub;
mod link;
mod management;
mod partition;
mod sas;
mod screen;
mod stream;
mod token;
mod tunnel;
mod window;

use crate::error::{Error, ErrorKind};

pub(crate) use connection_string::{ConnectionString, split_endpoint};
pub(crate) use decode::size_of_event;
pub(crate) use hub::{Hub, HubOptions};
pub(crate) use partition::{Deliver, Handed, Opened, delivery};
pub(crate) use stream::{Address, Connector};
pub(crate) use token::{GetToken, TokenSource};
pub(crate) use window::Window;

/// The log target of the engine.
const LOG: &str = "eventhub_checkpointstore::eventhubs";

/// Returns the error for a credential that only storage accepts.
pub(crate) fn no_token_credential() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the credential is one of a storage account; for Event Hubs use a token credential, or a connection string \
         of the namespace",
    )
}
