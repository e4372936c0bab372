//! The byte stream below AMQP: TCP, and TLS with the provider and the roots of the store's clients.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::fault::Fault;
use crate::error::{Error, ErrorKind, Result};

/// The ports of AMQP.
const TLS_PORT: u16 = 5671;
const PLAIN_PORT: u16 = 5672;

/// Where the service is and how it is reached.
#[derive(Clone)]
pub(crate) struct Connector {
    host: Arc<str>,
    port: u16,
    #[cfg(feature = "_rustls")]
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Connector {
    /// Prepares for a host. Nothing is connected and no root is read yet.
    pub(crate) fn new(
        host: &str,
        port: Option<u16>,
        secure: bool,
        root_certificates: &[Vec<u8>],
    ) -> Result<Self> {
        let port = port.unwrap_or(if secure { TLS_PORT } else { PLAIN_PORT });
        #[cfg(feature = "_rustls")]
        {
            let tls = if secure {
                Some(Arc::new(crate::transport::client_config(root_certificates, true)?))
            } else {
                None
            };
            Ok(Self { host: host.into(), port, tls })
        }
        #[cfg(not(feature = "_rustls"))]
        {
            let _ = root_certificates;
            if secure {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    "AMQP over TLS needs the Cargo feature `rustls` or `rustls-ring` of eventhub-checkpointstore",
                ));
            }
            Ok(Self { host: host.into(), port })
        }
    }

    pub(super) async fn connect(&self) -> Result<Stream, Fault> {
        let failed = |what: &str| {
            let text = format!("{what} {self} failed");
            move |error: std::io::Error| {
                let error = Error::new(ErrorKind::Network, text).with_source(error);
                Fault::Transient(error, std::time::Duration::ZERO)
            }
        };
        let stream = TcpStream::connect((&*self.host, self.port)).await;
        let stream = stream.map_err(failed("the connection to"))?;
        // Small frames go back and forth; Nagle's algorithm would hold them.
        stream.set_nodelay(true).map_err(failed("the connection to"))?;
        #[cfg(feature = "_rustls")]
        if let Some(config) = &self.tls {
            let name = rustls::pki_types::ServerName::try_from(self.host.to_string());
            let name = name.map_err(|error| failed("TLS with")(std::io::Error::other(error)))?;
            let stream = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream);
            let stream = stream.await.map_err(|error| {
                let is_lasting = is_certificate_fault(&error);
                match failed("TLS with")(error) {
                    Fault::Transient(error, _) if is_lasting => Fault::Refused(error),
                    fault => fault,
                }
            });
            return Ok(Stream(Box::new(stream?)));
        }
        Ok(Stream(Box::new(stream)))
    }
}

/// A certificate that is not trusted now will not be in a moment.
#[cfg(feature = "_rustls")]
fn is_certificate_fault(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({self})")
    }
}

trait ReadWrite: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> ReadWrite for T {}

/// A connected stream of either kind.
pub(super) struct Stream(Box<dyn ReadWrite>);

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(context)
    }
}
