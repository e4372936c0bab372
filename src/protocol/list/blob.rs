//! A blob of a list: the hottest code of the crate.
//!
//! A list of 10,000 partitions has 10,000 `<Blob>` elements, each about a kilobyte of markup around five or six values that
//! differ ([List Blobs](https://learn.microsoft.com/rest/api/storageservices/list-blobs#response-body)). So the first blob is
//! read tag by tag and leaves its markup as a [`Shape`]. The next ones are compared with it, and only a blob that differs is
//! read tag by tag again.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;
use percent_encoding::percent_decode_str;

use crate::container::{BlobEntry, BlobEntryKind, BlobVisitor};
use crate::protocol::date::parse_date;
use crate::protocol::xml::{Element, XmlCursor, XmlFault, XmlResult};

pub(in crate::protocol) type Metadata<'b> = Vec<(Cow<'b, str>, Cow<'b, str>)>;

/// More pairs of metadata, and other texts, than a blob can have: the service allows
/// [8 KiB of metadata](https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources)
/// in total. It bounds the memory for a body that does not come from the service.
const MAX_FIELDS: usize = 4096;

/// How a blob differs from the one before it.
pub(in crate::protocol) enum Mismatch {
    /// It does not differ as far as it has arrived: more of the body may complete it.
    Begun,
    /// It differs, or a text has entities: read it tag by tag.
    Other,
}

/// Reads one blob after the other.
#[derive(Default)]
pub(in crate::protocol) struct BlobReader {
    shape: Option<Shape>,
}

impl BlobReader {
    /// Shows the next blob if it has the shape of the one before. `metadata` is a buffer that is reused.
    #[inline]
    pub(in crate::protocol) fn parse_fast<'b>(
        &self,
        cursor: &mut XmlCursor<'b>,
        metadata: &mut Metadata<'b>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<(), Mismatch> {
        let shape = self.shape.as_ref().ok_or(Mismatch::Other)?;
        let rest = shape.show(cursor.rest(), metadata, visitor)?;
        cursor.leave(rest);
        Ok(())
    }

    /// Reads a blob tag by tag after its start tag, which begins at `begin`, and shows it. `metadata` is a buffer that is
    /// reused.
    pub(in crate::protocol) fn read<'b>(
        &mut self,
        cursor: &mut XmlCursor<'b>,
        begin: usize,
        blob: &Element<'b>,
        metadata: &mut Metadata<'b>,
        visitor: &mut dyn BlobVisitor,
    ) -> XmlResult<()> {
        metadata.clear();
        let mut elements = Elements::new(metadata);
        elements.read(cursor, blob)?;
        if !elements.has_name {
            return Err(XmlFault::NoName);
        }
        // A shape's markup is compared, not interpreted. It includes the text that makes a blob a directory, a snapshot or a
        // deleted one, so such a blob must not become a shape: the next one like it would be shown as a current blob.
        if elements.is_plain && elements.entry.kind == BlobEntryKind::Blob {
            self.shape = Some(Shape::new(cursor, begin, elements.fields));
        }
        let entry = elements.entry;
        visitor.visit(BlobEntry { metadata, ..entry });
        Ok(())
    }
}

/// What the text of an element means.
#[derive(Clone, Copy)]
enum Field {
    Name,
    LastModified,
    ETag,
    /// A value of metadata. Its key is in the start tag before it, and has this many bytes.
    Metadata(usize),
    /// A text that differs from blob to blob and that no caller needs, such as the creation time.
    Ignored,
}

/// The markup of a blob around the texts that differ.
///
/// Blobs from the same writer differ only in a few texts. Comparing the markup around these texts with that of the previous
/// blob takes a fifth of the time of reading tag by tag. It cannot give another result, because equal markup was parsed once.
struct Shape {
    /// All markup, in order.
    markup: String,
    /// The length of the markup before each text, and the meaning of the text.
    fields: Vec<(usize, Field)>,
}

