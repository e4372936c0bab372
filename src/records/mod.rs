//! The records of a store as blobs: their names, one codec of the metadata for each, and how a list of them is read.
//!
//! Nothing here does I/O or knows HTTP.

pub(crate) mod checkpoint;
pub(crate) mod claim;
pub(crate) mod decoded;
pub(crate) mod fenced_update;
pub(crate) mod group_records;
pub(crate) mod groups;
#[cfg(feature = "legacy")]
pub(crate) mod legacy;
pub(crate) mod listing;
mod metadata;
pub(crate) mod naming;
pub(crate) mod ownership;
pub(crate) mod stored;
pub(crate) mod version_cache;
