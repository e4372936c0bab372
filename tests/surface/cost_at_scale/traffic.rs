//! Requests and bytes, by how the service bills them.

use std::ops::AddAssign;

use super::super::script::Sent;
use super::super::support::loopback::Delivered;

/// Requests by their kind on the bill, and bytes as HTTP/1.1 puts them on a connection, without TLS.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    pub write: f64,
    pub list: f64,
    pub other: f64,
    pub free: f64,
    pub sent: f64,
    pub received: f64,
}

impl Traffic {
    pub fn of(sent: &Sent, response: &Delivered) -> Self {
        let Delivered::Response(_, headers, body) = response else {
            panic!("nothing goes wrong here")
        };
        let request = &sent.request;
        let line = request.method.len() + request.target.len() + "  HTTP/1.1\r\n".len();
        let host = "host: \r\n".len() + sent.host.len();
        let mut traffic = Self {
            sent: (line + host + head(&request.headers) + request.body.len()) as f64,
            received: ("HTTP/1.1 200 OK\r\n".len() + head(headers) + body.len()) as f64,
            ..Self::default()
        };
        *traffic.billed_as(&request.method, request.query("comp").as_deref()) = 1.0;
        traffic
    }

    /// The classes of a general-purpose v2 account.
    fn billed_as(&mut self, method: &str, comp: Option<&str>) -> &mut f64 {
        match (method, comp) {
            ("PUT", None) => &mut self.write,
            ("PUT", Some("metadata")) | ("HEAD", None) => &mut self.other,
            ("GET", Some("list")) => &mut self.list,
            ("DELETE", None) => &mut self.free,
            unknown => panic!("how is {unknown:?} billed?"),
        }
    }

    pub fn requests(&self) -> f64 {
        self.write + self.list + self.other + self.free
    }

    pub fn bytes(&self) -> f64 {
        self.sent + self.received
    }

    pub fn times(self, factor: f64) -> Self {
        let Self { write, list, other, free, sent, received } = self;
        let [write, list, other, free, sent, received] =
            [write, list, other, free, sent, received].map(|count| count * factor);
        Self { write, list, other, free, sent, received }
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Self) {
        self.write += more.write;
        self.list += more.list;
        self.other += more.other;
        self.free += more.free;
        self.sent += more.sent;
        self.received += more.received;
    }
}

/// The header lines and the empty one.
fn head(headers: &[(String, String)]) -> usize {
    let lines = headers.iter().map(|(name, value)| name.len() + ": \r\n".len() + value.len());
    lines.sum::<usize>() + "\r\n".len()
}