impl Shape {
    fn new(cursor: &XmlCursor<'_>, begin: usize, texts: Vec<(Range<usize>, Field)>) -> Self {
        let mut markup = String::new();
        let mut from = begin;
        let fields = texts
            .into_iter()
            .map(|(text, field)| {
                let before = cursor.part(from..text.start);
                markup.push_str(before);
                from = text.end;
                (before.len(), field)
            })
            .collect();
        markup.push_str(cursor.part(from..cursor.position()));
        Self { markup, fields }
    }

    /// Shows the blob at the beginning of `body` if it has this shape, and returns the rest of the body.
    ///
    /// Keys of metadata belong to the markup, so a blob with other keys has another shape. ETags, times and values are texts
    /// of any length; a text ends at the next `<`, because XML requires `&lt;` inside of texts.
    fn show<'b>(
        &self,
        body: &'b str,
        metadata: &mut Metadata<'b>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<&'b str, Mismatch> {
        // Local slices, and the entry only at the end: an entry that is filled in place and then moved makes the processor
        // wait for its own stores.
        let (mut name, mut etag, mut last_modified) = ("", "", None);
        let (mut rest, mut pairs) = (body, 0);
        let mut markup = self.markup.as_str();
        for (length, field) in &self.fields {
            let (before, behind) = markup.split_at(*length);
            markup = behind;
            let value = rest.strip_prefix(before).ok_or_else(|| mismatch(rest, before))?;
            let (text, behind) = split_at_tag(value)?;
            match *field {
                Field::Name => name = text,
                Field::LastModified => last_modified = parse_date(text),
                Field::ETag => etag = text,
                Field::Metadata(length) => {
                    let key = Cow::Borrowed(key(&rest[..before.len()], length));
                    let pair = (key, Cow::Borrowed(text));
                    // Overwriting keeps the allocation of the buffer from blob to blob.
                    match metadata.get_mut(pairs) {
                        Some(room) => *room = pair,
                        None => metadata.push(pair),
                    }
                    pairs += 1;
                }
                Field::Ignored => {}
            }
            rest = behind;
        }
        rest = rest.strip_prefix(markup).ok_or_else(|| mismatch(rest, markup))?;
        metadata.truncate(pairs);
        visitor.visit(BlobEntry {
            name: Cow::Borrowed(name),
            etag: (!etag.is_empty()).then_some(Cow::Borrowed(etag)),
            last_modified,
            kind: BlobEntryKind::Blob,
            metadata,
        });
        Ok(rest)
    }
}

/// Splits off a text without entities. One search finds both the end of the text and an entity in it.
#[inline]
fn split_at_tag(rest: &str) -> Result<(&str, &str), Mismatch> {
    match memchr2(b'<', b'&', rest.as_bytes()) {
        Some(length) if rest.as_bytes()[length] == b'<' => Ok(rest.split_at(length)),
        Some(_) => Err(Mismatch::Other),
        None => Err(Mismatch::Begun),
    }
}

#[cold]
fn mismatch(rest: &str, expected: &str) -> Mismatch {
    if expected.starts_with(rest) { Mismatch::Begun } else { Mismatch::Other }
}

/// Returns the key of metadata at the end of its start tag. It is taken from the body instead of the shape, so that it
/// borrows as long as the value does.
#[inline]
fn key(tag: &str, length: usize) -> &str {
    let end = tag.len() - ">".len();
    &tag[end - length..end]
}

/// Reads a blob tag by tag.
struct Elements<'s, 'b> {
    entry: BlobEntry<'b>,
    metadata: &'s mut Metadata<'b>,
    fields: Vec<(Range<usize>, Field)>,
    has_name: bool,
    /// Each field is a single text without entities, so its range in the body can be part of a shape.
    is_plain: bool,
}

impl<'s, 'b> Elements<'s, 'b> {
    fn new(metadata: &'s mut Metadata<'b>) -> Self {
        Self {
            entry: BlobEntry::default(),
            metadata,
            fields: Vec::with_capacity(8),
            has_name: false,
            is_plain: true,
        }
    }

