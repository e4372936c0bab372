//! List Blobs: the request, and the streaming reader of its pages.

mod blob;
mod body;
mod list_blobs;
mod page;

pub(crate) use body::PageBody;
pub(crate) use page::PageReader;
