//! Events of Event Hubs over AMQP 1.0: one engine in tasks of its own, for both surfaces.
//!
//! - [`hub`] has the connection, which all partitions share: opened when somebody asks, authorized through `$cbs`, its
//!   token renewed by a task, opened again by whoever needs it first.
//! - [`partition`] is a task for each reader. It owns a [`link`] in a session of its own, hands batches over a channel
//!   that never blocks, and resumes behind the last event. [`window`] is what bounds it: the reader gives back what its
//!   caller has taken, and the link gets that as credit.
//! - [`management`] reads properties, without a receiver in any consumer group.
//! - [`fault`] says for each failure what helps.
//!
//! Nothing here waits for a caller, and no future of a caller runs an AMQP operation: one that is dropped inside an attach
//! or with a receiver in mid-stream would end the connection for all partitions. The surfaces know only channels.

mod backoff;
mod connection_string;
mod decode;
mod depth;
mod fault;
#[cfg(feature = "_fuzz")]
pub(crate) mod fuzzing;
mod hub;
mod link;
mod management;
mod partition;
mod sas;
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

/// A credential that only storage takes.
pub(crate) fn no_token_credential() -> Error {
    Error::new(
        ErrorKind::Configuration,
        "the credential is one of a storage account; for Event Hubs use a token credential, or a connection string \
         of the namespace",
    )
}
