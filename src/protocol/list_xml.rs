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
    let mut walker = Walker::new(body, "EnumerationResults")?;
    let mut marker = None;
    let mut metadata = Metadata::new();
    while let Some(element) = walker.next_child()? {
        match element.name() {
            "Blobs" => walker.each_child(&element, |walker, element| match element.name() {
                "Blob" => blob(walker, &element, &mut metadata, visit),
                _ => walker.skip(&element),
            })?,
            "NextMarker" => {
                let text = walker.text(&element)?;
                marker = (!text.is_empty()).then(|| text.into_owned());
            }
            _ => walker.skip(&element)?,
        }
    }
    Ok(marker)
}

fn blob<'b>(
    walker: &mut Walker<'b>,
    parent: &Element<'b>,
    metadata: &mut Metadata<'b>,
    visit: &mut BlobVisitor<'_>,
) -> XmlResult<()> {
    // One buffer serves all blobs of a page.
    metadata.clear();
    let mut entry = BlobEntry::default();
    let mut name = None;
    walker.each_child(parent, |walker, element| {
        match element.name() {
            "Name" => name = Some(blob_name(walker, &element)?),
            "Properties" => properties(walker, &element, &mut entry)?,
            "Metadata" => walker.each_child(&element, |walker, element| {
                let value = walker.text(&element)?;
                metadata.push((Cow::Owned(element.name().to_owned()), value));
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
    visit(BlobEntry { metadata, ..entry });
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
) -> XmlResult<()> {
    walker.each_child(parent, |walker, element| {
        match element.name() {
            "Last-Modified" => {
                entry.last_modified = httpdate::parse_http_date(walker.text(&element)?.trim()).ok();
            }
            name if name.eq_ignore_ascii_case("etag") => {
                entry.etag = Some(walker.text(&element)?).filter(|etag| !etag.is_empty());
            }
            "ResourceType" => {
                if walker.text(&element)?.trim() == "directory" {
                    entry.kind = BlobEntryKind::Directory;
                }
            }
            _ => walker.skip(&element)?,
        }
        Ok(())
    })
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
    fn unknown_elements_are_skipped() {
        let read = read_one("<Tags><TagSet><Tag><Key>k</Key></Tag></TagSet></Tags><OrMetadata/>");
        assert_eq!(read.names, ["a"]);
    }
}
