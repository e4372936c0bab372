//! A cursor over the elements of an XML body that borrows from the body.
//!
//! It supports the subset of XML that the service sends. A general parser creates an event for every tag, which took seven
//! times as long as receiving a list. Here, an element that nobody asks for costs a single search for its end.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memmem};

/// The service nests elements four deep.
const MAX_DEPTH: usize = 64;

/// Why a body could not be read. A truncated body is always a fault, never a shorter list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XmlFault {
    #[error("the body is not UTF-8")]
    NotUtf8(#[from] std::str::Utf8Error),
    #[error("the body is not well-formed XML at byte {0}")]
    Malformed(usize),
    #[error("the body contains an unknown entity")]
    Entity,
    #[error("the body is truncated")]
    Truncated,
    #[error("there is no body")]
    Empty,
    #[error("the elements are nested too deeply at byte {0}")]
    TooDeep(usize),
    #[error(
        "the body exceeds the service's limits for an element, for a blob's metadata, or for the number of blobs"
    )]
    TooLarge,
    #[error("the body is not <{0}>")]
    WrongRoot(&'static str),
    #[error("a blob has no name")]
    NoName,
}

pub(super) type XmlResult<T> = Result<T, XmlFault>;

/// A start tag that has just been read.
#[derive(Clone, Copy)]
pub(super) struct Element<'b> {
    name: &'b str,
    attributes: &'b str,
    empty: bool,
}

impl<'b> Element<'b> {
    pub(super) fn name(&self) -> &'b str {
        self.name
    }

    /// Returns whether the tag is self-closing, so that it has no content.
    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }

    /// Returns whether the tag has no attributes or blanks: only its name in angle brackets.
    pub(super) fn is_bare(&self) -> bool {
        !self.empty && self.attributes.is_empty()
    }

    pub(super) fn has_attribute(&self, name: &str, value: &str) -> bool {
        let mut rest = self.attributes;
        while let Some((key, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let Some(quote) = after.chars().next().filter(|quote| matches!(quote, '"' | '\''))
            else {
                return false;
            };
            let Some((found, after)) = after[1..].split_once(quote) else {
                return false;
            };
            if key.trim() == name {
                return found.eq_ignore_ascii_case(value);
            }
            rest = after;
        }
        false
    }
}

/// The kinds of markup that begin with `<`.
enum Tag<'b> {
    Start(Element<'b>),
    End,
    /// A comment or an instruction.
    Other,
    CData(&'b str),
}

/// A cursor over the elements of a body.
pub(super) struct XmlCursor<'b> {
    text: &'b str,
    at: usize,
    /// The range of the last text, if it was a single piece without entities.
    plain: Option<Range<usize>>,
}

impl<'b> XmlCursor<'b> {
    /// Creates a cursor at the beginning of the body.
    pub(super) fn over(text: &'b str) -> Self {
        Self { text, at: 0, plain: None }
    }

    /// Enters the root element.
    pub(super) fn enter(&mut self, root: &'static str) -> XmlResult<Element<'b>> {
        loop {
            self.text_before_tag()?;
            match self.tag()? {
                Tag::Start(start) if start.name == root && !start.empty => return Ok(start),
                Tag::Start(_) => return Err(XmlFault::WrongRoot(root)),
                Tag::Other => {}
                Tag::End | Tag::CData(_) => return Err(XmlFault::Malformed(self.at)),
            }
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Returns the number of bytes read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns the part of the body that has not been read.
    pub(super) fn rest(&self) -> &'b str {
        &self.text[self.at..]
    }

    /// Moves forward so that only `rest` remains.
    pub(super) fn leave(&mut self, rest: &str) {
        self.at = self.text.len() - rest.len();
    }

    /// Returns a part of the body.
    pub(super) fn part(&self, range: Range<usize>) -> &'b str {
        &self.text[range]
    }

    /// Returns the range of the text that was read last, if it is the whole content of its element.
    pub(super) fn plain_text(&self) -> Option<Range<usize>> {
        self.plain.clone()
    }

    /// Returns the text before the next tag, with entities decoded.
    #[inline]
    pub(super) fn value_before_tag(&mut self) -> XmlResult<Cow<'b, str>> {
        unescape(self.text_before_tag()?)
    }

