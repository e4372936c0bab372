//! List Blobs: the request, and the reader of its pages while they arrive.

mod blob;
mod body;
mod list_blobs;
mod page;

pub(crate) use body::PageBody;
pub(crate) use page::PageReader;
