//! A blob of a list.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;
use percent_encoding::percent_decode_str;

use crate::container::{BlobEntry, BlobEntryKind, BlobVisitor};
use crate::protocol::date::parse_date;
use crate::protocol::xml::{Element, XmlCursor, XmlFault, XmlResult};

pub(in crate::protocol) type Metadata<'b> = Vec<(Cow<'b, str>, Cow<'b, str>)>;

/// As many pairs of metadata, and other texts, as a blob has at most: the service takes 8 KiB in all.
const MAX_FIELDS: usize = 4096;

/// How a blob differs from the one before it.
pub(in crate::protocol) enum Mismatch {
    /// Not as far as it came.
    Begun,
    Other,
}

/// Reads one blob after the other.
#[derive(Default)]
pub(in crate::protocol) struct BlobReader {
    shape: Option<Shape>,
}

impl BlobReader {
    /// Shows the next blob if it has the form of the one before. `metadata` is only room for it.
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

    /// Shows a blob whose start tag was read; what belongs to it begins at `begin`. `metadata` is only room for it.
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
        // What stands in a shape has no effect, so a blob that is something else makes none.
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
    /// The key stands in the start tag before the text and has so many bytes.
    Metadata(usize),
    /// It differs from blob to blob, and nobody needs it.
    Ignored,
}

/// The markup of a blob around the texts that differ.
///
/// Blobs that were written by the same means differ in a few texts only. Comparing what is around them with the blob
/// before takes a fifth of the time of reading tag by tag, and cannot read it in another way: what is equal was
/// read as a whole once.
struct Shape {
    /// All markup, in its order.
    markup: String,
    /// How much of it stands before each text, and what the text means.
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

    /// Shows the blob that a body goes on with if it is alike, and returns what is behind it.
    fn show<'b>(
        &self,
        body: &'b str,
        metadata: &mut Metadata<'b>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<&'b str, Mismatch> {
        // Slices, and the entry from them at the end: what is moved as soon as it was written makes the processor wait.
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

/// A text without entities, and what is behind it.
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

/// The key of metadata at the end of its start tag.
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
    /// Each field is a single piece of text.
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
                // A name that XML cannot hold comes percent-encoded.
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

    /// Reads a text that may say that this is no current blob.
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
