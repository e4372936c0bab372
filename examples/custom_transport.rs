//! HTTP clients of your own below the store, in both surfaces: here the smallest ones that there are, plain sockets.
//! (A ureq agent or a reqwest client that you have configured needs no more than `UreqTransport::new` and
//! `ReqwestTransport::new`.)
//!
//! ```sh
//! cargo run --example custom_transport
//! ```
//!
//! talks to a service inside the process that has no blobs. For a storage account or Azurite set
//! `AZURE_STORAGE_CONNECTION_STRING`, and `AZURE_STORAGE_CONTAINER` to a container, which is created.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventhub_checkpointstore::{
    Checkpoint, ConsumerGroup, SendLimits, TransportError, checkpointstoreblob as blocking,
    checkpointstoreblob_aio as aio,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Failure = Box<dyn std::error::Error>;

/// For the status and the headers of a response.
const MAX_HEAD: u64 = 64 * 1024;

/// The blocking surface over sockets of the standard library.
struct PlainSockets;

impl blocking::Transport for PlainSockets {
    fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let (host, port) = host_and_port(&request)?;
        let deadline = Instant::now() + options.timeout;
        let stream = connect(host, port, deadline).map_err(|error| broken(error).not_sent())?;
        let mut stream = UntilDeadline { stream, deadline };
        stream.write_all(&to_bytes(&request)).map_err(broken)?;
        let mut response = Vec::new();
        let mut reader = stream.take(options.max_response_body + MAX_HEAD);
        reader.read_to_end(&mut response).map_err(broken)?;
        from_bytes(&response, options)
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }
}

/// Looking up the name is the only part that the standard library cannot limit.
fn connect(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// A socket has a limit for each single read and write: here it is what the whole exchange has left.
struct UntilDeadline {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for UntilDeadline {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(buffer)
    }
}

impl Write for UntilDeadline {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What is not marked as not sent may have been carried out.
fn broken(error: io::Error) -> TransportError {
    match error.kind() {
        // Which of them a socket's limit is depends on the platform.
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TransportError::timeout(error),
        _ => TransportError::network(error),
    }
}

/// The async surface over sockets of tokio.
struct PlainAsyncSockets;

#[aio::async_trait]
impl aio::Transport for PlainAsyncSockets {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        options: &SendLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let exchange = async {
            // Looks the name up in a thread, so that no other task waits.
            let connected = tokio::net::TcpStream::connect(host_and_port(&request)?).await;
            let mut stream = connected.map_err(|error| broken(error).not_sent())?;
            stream.write_all(&to_bytes(&request)).await.map_err(broken)?;
            let mut response = Vec::new();
            let mut reader = stream.take(options.max_response_body + MAX_HEAD);
            reader.read_to_end(&mut response).await.map_err(broken)?;
            from_bytes(&response, options)
        };
        let ended = tokio::time::timeout(options.timeout, exchange).await;
        ended.unwrap_or_else(|elapsed| Err(TransportError::timeout(elapsed)))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn host_and_port(request: &http::Request<Bytes>) -> Result<(&str, u16), TransportError> {
    let uri = request.uri();
    if uri.scheme_str() != Some("http") {
        return Err(TransportError::unsupported("plain sockets have no TLS"));
    }
    Ok((uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(80)))
}

/// All headers as they are, because they are signed. HTTP/1.0: the response ends with the connection.
fn to_bytes(request: &http::Request<Bytes>) -> Vec<u8> {
    let uri = request.uri();
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let host = uri.authority().map_or("", http::uri::Authority::as_str);
    let mut bytes =
        format!("{} {target} HTTP/1.0\r\nHost: {host}\r\n", request.method()).into_bytes();
    for (name, value) in request.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(request.body());
    bytes
}

fn from_bytes(bytes: &[u8], options: &SendLimits) -> Result<http::Response<Bytes>, TransportError> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or_else(|| TransportError::network("the connection broke"))?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(TransportError::invalid_response)?;
    let body = Bytes::copy_from_slice(&bytes[end + 4..]);
    if body.len() as u64 > options.max_response_body {
        return Err(TransportError::invalid_response("the response is too large"));
    }
    let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let mut response =
        http::Response::builder().status(status.split(' ').nth(1).unwrap_or_default());
    for (name, value) in headers.lines().filter_map(|line| line.split_once(':')) {
        response = response.header(name, value.trim());
    }
    let response = response.body(body).map_err(TransportError::invalid_response)?;
    let declared = response.headers().get(http::header::CONTENT_LENGTH);
    let declared: Option<usize> = declared.and_then(|length| length.to_str().ok()?.parse().ok());
    // Not to be mistaken for a shorter list. A response to HEAD declares what GET would send.
    if !response.body().is_empty() && declared.is_some_and(|length| length != response.body().len())
    {
        return Err(TransportError::network("the response was cut off"));
    }
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let is_real = env::var("AZURE_STORAGE_CONNECTION_STRING").is_ok();
    let connection_string = match env::var("AZURE_STORAGE_CONNECTION_STRING") {
        Ok(connection_string) => connection_string,
        Err(_) => service_without_blobs()?,
    };
    let container =
        env::var("AZURE_STORAGE_CONTAINER").unwrap_or_else(|_| "custom-transport".into());
    let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;

    let (string, name, blocking_group) =
        (connection_string.clone(), container.clone(), group.clone());
    let found = tokio::task::spawn_blocking(move || {
        let store = blocking::BlobCheckpointStore::builder_from_connection_string(&string, &name)
            .transport(PlainSockets)
            .build()?;
        if is_real {
            store.create_container_if_not_exists()?;
            store.update_checkpoint(&Checkpoint::new(&blocking_group, "0", "8589934592", 41)?)?;
        }
        Ok::<_, eventhub_checkpointstore::Error>(store.list_checkpoints(&blocking_group)?.len())
    });
    println!("over blocking sockets: {} checkpoints", found.await??);

    let store =
        aio::BlobCheckpointStore::builder_from_connection_string(&connection_string, &container)
            .transport(PlainAsyncSockets)
            .build()?;
    if is_real {
        store.update_checkpoint(&Checkpoint::new(&group, "1", "8589934592", 41)?).await?;
    }
    println!("over async sockets: {} checkpoints", store.list_checkpoints(&group).await?.len());
    Ok(())
}

/// Responds to every request with an empty list, and returns the connection string of its account.
fn service_without_blobs() -> io::Result<String> {
    const LIST: &str =
        "<?xml version=\"1.0\"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>";
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            for line in head.take_while(|line| !line.is_empty()).take(1) {
                println!("  {line}");
            }
            // The client sees a failure to respond, so there is nothing more to do about it.
            let _ = write!(
                &stream,
                "HTTP/1.1 200 OK\r\nx-ms-version: 2019-07-07\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{LIST}",
                LIST.len()
            );
        }
    });
    Ok(format!("AccountName=contoso;AccountKey=c2VjcmV0;BlobEndpoint=http://{address}/contoso"))
}
