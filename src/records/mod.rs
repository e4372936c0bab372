//! The records of a store as blobs: their names, their metadata, and how a list of them is read.
//!
//! Nothing here does I/O or knows HTTP.

pub(crate) mod claim;
pub(crate) mod fenced_update;
pub(crate) mod groups;
#[cfg(feature = "legacy")]
pub(crate) mod legacy;
pub(crate) mod listing;
pub(crate) mod metadata;
pub(crate) mod naming;
pub(crate) mod stored;
pub(crate) mod version_cache;
