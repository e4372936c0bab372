//! The frames of WebSockets around the bytes of AMQP.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// The size of the buffer in each direction.
const BUFFER: usize = 64 * 1024;

/// Where the service takes WebSockets.
const PATH: &str = "/$servicebus/websocket";

/// Unwraps the frames of a client in the background, and hands out the stream inside.
pub(crate) async fn accept(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Option<DuplexStream> {
    let socket = tokio_tungstenite::accept_hdr_async(stream, choose_amqp).await.ok()?;
    let (near, far) = duplex(BUFFER);
    tokio::spawn(unwrap(socket, near));
    Some(far)
}

#[allow(clippy::result_large_err, reason = "the callback is what the crate wants")]
fn choose_amqp(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offers_amqp = request
        .headers()
        .get("Sec-WebSocket-Protocol")
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"amqp"));
    if request.uri().path() != PATH || !offers_amqp {
        return Err(ErrorResponse::new(Some("AMQP is spoken here".into())));
    }
    response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("amqp"));
    Ok(response)
}

async fn unwrap(
    mut socket: WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>,
    stream: DuplexStream,
) {
    let (mut from_double, mut to_double) = tokio::io::split(stream);
    let mut buffer = vec![0; BUFFER];
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    if to_double.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            read = from_double.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    let bytes = buffer[..length].to_vec();
                    if socket.send(Message::Binary(bytes.into())).await.is_err() {
                        return;
                    }
                }
            },
        }
    }
}
