//! The body of a List Blobs answer.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::xml::{Element, Walker, XmlFault, XmlResult};
use crate::container::{BlobEntry, BlobEntryKind, BlobVisitor};
use crate::error::{Error, ErrorKind, Result};

type Metadata<'b> = Vec<(Cow<'b, str>, Cow<'b, str>)>;

/// Shows each blob of a page to a visitor, and returns the marker of the next page.
///
/// Blobs are shown while the body is read: if it turns out to be truncated, what was shown must be discarded.
pub(crate) fn read_page(body: &[u8], visit: &mut BlobVisitor<'_>) -> Result<Option<String>> {
    page(body, visit).map_err(|fault| {
        Error::new(ErrorKind::InvalidResponse, "the list cannot be read").with_source(fault)
    })
}

fn page(body: &[u8], visit: &mut BlobVisitor<'_>) -> XmlResult<Option<String>> {
    let (mut walker, root) = Walker::new(body, "EnumerationResults")?;
    let mut marker = None;
    let mut scratch = Scratch::default();
    walker.each_child(&root, |walker, element| {
        match element.name() {
            "Blobs" => walker.each_child(&element, |walker, element| match element.name() {
                "Blob" => blob(walker, &element, &mut scratch, visit),
                _ => walker.skip(&element),
            })?,
            "NextMarker" => {
                let text = walker.text(&element)?;
                marker = (!text.is_empty()).then(|| text.into_owned());
            }
            _ => walker.skip(&element)?,
        }
        Ok(())
    })?;
    Ok(marker)
}

/// What is kept from one blob of a page to the next.
#[derive(Default)]
struct Scratch<'b> {
    /// One buffer serves all blobs.
    metadata: Metadata<'b>,
    /// How the properties of a blob ended behind its ETag, if nothing in there mattered. Blobs that were written by the
    /// same means all end with the same bytes, half of a list, which need not be taken apart again.
    tail: Option<&'b str>,
}

fn blob<'b>(
    walker: &mut Walker<'b>,
    parent: &Element<'b>,
    scratch: &mut Scratch<'b>,
    visit: &mut BlobVisitor<'_>,
) -> XmlResult<()> {
    scratch.metadata.clear();
    let mut entry = BlobEntry::default();
    let mut name = None;
    walker.each_child(parent, |walker, element| {
        match element.name() {
            "Name" => name = Some(blob_name(walker, &element)?),
            "Properties" => properties(walker, &element, &mut entry, &mut scratch.tail)?,
            "Metadata" => walker.each_child(&element, |walker, element| {
                let value = walker.text(&element)?;
                scratch.metadata.push((Cow::Borrowed(element.name()), value));
                Ok(())
            })?,
            "Deleted" => not_current(&mut entry, walker.text(&element)?.trim() == "true"),
            "IsCurrentVersion" => not_current(&mut entry, walker.text(&element)?.trim() == "false"),
            "Snapshot" => not_current(&mut entry, !walker.text(&element)?.is_empty()),
            _ => walker.skip(&element)?,
        }
        Ok(())
    })?;
    entry.name = name.ok_or(XmlFault::NoName)?;
    visit(BlobEntry { metadata: &scratch.metadata, ..entry });
    Ok(())
}

fn not_current(entry: &mut BlobEntry<'_>, it_is_not: bool) {
    if it_is_not {
        entry.kind = BlobEntryKind::NotCurrent;
    }
}

/// A name that XML cannot hold comes percent-encoded.
fn blob_name<'b>(walker: &mut Walker<'b>, element: &Element<'b>) -> XmlResult<Cow<'b, str>> {
    let text = walker.text(element)?;
    if element.has_attribute("Encoded", "true") {
        return Ok(Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned()));
    }
    Ok(text)
}

