//! Pages of the service and of nobody, in chunks of every size.

use std::borrow::Cow;

use super::*;
use crate::container::{BlobEntry, BlobEntryKind};

#[derive(Debug, Default)]
struct Read {
    names: Vec<String>,
    metadata: Vec<Vec<(String, String)>>,
    kinds: Vec<BlobEntryKind>,
    etags: Vec<Option<String>>,
    /// All that is shown of each blob.
    shown: Vec<String>,
    marker: Option<String>,
}

impl BlobVisitor for Read {
    fn visit(&mut self, entry: BlobEntry<'_>) {
        self.shown.push(format!("{entry:?}"));
        self.names.push(entry.name.into_owned());
        self.kinds.push(entry.kind);
        self.etags.push(entry.etag.map(Cow::into_owned));
        let pairs = entry.metadata.iter();
        self.metadata.push(pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect());
    }

    fn start_over(&mut self) {
        *self = Self::default();
    }
}

fn read(body: &[u8]) -> XmlResult<Read> {
    read_chunks([body])
}

fn read_chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> XmlResult<Read> {
    let (mut reader, mut read) = (PageReader::default(), Read::default());
    for chunk in chunks {
        reader.push(chunk, &mut read);
    }
    read.marker = reader.finish(&mut read)?;
    Ok(read)
}

/// What came out, in words.
fn told(outcome: &XmlResult<Read>) -> String {
    match outcome {
        Ok(read) => format!("{:?}, then {:?}", read.shown, read.marker),
        Err(fault) => fault.to_string(),
    }
}

macro_rules! vector {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/vectors/list/", $name)).as_slice()
    };
}

