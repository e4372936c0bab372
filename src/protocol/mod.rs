//! The subset of the Blob service's REST protocol that the store needs, without I/O.
//!
//! It builds `http::Request`s and reads `http::Response`s. Time and randomness are arguments. Each operation has its own
//! file. Nothing here knows Event Hubs, sockets or clocks.

mod address;
mod auth;
mod date;
mod headers;
mod list;
mod operation;
mod operations;
mod reason;
mod request;
mod response;
mod retry;
mod status;
mod xml;

pub use address::ApiVersion;
pub(crate) use address::{ConnectionString, ContainerName, Endpoint, StringCredential};
#[cfg(feature = "amqp")]
pub(crate) use address::{Pair, fault_of_letters, pairs};
pub(crate) use auth::Authorization;
pub use auth::{AccessToken, AccountKey, SasToken, TokenRequest};
pub(crate) use list::PageBody;
pub(crate) use operation::Operation;
#[cfg(feature = "legacy")]
pub(crate) use operations::is_refusal_of_content;
pub(crate) use request::{RequestParts, build};
pub(crate) use response::Response;
pub use retry::RetryOptions;
pub(crate) use retry::{Decision, Failure};
pub(crate) use status::ServiceFailure;
