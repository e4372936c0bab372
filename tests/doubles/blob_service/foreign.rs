//! Blobs of other programs, and malformed ones that no program should write.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::state::{Blob, Key, State, Variant};

/// A blob for [`put_with`](super::BlobService::put_with). Nothing in it is checked.
#[derive(Clone, Debug)]
#[must_use]
pub struct ForeignBlob {
    name: String,
    metadata: Vec<(String, String)>,
    content: Vec<u8>,
    etag: Option<String>,
    last_modified: Option<SystemTime>,
    variant: Variant,
    list_elements: String,
    list_properties: String,
}

impl ForeignBlob {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            metadata: Vec::new(),
            content: Vec::new(),
            etag: None,
            last_modified: None,
            variant: Variant::Live,
            list_elements: String::new(),
            list_properties: String::new(),
        }
    }

    pub fn metadata(mut self, metadata: &[(&str, &str)]) -> Self {
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        self.metadata.extend(metadata.iter().map(owned));
        self
    }

    /// A body, as legacy checkpoints have one.
    pub fn content(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.content = content.into();
        self
    }

    pub fn etag(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self
    }

    pub fn last_modified(mut self, time: SystemTime) -> Self {
        self.last_modified = Some(time);
        self
    }

    /// A directory of a hierarchical namespace (`<ResourceType>directory</ResourceType>`).
    pub fn directory(self) -> Self {
        self.list_property("<ResourceType>directory</ResourceType>")
    }

    /// A soft-deleted blob: in every list, asked for or not, and out of reach of every other request.
    pub fn deleted(mut self) -> Self {
        self.variant = Variant::Deleted;
        self.list_element("<Deleted>true</Deleted>")
    }

    /// A snapshot: in every list, asked for or not, and out of reach of every other request.
    pub fn snapshot(mut self, time: &str) -> Self {
        self.variant = Variant::Snapshot(time.to_owned());
        let mut element = String::new();
        let _ = write!(element, "<Snapshot>{time}</Snapshot>");
        self.list_element(&element)
    }

    /// Raw XML for the list, between `<Name>` and `<Properties>`.
    pub fn list_element(mut self, xml: &str) -> Self {
        self.list_elements.push_str(xml);
        self
    }

    /// Raw XML for the list, inside `<Properties>`.
    pub fn list_property(mut self, xml: &str) -> Self {
        self.list_properties.push_str(xml);
        self
    }

    pub(super) fn into_blob(self, state: &mut State) -> (Key, Blob) {
        let now = state.now();
        let blob = Blob {
            metadata: self.metadata,
            etag: self.etag.unwrap_or_else(|| state.new_etag()),
            last_modified: self.last_modified.unwrap_or(now),
            content: self.content,
            created: now,
            content_type: "application/octet-stream".to_owned(),
            list_elements: self.list_elements,
            list_properties: self.list_properties,
        };
        let key = Key { name: self.name, variant: self.variant };
        (key, blob)
    }
}
