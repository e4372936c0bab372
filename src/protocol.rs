//! The subset of the Blob service's REST protocol that the store needs, without I/O.
//!
//! Builds `http::Request`s and reads `http::Response`s; the time and randomness come in as arguments. One
//! file per operation; nothing here knows Event Hubs, sockets or clocks.

mod account_key;
mod answer;
mod api_version;
mod connection_string;
mod container_name;
mod create_container;
mod date;
mod delete_blob;
mod endpoint;
mod get_blob;
mod get_blob_properties;
mod list_blobs;
mod list_page;
mod listed_blob;
mod operation;
mod put_blob;
mod retry;
mod sas;
mod set_blob_metadata;
mod sign;
mod status;
mod xml;

pub use account_key::AccountKey;
pub(crate) use answer::Answer;
pub use api_version::ApiVersion;
pub(crate) use connection_string::{ConnectionString, StringCredential};
pub(crate) use container_name::ContainerName;
pub(crate) use endpoint::Endpoint;
#[cfg(feature = "legacy")]
pub(crate) use get_blob::is_refusal_of_content;
pub(crate) use list_page::PageReader;
pub(crate) use operation::{Authorization, Operation, RequestParts, build};
pub use retry::RetryOptions;
pub(crate) use retry::{Decision, Failure};
pub use sas::SasToken;
pub(crate) use status::ServiceFailure;
