//! The operations on a container and its blobs, one file each. `list` has the one whose response is streamed.

mod create_container;
mod delete_blob;
mod get_account_information;
mod get_blob;
mod get_blob_properties;
mod get_container_properties;
mod get_service_properties;
mod put_blob;
mod set_blob_metadata;

#[cfg(feature = "legacy")]
pub(crate) use get_blob::is_refusal_of_content;