    fn read(&mut self, cursor: &mut XmlCursor<'b>, blob: &Element<'b>) -> XmlResult<()> {
        cursor.each_child(blob, |cursor, element| match element.name() {
            "Name" if element.has_attribute("Encoded", "true") => {
                (self.has_name, self.is_plain) = (true, false);
                // A name with characters that XML cannot represent comes percent-encoded
                // ([Remarks](https://learn.microsoft.com/rest/api/storageservices/list-blobs#remarks)).
                let text = cursor.text(&element)?;
                let name = percent_decode_str(&text).decode_utf8_lossy().into_owned();
                self.entry.name = Cow::Owned(name);
                Ok(())
            }
            "Name" => {
                self.has_name = true;
                self.field(cursor, &element, Field::Name)
            }
            "Properties" => {
                cursor.each_child(&element, |cursor, element| self.property(cursor, &element))
            }
            "Metadata" => {
                cursor.each_child(&element, |cursor, element| self.metadata(cursor, &element))
            }
            "Deleted" => self.mark(cursor, &element, |text| text.trim() == "true"),
            "IsCurrentVersion" => self.mark(cursor, &element, |text| text.trim() == "false"),
            "Snapshot" => self.mark(cursor, &element, |text| !text.is_empty()),
            "VersionId" => self.field(cursor, &element, Field::Ignored),
            _ => cursor.skip(&element),
        })
    }

    fn property(&mut self, cursor: &mut XmlCursor<'b>, element: &Element<'b>) -> XmlResult<()> {
        match element.name() {
            "Last-Modified" => self.field(cursor, element, Field::LastModified),
            name if name.eq_ignore_ascii_case("etag") => self.field(cursor, element, Field::ETag),
            "Creation-Time" => self.field(cursor, element, Field::Ignored),
            "ResourceType" => {
                if cursor.text(element)?.trim() == "directory" {
                    self.entry.kind = BlobEntryKind::Directory;
                }
                Ok(())
            }
            _ => cursor.skip(element),
        }
    }

    fn metadata(&mut self, cursor: &mut XmlCursor<'b>, element: &Element<'b>) -> XmlResult<()> {
        let key = element.name();
        if element.is_bare() {
            return self.field(cursor, element, Field::Metadata(key.len()));
        }
        self.is_plain = false;
        let value = cursor.text(element)?;
        self.add_metadata(key, value)
    }

    fn add_metadata(&mut self, key: &'b str, value: Cow<'b, str>) -> XmlResult<()> {
        if self.metadata.len() == MAX_FIELDS {
            return Err(XmlFault::TooLarge);
        }
        self.metadata.push((Cow::Borrowed(key), value));
        Ok(())
    }

    fn field(
        &mut self,
        cursor: &mut XmlCursor<'b>,
        element: &Element<'b>,
        field: Field,
    ) -> XmlResult<()> {
        let text = cursor.text(element)?;
        match cursor.plain_text() {
            Some(_) if self.fields.len() > 2 * MAX_FIELDS => return Err(XmlFault::TooLarge),
            Some(range) => self.fields.push((range, field)),
            None => self.is_plain = false,
        }
        match field {
            Field::Name => self.entry.name = text,
            Field::LastModified => self.entry.last_modified = parse_date(&text),
            Field::ETag => self.entry.etag = Some(text).filter(|etag| !etag.is_empty()),
            Field::Metadata(_) => self.add_metadata(element.name(), text)?,
            Field::Ignored => {}
        }
        Ok(())
    }

    /// Reads a text that may say that this is not a current blob.
    fn mark(
        &mut self,
        cursor: &mut XmlCursor<'b>,
        element: &Element<'b>,
        it_is_not: impl Fn(&str) -> bool,
    ) -> XmlResult<()> {
        if it_is_not(&cursor.text(element)?) {
            self.entry.kind = BlobEntryKind::NotCurrent;
        }
        Ok(())
    }
}
