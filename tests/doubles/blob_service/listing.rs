//! List Blobs.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Bound;

use super::super::loopback::{Recorded, Reply, http_date};
use super::request::is_identifier;
use super::response::{Refusal, XML_START};
use super::state::{Blob, Container, Key, State, Variant};

/// The service never puts more than this on a page.
const MAX_PAGE: usize = 5000;

const OTHER_PROPERTIES: &str = "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>\
    <AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus>\
    <LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted>";

struct Query {
    prefix: String,
    marker: Option<String>,
    /// The parameters that the response repeats, and the content of a page.
    max_results: usize,
    page: usize,
    with_metadata: bool,
}

impl Query {
    fn of(request: &Recorded, page_size: usize) -> Result<Self, Refusal> {
        if request.query("delimiter").is_some() {
            return Err(Refusal::NOT_IMPLEMENTED);
        }
        let asked = match request.query("maxresults").map(|text| text.parse::<usize>()) {
            None => MAX_PAGE,
            Some(Ok(count)) if count > 0 => count.min(MAX_PAGE),
            Some(_) => return Err(Refusal::OUT_OF_RANGE_QUERY),
        };
        let include = request.query("include").unwrap_or_default();
        Ok(Self {
            prefix: request.query("prefix").unwrap_or_default(),
            marker: request.query("marker").filter(|marker| !marker.is_empty()),
            max_results: asked,
            page: asked.min(page_size).max(1),
            with_metadata: include.split(',').any(|part| part == "metadata"),
        })
    }
}

pub(super) fn list(
    state: &mut State,
    request: &Recorded,
    container: &str,
) -> Result<Reply, Refusal> {
    let query = Query::of(request, state.page_size)?;
    let start = match &query.marker {
        None => Key { name: query.prefix.clone(), variant: Variant::Snapshot(String::new()) },
        Some(marker) => read_marker(marker).ok_or(Refusal::INVALID_QUERY)?,
    };
    state.pages_served += 1;
    let every = state.empty_page_every;
    let page = state.pages_served;
    let is_empty_page = every > 0 && page.is_multiple_of(every);
    let found = state.container(container).ok_or(Refusal::CONTAINER_NOT_FOUND)?;
    let limit = if is_empty_page { 0 } else { query.page };
    let mut xml = opening(request, container, &query);
    let next = append_page(&mut xml, found, &query, start, limit);
    append_marker(&mut xml, next, page);
    // The service sends lists in chunks.
    Ok(Reply::new(200).header("Content-Type", "application/xml").body(xml).chunked())
}

fn opening(request: &Recorded, container: &str, query: &Query) -> String {
    let host = request.header("host").unwrap_or_default();
    let mut xml = format!(
        "{XML_START}<EnumerationResults ServiceEndpoint=\"http://{host}/\" ContainerName=\"{}\">",
        escape(container)
    );
    append_element(&mut xml, "Prefix", &query.prefix);
    if let Some(marker) = &query.marker {
        append_element(&mut xml, "Marker", marker);
    }
    append_element(&mut xml, "MaxResults", &query.max_results.to_string());
    xml.push_str("<Blobs>");
    xml
}

/// Appends up to `limit` blobs and returns the key of the first that found no room.
fn append_page(
    xml: &mut String,
    container: &Container,
    query: &Query,
    start: Key,
    limit: usize,
) -> Option<Key> {
    let mut matching = container
        .blobs
        .range((Bound::Included(start), Bound::Unbounded))
        .take_while(|(key, _)| key.name.starts_with(&query.prefix));
    for (key, blob) in matching.by_ref().take(limit) {
        append_blob(xml, &key.name, blob, query.with_metadata);
    }
    matching.next().map(|(key, _)| key.clone())
}

fn append_marker(xml: &mut String, next: Option<Key>, page: usize) {
    xml.push_str("</Blobs>");
    let marker = next.map(|key| write_marker(&key, page)).unwrap_or_default();
    append_element(xml, "NextMarker", &marker);
    xml.push_str("</EnumerationResults>");
}

