//! A blob of the SDK's list as the store reads it.

use std::borrow::Cow;

use azure_storage_blobs::blob::Blob;

use crate::container::{BlobEntry, BlobEntryKind, BlobVisitor};

pub(super) fn show(blob: &Blob, visitor: &mut dyn BlobVisitor) {
    let metadata: Vec<(Cow<'_, str>, Cow<'_, str>)> = blob
        .metadata
        .iter()
        .flatten()
        .map(|(key, value)| (Cow::from(key), Cow::from(value)))
        .collect();
    let mut entry = BlobEntry::new(&*blob.name, &metadata);
    entry.etag = Some(blob.properties.etag.as_ref().into());
    entry.last_modified = Some(blob.properties.last_modified.into());
    entry.kind = kind(blob);
    visitor.visit(entry);
}

fn kind(blob: &Blob) -> BlobEntryKind {
    if blob.deleted == Some(true)
        || blob.snapshot.is_some()
        || blob.is_current_version == Some(false)
    {
        BlobEntryKind::NotCurrent
    } else if blob.properties.resource_type.as_deref() == Some("directory") {
        BlobEntryKind::Directory
    } else {
        BlobEntryKind::Blob
    }
}
