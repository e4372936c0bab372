//! The requests and results of blob containers, shared by the `BlobContainer` traits of both surfaces.

pub(crate) mod call;
pub(crate) mod memory;
mod requests;

pub use call::CallContext;
pub use requests::*;
