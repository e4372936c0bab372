//! Walking an XML body from element to element, borrowing from it.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

/// Why a body could not be read. A body that ends early is always a fault, never a shorter list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XmlFault {
    #[error("the body is not UTF-8")]
    NotUtf8(#[from] std::str::Utf8Error),
    #[error("the body is not well-formed XML")]
    Malformed(#[from] quick_xml::Error),
    #[error("the body has an unknown entity")]
    Entity(#[from] quick_xml::escape::EscapeError),
    #[error("the body ends in the middle")]
    Truncated,
    #[error("the body is not <{0}>")]
    WrongRoot(&'static str),
    #[error("a blob has no name")]
    NoName,
}

pub(super) type XmlResult<T> = Result<T, XmlFault>;

/// A start tag that was just read.
pub(super) struct Element<'b> {
    start: BytesStart<'b>,
    empty: bool,
}

impl Element<'_> {
    pub(super) fn name(&self) -> &str {
        self.start.name().into_inner()
    }

    pub(super) fn has_attribute(&self, name: &str, value: &str) -> bool {
        self.start.attributes().flatten().any(|attribute| {
            attribute.key.into_inner() == name && attribute.value.eq_ignore_ascii_case(value)
        })
    }
}

/// Reads elements of a body.
pub(super) struct Walker<'b> {
    reader: Reader<&'b [u8]>,
}

impl<'b> Walker<'b> {
    /// Stands inside the root element of the body.
    pub(super) fn new(body: &'b [u8], root: &'static str) -> XmlResult<Self> {
        let text = std::str::from_utf8(body)?;
        let reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let mut walker = Self { reader };
        loop {
            match walker.reader.read_event()? {
                Event::Start(start) if start.name().into_inner() == root => return Ok(walker),
                Event::Start(_) | Event::Empty(_) => return Err(XmlFault::WrongRoot(root)),
                Event::Eof => return Err(XmlFault::Truncated),
                _ => {}
            }
        }
    }

    /// The next child of the element that was entered; `None` at its end.
    pub(super) fn next_child(&mut self) -> XmlResult<Option<Element<'b>>> {
        loop {
            match self.reader.read_event()? {
                Event::Start(start) => return Ok(Some(Element { start, empty: false })),
                Event::Empty(start) => return Ok(Some(Element { start, empty: true })),
                Event::End(_) => return Ok(None),
                Event::Eof => return Err(XmlFault::Truncated),
                _ => {}
            }
        }
    }

    /// The text of a leaf element.
    pub(super) fn text(&mut self, element: &Element<'b>) -> XmlResult<Cow<'b, str>> {
        if element.empty {
            return Ok(Cow::Borrowed(""));
        }
        match self.reader.read_text(element.start.name())?.into_inner() {
            Cow::Borrowed(raw) => Ok(unescape(raw)?),
            Cow::Owned(raw) => Ok(Cow::Owned(unescape(&raw)?.into_owned())),
        }
    }

    /// Leaves out an element with all that is in it.
    pub(super) fn skip(&mut self, element: &Element<'b>) -> XmlResult<()> {
        if !element.empty {
            self.reader.read_to_end(element.start.name())?;
        }
        Ok(())
    }

    /// Calls back for each child; what the callback does not read is skipped by it.
    pub(super) fn each_child(
        &mut self,
        parent: &Element<'b>,
        mut child: impl FnMut(&mut Self, Element<'b>) -> XmlResult<()>,
    ) -> XmlResult<()> {
        if parent.empty {
            return Ok(());
        }
        while let Some(element) = self.next_child()? {
            child(self, element)?;
        }
        Ok(())
    }
}
