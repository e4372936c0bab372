//! What the server answers, in the form and size of the real service's answers.

use std::fmt::Write;

use super::target::PREFIX;

/// Blobs on a page, the service's limit.
const PAGE: usize = 5000;

pub struct Answers {
    written: Vec<u8>,
    created: Vec<u8>,
    short_list: Vec<u8>,
    pages: [Vec<u8>; 2],
}

impl Answers {
    pub fn prepare() -> Self {
        Self {
            written: head(
                "200 OK",
                "Etag: \"0x8DE29A5B1C3D0F1\"\r\nLast-Modified: Sun, 22 Nov 2026 10:05:07 GMT\r\nx-ms-request-server-encrypted: true\r\n",
                0,
            ),
            created: head(
                "201 Created",
                "Etag: \"0x8DE29A5B1C3D0F1\"\r\nLast-Modified: Sun, 22 Nov 2026 10:05:07 GMT\r\nContent-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\nx-ms-content-crc64: AAAAAAAAAAA=\r\nx-ms-request-server-encrypted: true\r\n",
                0,
            ),
            short_list: list(0..32, false),
            pages: [list(0..PAGE, true), list(PAGE..2 * PAGE, false)],
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
    pub fn choose(&self, request: &[u8]) -> &[u8] {
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let has = |part: &str| line.windows(part.len()).any(|window| window == part.as_bytes());
        if line.starts_with(b"PUT") {
            return if has("comp=metadata") { &self.written } else { &self.created };
        }
        match (has("/short?"), has("marker=")) {
            (true, _) => &self.short_list,
            (false, false) => &self.pages[0],
            (false, true) => &self.pages[1],
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

fn list(blobs: std::ops::Range<usize>, more: bool) -> Vec<u8> {
    let mut body = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults \
         ServiceEndpoint=\"https://contoso.blob.core.windows.net/\" ContainerName=\"checkpoints\">\
         <Prefix>{PREFIX}</Prefix><Blobs>"
    );
    for number in blobs {
        let sequence_number = 960_180 + number;
        let (minute, second) = (number / 60 % 60, number % 60);
        let _ = write!(
            body,
            "<Blob><Name>{PREFIX}{number}</Name><Properties>\
             <Creation-Time>Sun, 22 Nov 2026 08:{minute:02}:{second:02} GMT</Creation-Time>\
             <Last-Modified>Sun, 22 Nov 2026 10:{minute:02}:{second:02} GMT</Last-Modified>\
             <Etag>0x8DE29A5B1C3{number:04X}</Etag><Content-Length>0</Content-Length>\
             <Content-Type>application/octet-stream</Content-Type><Content-Encoding /><Content-Language />\
             <Content-CRC64 /><Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5><Cache-Control />\
             <Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>\
             <AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus>\
             <LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties>\
             <Metadata><offset>{}</offset><sequencenumber>{sequence_number}</sequencenumber></Metadata>\
             <OrMetadata /></Blob>",
            sequence_number * 4096
        );
    }
    body.push_str("</Blobs>");
    body.push_str(if more { "<NextMarker>2!108!MDAwMDIw</NextMarker>" } else { "<NextMarker />" });
    body.push_str("</EnumerationResults>");
    let mut answer = head("200 OK", "Content-Type: application/xml\r\n", body.len());
    answer.extend_from_slice(body.as_bytes());
    answer
}