fn append_blob(xml: &mut String, name: &str, blob: &Blob, with_metadata: bool) {
    xml.push_str("<Blob>");
    append_name(xml, name);
    xml.push_str(&blob.list_elements);
    append_properties(xml, blob);
    if with_metadata {
        append_metadata(xml, &blob.metadata);
    }
    xml.push_str("<OrMetadata /></Blob>");
}

fn append_name(xml: &mut String, name: &str) {
    if name.chars().all(is_xml_char) {
        append_element(xml, "Name", name);
    } else {
        let _ = write!(xml, "<Name Encoded=\"true\">{}</Name>", percent_encode(name));
    }
}

fn append_properties(xml: &mut String, blob: &Blob) {
    let _ = write!(
        xml,
        "<Properties><Creation-Time>{}</Creation-Time><Last-Modified>{}</Last-Modified><Etag>{}</Etag>{}\
         <Content-Length>{}</Content-Length><Content-Type>{}</Content-Type><Content-Encoding /><Content-Language />\
         <Content-CRC64 /><Content-MD5 /><Cache-Control /><Content-Disposition />{OTHER_PROPERTIES}</Properties>",
        http_date(blob.created),
        http_date(blob.last_modified),
        escape(&blob.etag),
        blob.list_properties,
        blob.content.len(),
        escape(&blob.content_type),
    );
}

fn append_metadata(xml: &mut String, metadata: &[(String, String)]) {
    if metadata.is_empty() {
        return xml.push_str("<Metadata />");
    }
    xml.push_str("<Metadata>");
    for (key, value) in metadata {
        if is_identifier(key) {
            append_element(xml, key, value);
        } else {
            // The service's own way to list names that predate its rules.
            append_element(xml, "x-ms-invalid-name", key);
        }
    }
    xml.push_str("</Metadata>");
}

fn append_element(xml: &mut String, name: &str, text: &str) {
    let _ = if text.is_empty() {
        write!(xml, "<{name} />")
    } else {
        write!(xml, "<{name}>{}</{name}>", escape(text))
    };
}

fn escape(text: &str) -> Cow<'_, str> {
    // By bytes: most of the time of a long list is spent here.
    if !text.bytes().any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\r')) {
        return Cow::Borrowed(text);
    }
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        // A parser reads a bare one as a line feed.
        .replace('\r', "&#xD;");
    Cow::Owned(escaped)
}

fn is_xml_char(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

fn percent_encode(name: &str) -> String {
    name.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => write!(encoded, "{}", byte as char),
            _ if byte.is_ascii_alphanumeric() => write!(encoded, "{}", byte as char),
            _ => write!(encoded, "%{byte:02X}"),
        };
        encoded
    })
}

/// Opaque, like the service's, and with the characters of base64 that a query must escape. The number of the page makes it
/// new even after an empty page: the service never repeats one.
fn write_marker(key: &Key, page: usize) -> String {
    let (kind, time) = match &key.variant {
        Variant::Snapshot(time) => ('s', time.as_str()),
        Variant::Deleted => ('d', ""),
        Variant::Live => ('l', ""),
    };
    format!("2!{kind}!{}!{}!{page}+/==", hex(time), hex(&key.name))
}

fn read_marker(marker: &str) -> Option<Key> {
    let body = marker.strip_prefix("2!")?.strip_suffix("+/==")?;
    let mut parts = body.split('!');
    let (kind, time, name) = (parts.next()?, parts.next()?, parts.next()?);
    let variant = match kind {
        "s" => Variant::Snapshot(unhex(time)?),
        "d" => Variant::Deleted,
        _ => Variant::Live,
    };
    Some(Key { name: unhex(name)?, variant })
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

fn unhex(digits: &str) -> Option<String> {
    let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}
