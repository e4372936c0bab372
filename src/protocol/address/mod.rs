//! Where requests go: the endpoint, the container, and the connection strings that name them.

mod api_version;
mod connection_string;
mod container_name;
mod endpoint;
mod pairs;

pub use api_version::ApiVersion;
pub(crate) use connection_string::{ConnectionString, StringCredential};
pub(crate) use container_name::ContainerName;
pub(crate) use endpoint::Endpoint;
pub(in crate::protocol) use endpoint::encode_query;
#[cfg(feature = "amqp")]
pub(crate) use pairs::{Pair, fault_of_letters, pairs};
