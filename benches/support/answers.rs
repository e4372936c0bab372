//! What the server answers, in the form and size of the real service's answers.

use std::fmt::Write;

use super::target::{LONG, List, OWNER_ID};

/// Blobs on a page, the service's limit.
const PAGE: usize = 5000;

/// Of the second page.
pub const MARKER: &str = "2!108!MDAwMDIw";

const WRITTEN: &str = "Etag: \"0x8DE29A5B1C3D0F1\"\r\n\
    Last-Modified: Sun, 22 Nov 2026 10:05:07 GMT\r\nx-ms-request-server-encrypted: true\r\n";
const CREATED: &str =
    "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\nx-ms-content-crc64: AAAAAAAAAAA=\r\n";
const PROPERTIES: &str = "Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n\
    x-ms-creation-time: Sun, 22 Nov 2026 08:05:07 GMT\r\nx-ms-meta-offset: 8589934592\r\n\
    x-ms-meta-sequencenumber: 960180\r\nx-ms-blob-type: BlockBlob\r\nx-ms-lease-status: unlocked\r\n\
    x-ms-lease-state: available\r\nx-ms-access-tier: Hot\r\nx-ms-access-tier-inferred: true\r\n\
    x-ms-server-encrypted: true\r\n";

pub struct Answers {
    written: Vec<u8>,
    created: Vec<u8>,
    properties: Vec<u8>,
    deleted: Vec<u8>,
    missing: Vec<u8>,
    checkpoints: Vec<u8>,
    ownerships: Vec<u8>,
    pages: [Vec<u8>; 2],
}

impl Answers {
    pub fn prepare() -> Self {
        let missing = "x-ms-error-code: BlobNotFound\r\n";
        Self {
            written: head("200 OK", WRITTEN, 0),
            created: head("201 Created", &[WRITTEN, CREATED].concat(), 0),
            properties: head("200 OK", &[WRITTEN, PROPERTIES].concat(), 0),
            deleted: head("202 Accepted", "x-ms-delete-type-permanent: true\r\n", 0),
            missing: head("404 The specified blob does not exist.", missing, 0),
            checkpoints: list(List::Checkpoints, 0..32, false),
            ownerships: list(List::Ownerships, 0..32, false),
            pages: [list(List::Long, 0..PAGE, true), list(List::Long, PAGE..2 * PAGE, false)],
        }
    }

    /// The bodies of the two pages of the long list.
    pub fn page_bodies(&self) -> [&[u8]; 2] {
        [0, 1].map(|page| {
            let answer = &self.pages[page];
            let at = answer.windows(4).position(|window| window == b"\r\n\r\n");
            &answer[at.expect("the end of the head") + 4..]
        })
    }

    /// The answer to a request, by what differs between those of the benches.
    pub fn choose(&self, request: &[u8], has_blobs: bool) -> &[u8] {
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let has = |part: &str| line.windows(part.len()).any(|window| window == part.as_bytes());
        match line[0] {
            b'P' if !has("comp=metadata") => &self.created,
            b'P' if has_blobs => &self.written,
            b'P' => &self.missing,
            b'H' => &self.properties,
            b'D' => &self.deleted,
            _ if has("%2Fownership%2F") => &self.ownerships,
            _ if !has(LONG) => &self.checkpoints,
            _ => &self.pages[usize::from(has("marker="))],
        }
    }
}

fn head(status: &str, headers: &str, length: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\
         Server: Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0\r\n\
         x-ms-request-id: 7a7a0a68-e01e-0012-5d0e-5c1a2b000000\r\n\
         x-ms-client-request-id: 7a7a0a68-e01e-4012-9d0e-5c1a2b000000\r\n\
         x-ms-version: 2019-07-07\r\n\
         Date: Sun, 22 Nov 2026 10:05:07 GMT\r\n\r\n"
    )
    .into_bytes()
}

fn list(list: List, blobs: std::ops::Range<usize>, more: bool) -> Vec<u8> {
    let prefix = list.prefix();
    let mut body = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults \
         ServiceEndpoint=\"https://contoso.blob.core.windows.net/\" ContainerName=\"checkpoints\">\
         <Prefix>{prefix}</Prefix><Blobs>"
    );
    for number in blobs {
        let metadata = metadata(list, number);
        let (minute, second) = (number / 60 % 60, number % 60);
        let _ = write!(
            body,
            "<Blob><Name>{prefix}{number}</Name><Properties>\
             <Creation-Time>Sun, 22 Nov 2026 08:{minute:02}:{second:02} GMT</Creation-Time>\
             <Last-Modified>Sun, 22 Nov 2026 10:{minute:02}:{second:02} GMT</Last-Modified>\
             <Etag>0x8DE29A5B1C3{number:04X}</Etag><Content-Length>0</Content-Length>\
             <Content-Type>application/octet-stream</Content-Type><Content-Encoding /><Content-Language />\
             <Content-CRC64 /><Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5><Cache-Control />\
             <Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>\
             <AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus>\
             <LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties>\
             <Metadata>{metadata}</Metadata><OrMetadata /></Blob>"
        );
    }
    body.push_str("</Blobs>");
    match more {
        true => body.extend(["<NextMarker>", MARKER, "</NextMarker>"]),
        false => body.push_str("<NextMarker />"),
    }
    body.push_str("</EnumerationResults>");
    let mut answer = head("200 OK", "Content-Type: application/xml\r\n", body.len());
    answer.extend_from_slice(body.as_bytes());
    answer
}

fn metadata(list: List, number: usize) -> String {
    if list == List::Ownerships {
        return format!("<ownerid>{OWNER_ID}</ownerid>");
    }
    let sequence_number = 960_180 + number;
    let offset = sequence_number * 4096;
    format!("<offset>{offset}</offset><sequencenumber>{sequence_number}</sequencenumber>")
}