    /// Returns the next child of the entered element with this name; `None` at its end.
    #[inline]
    pub(super) fn next_child(&mut self, parent: &str) -> XmlResult<Option<Element<'b>>> {
        loop {
            self.text_before_tag()?;
            match self.tag()? {
                Tag::Start(start) => return Ok(Some(start)),
                Tag::End => return self.end(parent).map(|()| None),
                Tag::Other | Tag::CData(_) => {}
            }
        }
    }

    /// Calls back for each child. The callback must read or skip the child.
    pub(super) fn each_child(
        &mut self,
        parent: &Element<'_>,
        mut child: impl FnMut(&mut Self, Element<'b>) -> XmlResult<()>,
    ) -> XmlResult<()> {
        if parent.empty {
            return Ok(());
        }
        while let Some(element) = self.next_child(parent.name)? {
            child(self, element)?;
        }
        Ok(())
    }

    /// Returns the text of an element, without the text of its children.
    #[inline]
    pub(super) fn text(&mut self, element: &Element<'b>) -> XmlResult<Cow<'b, str>> {
        self.plain = None;
        if element.empty {
            return Ok(Cow::Borrowed(""));
        }
        let begin = self.at;
        let text = self.value_before_tag()?;
        let end = self.at;
        if self.pass_end(element.name) {
            self.plain = Some(begin..end);
            return Ok(text);
        }
        self.mixed_text(element, text)
    }

    /// Returns the rest of a text that consists of several pieces.
    #[cold]
    fn mixed_text(
        &mut self,
        element: &Element<'b>,
        first: Cow<'b, str>,
    ) -> XmlResult<Cow<'b, str>> {
        let mut whole = first.into_owned();
        loop {
            match self.tag()? {
                Tag::Start(child) => self.skip(&child)?,
                Tag::End => return self.end(element.name).map(|()| Cow::Owned(whole)),
                Tag::Other => {}
                Tag::CData(text) => whole.push_str(text),
            }
            whole.push_str(&self.value_before_tag()?);
        }
    }

    /// Refuses everything after the root element except blanks, comments and instructions.
    pub(super) fn end_of_body(&mut self) -> XmlResult<()> {
        loop {
            self.pass_blanks();
            match self.rest_bytes().first() {
                None => return Ok(()),
                Some(b'<') => {}
                Some(_) => return Err(self.malformed()),
            }
            let at = self.at;
            if !matches!(self.tag()?, Tag::Other) {
                return Err(XmlFault::Malformed(at));
            }
        }
    }

    /// Skips an element with its content.
    #[inline]
    pub(super) fn skip(&mut self, element: &Element<'b>) -> XmlResult<()> {
        if element.empty {
            return Ok(());
        }
        self.text_before_tag()?;
        if self.pass_end(element.name) { Ok(()) } else { self.skip_nested(element) }
    }

    fn skip_nested(&mut self, element: &Element<'b>) -> XmlResult<()> {
        // A loop instead of recursion, because the sender chooses the depth.
        let mut ancestors = Vec::new();
        let mut name = element.name;
        loop {
            self.text_before_tag()?;
            match self.tag()? {
                Tag::Start(child) if !child.empty => {
                    if ancestors.len() == MAX_DEPTH {
                        return Err(XmlFault::TooDeep(self.at));
                    }
                    ancestors.push(name);
                    name = child.name;
                }
                Tag::Start(_) | Tag::Other | Tag::CData(_) => {}
                Tag::End => {
                    self.end(name)?;
                    match ancestors.pop() {
                        Some(parent) => name = parent,
                        None => return Ok(()),
                    }
                }
            }
        }
    }

    #[inline]
    fn rest_bytes(&self) -> &'b [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn pass_blanks(&mut self) {
        self.at += self.rest_bytes().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    /// Moves past the end tag of an element if it comes next in its usual form.
    #[inline]
    fn pass_end(&mut self, name: &str) -> bool {
        let behind = name.len() + 2;
        let rest = self.rest_bytes();
        let comes = rest.get(behind) == Some(&b'>')
            && rest[1] == b'/'
            && rest[2..behind] == *name.as_bytes();
        if comes {
            self.at += behind + 1;
        }
        comes
    }

    /// Moves to the next `<` and returns the text before it.
    #[inline]
    fn text_before_tag(&mut self) -> XmlResult<&'b str> {
        let rest = self.rest_bytes();
        let length = match rest.first() {
            Some(b'<') => 0,
            _ => memchr(b'<', rest).ok_or(XmlFault::Truncated)?,
        };
        let from = self.at;
        self.at += length;
        Ok(&self.text[from..self.at])
    }

    /// Reads a tag at `<`. Of an end tag it reads only `</`, because the caller knows the name.
    #[inline]
    fn tag(&mut self) -> XmlResult<Tag<'b>> {
        match self.rest_bytes().get(1) {
            Some(b'/') => {
                self.at += 2;
                Ok(Tag::End)
            }
            Some(b'!') => self.declaration(),
            Some(b'?') => self.behind("<?", "?>").map(|_| Tag::Other),
            Some(_) => self.start().map(Tag::Start),
            None => Err(XmlFault::Truncated),
        }
    }

    #[inline]
    fn start(&mut self) -> XmlResult<Element<'b>> {
        let from = self.at + 1;
        let name_length = self.rest_bytes()[1..]
            .iter()
            .position(|byte| matches!(byte, 0..=b' ' | b'/' | b'<' | b'>'))
            .ok_or(XmlFault::Truncated)?;
        if name_length == 0 {
            return Err(XmlFault::Malformed(self.at));
        }
        let behind_name = from + name_length;
        let name = &self.text[from..behind_name];
        if self.text.as_bytes()[behind_name] == b'>' {
            self.at = behind_name + 1;
            return Ok(Element { name, attributes: "", empty: false });
        }
        let end = behind_name + self.attributes_length(behind_name)?;
        self.at = end + 1;
        let attributes = &self.text[behind_name..end];
        let empty = attributes.ends_with('/');
        Ok(Element { name, attributes: attributes.trim_end_matches('/'), empty })
    }

    /// A `>` within quotes does not end a tag.
    fn attributes_length(&self, from: usize) -> XmlResult<usize> {
        let mut quote = None;
        for (length, byte) in self.text.as_bytes()[from..].iter().enumerate() {
            match (quote, byte) {
                (None, b'>') => return Ok(length),
                (_, b'<') => return Err(XmlFault::Malformed(from + length)),
                (None, b'"' | b'\'') => quote = Some(*byte),
                (Some(open), byte) if open == *byte => quote = None,
                _ => {}
            }
        }
        Err(XmlFault::Truncated)
    }

    /// Reads the rest of an end tag after `</`.
    fn end(&mut self, name: &str) -> XmlResult<()> {
        if !self.rest_bytes().starts_with(name.as_bytes()) {
            // Distinguishes another name from a truncated one.
            let is_truncated = name.as_bytes().starts_with(self.rest_bytes());
            return Err(if is_truncated { XmlFault::Truncated } else { self.malformed() });
        }
        self.at += name.len();
        self.pass_blanks();
        match self.rest_bytes().first() {
            Some(b'>') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.malformed()),
            None => Err(XmlFault::Truncated),
        }
    }

    /// Document types are refused: the service sends none, and entities that a body defines are a risk.
    fn declaration(&mut self) -> XmlResult<Tag<'b>> {
        const COMMENT: &str = "<!--";
        const CDATA: &str = "<![CDATA[";
        let rest = self.rest_bytes();
        if rest.starts_with(COMMENT.as_bytes()) {
            self.behind(COMMENT, "-->").map(|_| Tag::Other)
        } else if rest.starts_with(CDATA.as_bytes()) {
            self.behind(CDATA, "]]>").map(Tag::CData)
        } else if [COMMENT, CDATA].iter().any(|begin| begin.as_bytes().starts_with(rest)) {
            Err(XmlFault::Truncated)
        } else {
            Err(self.malformed())
        }
    }

    /// Moves past the terminator of the construct that begins here, and returns the text in between.
    fn behind(&mut self, begin: &str, end: &str) -> XmlResult<&'b str> {
        let from = self.at + begin.len();
        let rest = &self.text.as_bytes()[from..];
        let length = memmem::find(rest, end.as_bytes()).ok_or(XmlFault::Truncated)?;
        self.at = from + length + end.len();
        Ok(&self.text[from..from + length])
    }

    fn malformed(&self) -> XmlFault {
        XmlFault::Malformed(self.at)
    }
}

#[inline]
fn unescape(raw: &str) -> XmlResult<Cow<'_, str>> {
    let Some(first) = memchr(b'&', raw.as_bytes()) else {
        return Ok(Cow::Borrowed(raw));
    };
    let mut text = raw[..first].to_owned();
    let mut pieces = raw[first + 1..].split('&');
    pieces.try_for_each(|piece| {
        let (entity, after) = piece.split_once(';').ok_or(XmlFault::Entity)?;
        text.push(character(entity).ok_or(XmlFault::Entity)?);
        text.push_str(after);
        Ok::<(), XmlFault>(())
    })?;
    Ok(Cow::Owned(text))
}

/// Returns the character of an entity.
fn character(entity: &str) -> Option<char> {
    let number = match entity {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => entity.strip_prefix('#')?,
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    // The integer parser would accept a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).filter(|found| *found != '\0')
}

#[cfg(test)]
mod tests;