#[test]
fn a_page_parses_the_same_in_chunks_of_any_size() {
    let bodies: [&[u8]; _] = [
        vector!("ownership.xml"),
        vector!("checkpoint.xml"),
        vector!("empty-page-with-marker.xml"),
        vector!("hierarchical-namespace.xml"),
        vector!("foreign-metadata.xml"),
        "<?xml version=\"1.0\"?><!-- ü --><EnumerationResults a='>'><![CDATA[<]]><Prefix>ü&amp;</Prefix>\
         <Blobs/><Blobs><X><Y></Y></X><Blob><Name>ü🦀</Name><Metadata><a b=''>x<![CDATA[y]]>z</a></Metadata></Blob>\
         </Blobs ><!-- --><NextMarker>&#252;</NextMarker></EnumerationResults > <!-- --> "
            .as_bytes(),
        b"<EnumerationResults><Blobs><Blob><Name>a</Name></Blob><Blob></Blob></Blobs></EnumerationResults>",
        b"<EnumerationResults><Blobs><Blob><Name>a&b;</Name></Blob></Blobs></EnumerationResults>",
        b"<EnumerationResults><Blobs><Blob><Name>a</Nome></Blob></Blobs></EnumerationResults>",
        b"<EnumerationResults><Blobs></Blobs></EnumerationResults> x",
        b"<EnumerationResults><!DOCTYPE a></EnumerationResults>",
        b"<EnumerationResults><Prefix>\xff</Prefix></EnumerationResults>",
        b"<Error><Code>x</Code></Error>",
    ];
    for body in bodies {
        let whole = read(body);
        for length in [1, 2, 3, 7, 64, 1000] {
            let chunks = read_chunks(body.chunks(length));
            assert_eq!(told(&chunks), told(&whole), "in chunks of {length}");
        }
        for cut in 0..body.len() {
            let (begin, end) = body.split_at(cut);
            assert_eq!(told(&read_chunks([begin, end])), told(&whole), "cut at {cut}");
        }
    }
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
fn a_body_that_is_not_a_list_is_an_error() {
    for body in [
        "",
        "garbage",
        "<html></html>",
        "{}",
        "<EnumerationResults/>",
        "\u{feff}",
        "<a><b></a></b>",
    ] {
        read(body.as_bytes()).expect_err(body);
    }
    assert!(read(b"<EnumerationResults>\xff</EnumerationResults>").is_err());
    assert!(
        read(b"<EnumerationResults><Blobs><Blob></Blob></Blobs></EnumerationResults>").is_err()
    );
}

#[test]
fn content_after_the_list_is_an_error() {
    const LIST: &str = "<EnumerationResults><NextMarker>m</NextMarker></EnumerationResults>";
    for harmless in ["", "\r\n", "<!-- </a> -->", " <?x y?> <!---->\n"] {
        assert!(read(format!("{LIST}{harmless}").as_bytes()).is_ok(), "{harmless}");
    }
    for wrong in ["x", "</a>", "<a/>", LIST, "<![CDATA[x]]>", "<!-- ", "<", "\0"] {
        assert!(read(format!("{LIST}{wrong}").as_bytes()).is_err(), "{wrong}");
    }
}

/// Feeds a page without an end in the usual chunks, until it is refused; how much of it was taken, and how much room
/// its reader needed.
fn refused_after(beginning: &str, repeated: &str) -> (XmlFault, usize, usize) {
    const HEAD: &str = "<EnumerationResults><Blobs>";
    let (mut reader, mut read) = (PageReader::default(), Read::default());
    let chunk = repeated.repeat(64 * 1024 / repeated.len() + 1);
    reader.push([HEAD, beginning].concat().as_bytes(), &mut read);
    for number in 1..1000 {
        reader.push(chunk.as_bytes(), &mut read);
        let pairs = reader.metadata.capacity() * size_of::<(Cow<'_, str>, Cow<'_, str>)>();
        let room = reader.rest.capacity() + pairs;
        if let Some(fault) = reader.fault.take() {
            return (fault, number * chunk.len(), room);
        }
    }
    panic!("{repeated} was taken for ever");
}

#[test]
fn a_page_that_is_larger_than_any_of_the_service_is_refused_early() {
    for (beginning, repeated) in [
        ("<Blob><Name>", "x"),
        ("<Blob><Name>", "&amp;"),
        ("<Blob><Name>a</Name><Metadata>", "<a/>"),
        ("<Blob><Name>a</Name><Metadata>", "<a></a>"),
        ("<Blob><Name>a</Name>", "<VersionId>1</VersionId>"),
        ("<Blob><Name>a</Name><Properties>", "<X>"),
        ("", "<X>"),
        ("<X y='", "z"),
        ("<!--", "-"),
        ("</Blobs><NextMarker>", "m"),
        ("", "<Blob><Name>a</Name></Blob>"),
    ] {
        let (fault, taken, room) = refused_after(beginning, repeated);
        let is_expected = matches!(fault, XmlFault::TooLarge | XmlFault::TooDeep(_));
        assert!(is_expected, "{beginning}{repeated}: {fault}");
        assert!(taken <= 2 << 20, "{beginning}{repeated}: refused after {taken} bytes");
        assert!(room <= 4 << 20, "{beginning}{repeated}: {room} bytes are held");
    }
}

#[test]
fn the_largest_blobs_of_the_service_are_read() {
    let pairs: Vec<_> = (0..2000).map(|id| format!("<a{id}>1</a{id}>")).collect();
    let pairs = pairs.concat();
    let name = "&amp;".repeat(1024);
    let blob = format!("<Blob><Name>{name}</Name><Metadata>{pairs}</Metadata></Blob>");
    let body =
        format!("<EnumerationResults><Blobs>{}</Blobs></EnumerationResults>", blob.repeat(3));
    let read = read(body.as_bytes()).unwrap();
    assert!(read.metadata.iter().all(|metadata| metadata.len() == 2000));
    assert!(read.names.iter().all(|name| name.len() == 1024));
}

/// All that is shown of each blob of a page.
fn shown(blobs: &[&str]) -> Vec<String> {
    let blobs = blobs.join("</Blob><Blob>");
    let body =
        format!("<EnumerationResults><Blobs><Blob>{blobs}</Blob></Blobs></EnumerationResults>");
    read(body.as_bytes()).unwrap().shown
}

#[test]
fn each_blob_is_parsed_independently() {
    const TIME: &str = "<Last-Modified>Sun, 22 Nov 2026 10:05:07 GMT</Last-Modified>";
    let blobs = [
        format!("<Name>a</Name><Properties>{TIME}<Etag>1</Etag><X/></Properties>"),
        format!("<Name>b</Name><Properties>{TIME}<Etag>2</Etag><X/></Properties>"),
        "<Name>c</Name><Properties><Etag>3</Etag><X/></Properties>".to_owned(),
        "<Name>d</Name><Properties><Etag>4</Etag><X></X></Properties>".to_owned(),
        "<Name></Name><Properties><Etag></Etag><X/></Properties>".to_owned(),
        "<Name/><Properties><Etag/><X/></Properties>".to_owned(),
        "<Name Encoded=\"true\">a%2Fb</Name><Properties><Etag>5</Etag><X/></Properties>".to_owned(),
        "<Name>e</Name><Deleted>true</Deleted>".to_owned(),
        "<Name>f</Name><Deleted>false</Deleted>".to_owned(),
        "<Name>g</Name><Properties><ResourceType>directory</ResourceType></Properties>".to_owned(),
        "<Name>h</Name><Properties><ResourceType>file</ResourceType></Properties>".to_owned(),
        "<Name>i</Name><Metadata><ownerid>me</ownerid></Metadata>".to_owned(),
        "<Name>j</Name><Metadata><ownerid></ownerid></Metadata>".to_owned(),
        "<Name>k</Name><Metadata><ownerid /></Metadata>".to_owned(),
        "<Name>l</Name><Metadata><ownerId>&lt;me&gt;</ownerId></Metadata>".to_owned(),
        "<Name>m</Name><Metadata><ownerid>m<![CDATA[e]]></ownerid></Metadata>".to_owned(),
        "<Name>n</Name><Metadata><ownerid><!-- --></ownerid></Metadata>".to_owned(),
        "<Name>o</Name><Metadata><ownerid>x</ownerid><ownerid>y</ownerid></Metadata>".to_owned(),
        "<Name>p</Name><Name>q</Name>".to_owned(),
    ];
    let alone: Vec<_> = blobs.iter().flat_map(|blob| shown(&[blob.as_str()])).collect();
    assert_eq!(alone.len(), blobs.len());
    for first in 0..blobs.len() {
        for second in 0..blobs.len() {
            let order = [first, second, second, first];
            let expected: Vec<_> = order.iter().map(|index| &alone[*index]).collect();
            let read = shown(&order.map(|index| blobs[index].as_str()));
            assert_eq!(read.iter().collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn unknown_elements_are_skipped() {
    let read = read_one("<Tags><TagSet><Tag><Key>k</Key></Tag></TagSet></Tags><OrMetadata/>");
    assert_eq!(read.names, ["a"]);
}