fn properties<'b>(
    walker: &mut Walker<'b>,
    parent: &Element<'b>,
    entry: &mut BlobEntry<'b>,
    tail: &mut Option<&'b str>,
) -> XmlResult<()> {
    if parent.is_empty() {
        return Ok(());
    }
    let mut tail_begins = None;
    while let Some(element) = walker.next_child(parent)? {
        match element.name() {
            "Last-Modified" => {
                entry.last_modified = httpdate::parse_http_date(walker.text(&element)?.trim()).ok();
                tail_begins = None;
            }
            name if name.eq_ignore_ascii_case("etag") => {
                entry.etag = Some(walker.text(&element)?).filter(|etag| !etag.is_empty());
                if tail.is_some_and(|known| walker.pass(known)) {
                    return Ok(());
                }
                tail_begins = Some(walker.position());
            }
            "ResourceType" => {
                if walker.text(&element)?.trim() == "directory" {
                    entry.kind = BlobEntryKind::Directory;
                    tail_begins = None;
                }
            }
            _ => walker.skip(&element)?,
        }
    }
    if let Some(begin) = tail_begins {
        *tail = Some(walker.since(begin));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Read {
        names: Vec<String>,
        metadata: Vec<Vec<(String, String)>>,
        kinds: Vec<BlobEntryKind>,
        etags: Vec<Option<String>>,
        marker: Option<String>,
    }

    fn read(body: &[u8]) -> Result<Read> {
        let mut read =
            Read { names: vec![], metadata: vec![], kinds: vec![], etags: vec![], marker: None };
        let marker = read_page(body, &mut |entry| {
            read.names.push(entry.name.into_owned());
            read.kinds.push(entry.kind);
            read.etags.push(entry.etag.map(Cow::into_owned));
            let pairs = entry.metadata.iter();
            read.metadata.push(pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect());
        })?;
        read.marker = marker;
        Ok(read)
    }

    macro_rules! vector {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/vectors/list/", $name)).as_slice()
        };
    }

    #[test]
    fn an_ownership_list_of_the_service() {
        let read = read(vector!("ownership.xml")).unwrap();
        assert_eq!(
            read.names.iter().map(|name| name.rsplit('/').next().unwrap()).collect::<Vec<_>>(),
            ["0", "1", "10"]
        );
        assert_eq!(read.metadata[1], [("ownerid".to_owned(), String::new())]);
        assert_eq!(read.etags[0].as_deref(), Some("0x8DE29A5B1C3D0F1"));
        assert_eq!(read.marker, None);
    }

    #[test]
    fn a_checkpoint_list_of_the_service() {
        let read = read(vector!("checkpoint.xml")).unwrap();
        assert_eq!(read.metadata[1][0], ("offset".to_owned(), "2:-1:-1".to_owned()));
    }

    #[test]
    fn an_empty_page_with_a_marker() {
        let read = read(vector!("empty-page-with-marker.xml")).unwrap();
        assert!(read.names.is_empty());
        assert_eq!(read.marker.as_deref(), Some("2!108!MDAwMDIw"));
    }

    #[test]
    fn directories_and_deleted_blobs_are_told_apart() {
        let read = read(vector!("hierarchical-namespace.xml")).unwrap();
        assert_eq!(read.kinds[0], BlobEntryKind::Directory);
        assert!(read.kinds.contains(&BlobEntryKind::Blob));
        let deleted = read_one("<Deleted>true</Deleted>");
        assert_eq!(deleted.kinds, [BlobEntryKind::NotCurrent]);
        let snapshot = read_one("<Snapshot>2026-01-01T00:00:00Z</Snapshot>");
        assert_eq!(snapshot.kinds, [BlobEntryKind::NotCurrent]);
    }

    fn read_one(inner: &str) -> Read {
        let body = format!(
            "<?xml version=\"1.0\"?><EnumerationResults><Blobs><Blob><Name>a</Name>{inner}</Blob></Blobs></EnumerationResults>"
        );
        read(body.as_bytes()).unwrap()
    }

    #[test]
    fn names_and_values_are_decoded() {
        let body = "<EnumerationResults><Blobs><Blob><Name Encoded=\"true\">a%2Fb%EF%BF%BE</Name></Blob>\
                    <Blob><Name>x &amp; y&#65;</Name><Metadata><ownerid>&lt;me&gt;</ownerid></Metadata></Blob></Blobs>\
                    <NextMarker/></EnumerationResults>";
        let read = read(body.as_bytes()).unwrap();
        assert_eq!(read.names, ["a/b\u{fffe}", "x & yA"]);
        assert_eq!(read.metadata[1][0].1, "<me>");
    }

    #[test]
    fn every_truncation_is_an_error() {
        let body = vector!("ownership.xml");
        for end in 0..body.len() {
            assert!(read(&body[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for body in [
            "",
            "garbage",
            "<html></html>",
            "{}",
            "<EnumerationResults/>",
            "\u{feff}",
            "<a><b></a></b>",
        ] {
            let error = read(body.as_bytes()).err().expect(body);
            assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        }
        assert!(read(b"<EnumerationResults>\xff</EnumerationResults>").is_err());
        assert!(
            read(b"<EnumerationResults><Blobs><Blob></Blob></Blobs></EnumerationResults>").is_err()
        );
    }

    #[test]
    fn what_a_blob_says_of_itself_does_not_depend_on_its_neighbours() {
        const BLOBS: [(&str, BlobEntryKind); 5] = [
            ("<Name>a</Name><Properties><Etag>1</Etag><X/></Properties>", BlobEntryKind::Blob),
            (
                "<Name>b</Name><Deleted>true</Deleted><Properties><Etag>2</Etag><X/></Properties>",
                BlobEntryKind::NotCurrent,
            ),
            (
                "<Name>c</Name><Properties><Etag>3</Etag><ResourceType>directory</ResourceType></Properties>",
                BlobEntryKind::Directory,
            ),
            (
                "<Name>d</Name><Properties><Etag>4</Etag><Last-Modified>Sun, 22 Nov 2026 10:05:07 GMT</Last-Modified></Properties>",
                BlobEntryKind::Blob,
            ),
            ("<Name>e</Name><Properties><Etag>5</Etag></Properties>", BlobEntryKind::Blob),
        ];
        for (first, first_kind) in BLOBS {
            for (second, second_kind) in BLOBS {
                let body = format!(
                    "<EnumerationResults><Blobs><Blob>{first}</Blob><Blob>{second}</Blob><Blob>{first}</Blob></Blobs></EnumerationResults>"
                );
                let mut times = vec![];
                let mut kinds = vec![];
                read_page(body.as_bytes(), &mut |entry| {
                    kinds.push(entry.kind);
                    times.push((entry.name == "d", entry.last_modified.is_some()));
                })
                .unwrap();
                assert_eq!(kinds, [first_kind, second_kind, first_kind], "{body}");
                assert!(times.iter().all(|(expected, found)| expected == found), "{body}");
            }
        }
    }

    #[test]
    fn unknown_elements_are_skipped() {
        let read = read_one("<Tags><TagSet><Tag><Key>k</Key></Tag></TagSet></Tags><OrMetadata/>");
        assert_eq!(read.names, ["a"]);
    }
}
