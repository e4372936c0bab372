//! An event hub that sends as fast as a client receives: the frame of an event is a template, into which its numbers
//! are written. So the client is what is measured, not the server.
//!
//! It knows what receiving needs: `$cbs`, `$management`, links of partitions with credit and windows. Every partition has
//! as many events, of as many bytes, as the name of the event hub says.

mod connection;
mod event;
mod reply;
mod session;

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What each partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    pub partitions: u32,
    /// In each partition.
    pub events: u32,
    /// Of the body of each event.
    pub bytes: usize,
}

impl Content {
    /// The name of the event hub that holds it.
    pub fn hub_name(self) -> String {
        format!("hub-{}-{}-{}", self.partitions, self.events, self.bytes)
    }

    fn of_hub(name: &str) -> Option<Self> {
        let mut numbers = name.strip_prefix("hub-")?.split('-');
        Some(Self {
            partitions: numbers.next()?.parse().ok()?,
            events: numbers.next()?.parse().ok()?,
            bytes: numbers.next()?.parse().ok()?,
        })
    }
}

/// Serves connections until the listener fails.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        match tls.clone() {
            None => {
                let (reader, writer) = stream.into_split();
                tokio::spawn(serve_one(reader, writer));
            }
            Some(tls) => {
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        let (reader, writer) = split(stream);
                        serve_one(reader, writer).await;
                    }
                });
            }
        }
    }
}

async fn serve_one(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Send + Unpin + 'static,
) {
    let shared = Arc::default();
    // A client may go as it likes; what a bench lacks then is seen there.
    if let Err(error) = connection::serve(reader, writer, shared).await
        && error.kind() != io::ErrorKind::UnexpectedEof
    {
        eprintln!("a connection ended: {error}");
    }
}
