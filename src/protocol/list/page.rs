//! A streaming parser for the body of a List Blobs response.

use std::borrow::Cow;
use std::str::{self, Utf8Error};

use super::blob::{BlobReader, Metadata, Mismatch};
use crate::container::BlobVisitor;
use crate::protocol::xml::{XmlCursor, XmlFault, XmlResult};

const ROOT: &str = "EnumerationResults";
const BLOBS: &str = "Blobs";

/// The minimum that is copied from a chunk to complete an element of the previous chunk. A blob has about a kilobyte.
const COMPLETION: usize = 2048;

/// Far longer than any element: a blob has at most a name of 1,024 characters and 8 KiB of metadata. An incomplete element
/// is kept in memory, so this bounds the memory.
const MAX_ELEMENT: usize = 1 << 20;

/// The service lists at most 5,000 blobs on a page. Visitors keep data for each blob, so this bounds their memory.
const MAX_BLOBS: usize = 50_000;

/// Parses a page and shows each blob as soon as it is complete. Only an incomplete element is kept in memory.
///
/// If the body turns out to be truncated or not a list, the blobs that were shown must be discarded.
#[derive(Default)]
pub(crate) struct PageReader {
    stage: Stage,
    /// The beginning of an incomplete element.
    rest: Vec<u8>,
    /// The length at which `rest` was last found to be incomplete.
    tried: usize,
    /// The number of bytes before `rest`.
    position: usize,
    blobs: BlobReader,
    /// The number of blobs.
    count: usize,
    /// The buffer for a blob's metadata.
    metadata: Metadata<'static>,
    next_marker: Option<String>,
    fault: Option<XmlFault>,
}

/// The part of the page that is parsed next.
#[derive(Default)]
enum Stage {
    #[default]
    Root,
    ListElement,
    Blob,
    End,
}

impl PageReader {
    /// Consumes a chunk completely, even after a fault: a connection can only be reused once its response has been read.
    pub(crate) fn push(&mut self, chunk: &[u8], visitor: &mut dyn BlobVisitor) {
        if self.fault.is_none() {
            self.fault = self.read_chunk(chunk, visitor).err();
        }
    }

    /// Returns the marker of the next page.
    ///
    /// # Errors
    ///
    /// The body was not a complete list.
    pub(super) fn finish(mut self, visitor: &mut dyn BlobVisitor) -> XmlResult<Option<String>> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let rest = std::mem::take(&mut self.rest);
        let is_whole = self.read(&rest, visitor)? == rest.len();
        match self.stage {
            Stage::End if is_whole => Ok(self.next_marker.take()),
            _ => Err(XmlFault::Truncated),
        }
    }

    fn read_chunk(&mut self, chunk: &[u8], visitor: &mut dyn BlobVisitor) -> XmlResult<()> {
        let mut rest = std::mem::take(&mut self.rest);
        let mut unread = chunk;
        while !rest.is_empty() && !unread.is_empty() {
            let begun = rest.len();
            let (next, behind) = unread.split_at(unread.len().min(begun.max(COMPLETION)));
            rest.extend_from_slice(next);
            // Try again only when there is twice as much. Otherwise an element in many chunks would be parsed again for
            // each of them.
            let is_worth_it = rest.len() >= 2 * self.tried;
            let read = if is_worth_it { self.read(&rest, visitor)? } else { 0 };
            unread = match read.checked_sub(begun) {
                Some(of_next) => {
                    rest.clear();
                    &unread[of_next..]
                }
                None => behind,
            };
            if is_worth_it && !rest.is_empty() {
                rest.drain(..read);
                self.tried = rest.len();
            }
        }
        if !unread.is_empty() {
            let read = self.read(unread, visitor)?;
            self.tried = unread.len() - read;
            if self.tried <= MAX_ELEMENT {
                rest.extend_from_slice(&unread[read..]);
            }
        }
        if self.tried > MAX_ELEMENT {
            return Err(XmlFault::TooLarge);
        }
        self.rest = rest;
        Ok(())
    }

    /// Parses the complete elements, and returns their length.
    fn read(&mut self, bytes: &[u8], visitor: &mut dyn BlobVisitor) -> XmlResult<usize> {
        let mut cursor = XmlCursor::over(text(bytes)?);
        let mut metadata = emptied(std::mem::take(&mut self.metadata));
        let read = loop {
            let begin = cursor.position();
            let step = match self.stage {
                Stage::Root => cursor.enter(ROOT).map(|_| Stage::ListElement),
                Stage::ListElement => self.list_element(&mut cursor),
                Stage::Blob => match self.blobs.parse_fast(&mut cursor, &mut metadata, visitor) {
                    Ok(()) => {
                        self.count_blob()?;
                        continue;
                    }
                    Err(Mismatch::Begun) => break begin,
                    Err(Mismatch::Other) => self.blob(&mut cursor, &mut metadata, visitor),
                },
                Stage::End => cursor.end_of_body().map(|()| Stage::End),
            };
            match step {
                Ok(stage) => self.stage = stage,
                Err(XmlFault::Truncated) => break begin,
                Err(XmlFault::Malformed(at)) => {
                    return Err(XmlFault::Malformed(self.position + at));
                }
                Err(fault) => return Err(fault),
            }
            if matches!(self.stage, Stage::End) && cursor.is_at_end() {
                break cursor.position();
            }
        };
        self.metadata = emptied(metadata);
        self.position += read;
        Ok(read)
    }

    fn blob<'b>(
        &mut self,
        cursor: &mut XmlCursor<'b>,
        metadata: &mut Metadata<'b>,
        visitor: &mut dyn BlobVisitor,
    ) -> XmlResult<Stage> {
        let begin = cursor.position();
        let Some(element) = cursor.next_child(BLOBS)? else {
            return Ok(Stage::ListElement);
        };
        if element.name() == "Blob" {
            self.count_blob()?;
            self.blobs.read(cursor, begin, &element, metadata, visitor)?;
        } else {
            cursor.skip(&element)?;
        }
        Ok(Stage::Blob)
    }

    fn count_blob(&mut self) -> XmlResult<()> {
        self.count += 1;
        if self.count > MAX_BLOBS { Err(XmlFault::TooLarge) } else { Ok(()) }
    }

    fn list_element(&mut self, cursor: &mut XmlCursor<'_>) -> XmlResult<Stage> {
        let Some(element) = cursor.next_child(ROOT)? else {
            return Ok(Stage::End);
        };
        match element.name() {
            BLOBS if !element.is_empty() => return Ok(Stage::Blob),
            "NextMarker" => {
                let text = cursor.text(&element)?;
                self.next_marker = (!text.is_empty()).then(|| text.into_owned());
            }
            _ => cursor.skip(&element)?,
        }
        Ok(Stage::ListElement)
    }
}

/// Reuses the buffer of metadata for texts with another lifetime.
fn emptied<'b>(mut metadata: Metadata<'_>) -> Metadata<'b> {
    metadata.clear();
    let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    // The vector is empty, so it only changes its type and keeps its allocation.
    metadata.into_iter().map(|(key, value)| (owned(key), owned(value))).collect()
}

/// Returns the bytes as text, up to an incomplete character.
fn text(bytes: &[u8]) -> Result<&str, Utf8Error> {
    match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => str::from_utf8(&bytes[..error.valid_up_to()]),
        text => text,
    }
}

#[cfg(test)]
mod tests;
