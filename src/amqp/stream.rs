//! The byte stream below AMQP: TCP, and TLS with the same provider and roots as the store's clients.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::fault::Fault;
use super::tunnel;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{ChosenProxy, ProxyOptions, Target};

/// The default ports of AMQP with and without TLS, and of AMQP over WebSockets.
const TLS_PORT: u16 = 5671;
const PLAIN_PORT: u16 = 5672;
#[cfg(feature = "amqp-websockets")]
const WEBSOCKETS_PORT: u16 = 443;

/// The address of the service.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) secure: bool,
    /// AMQP goes over WebSockets.
    pub(crate) websockets: bool,
}

/// Connects to the service, directly or through a proxy.
#[derive(Clone)]
pub(crate) struct Connector {
    host: Arc<str>,
    port: u16,
    #[cfg(feature = "amqp-websockets")]
    websockets: bool,
    proxy: Option<Proxy>,
    #[cfg(feature = "_rustls")]
    tls: Option<Arc<rustls::ClientConfig>>,
    /// The host uses TLS. If it does not, `tls` can only be for the proxy.
    #[cfg(feature = "_rustls")]
    secure: bool,
}

/// The proxy to connect through. Its URL may contain a password.
#[derive(Clone)]
struct Proxy {
    url: http::Uri,
    /// Its host and port.
    name: String,
    secure: bool,
}

impl Connector {
    /// Prepares for a host. It does not connect or read a root certificate yet.
    pub(crate) fn new(
        address: &Address,
        proxy: &ProxyOptions,
        root_certificates: &[Vec<u8>],
    ) -> Result<Self> {
        let proxy = proxy_for(address, proxy)?;
        let secure = address.secure || proxy.as_ref().is_some_and(|proxy| proxy.secure);
        #[cfg(not(feature = "_rustls"))]
        {
            let _ = root_certificates;
            if secure {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    "AMQP over TLS needs the Cargo feature `rustls` or `rustls-ring` of eventhub-checkpointstore",
                ));
            }
        }
        let port = if address.secure { TLS_PORT } else { PLAIN_PORT };
        #[cfg(feature = "amqp-websockets")]
        let port = if address.websockets { WEBSOCKETS_PORT } else { port };
        Ok(Self {
            host: address.host.as_str().into(),
            port: address.port.unwrap_or(port),
            #[cfg(feature = "amqp-websockets")]
            websockets: address.websockets,
            proxy,
            #[cfg(feature = "_rustls")]
            tls: if secure {
                Some(Arc::new(crate::transport::client_config(root_certificates, true)?))
            } else {
                None
            },
            #[cfg(feature = "_rustls")]
            secure: address.secure,
        })
    }

    pub(super) async fn connect(&self) -> Result<Stream, Fault> {
        let stream = match &self.proxy {
            None => self.tcp(&self.host, self.port).await?,
            Some(proxy) => self.through(proxy).await?,
        };
        #[cfg(feature = "_rustls")]
        let stream = if self.secure { self.tls(&self.host, stream).await? } else { stream };
        #[cfg(feature = "amqp-websockets")]
        if self.websockets {
            return self.websocket(stream).await;
        }
        Ok(stream)
    }

    async fn tcp(&self, host: &str, port: u16) -> Result<Stream, Fault> {
        let stream = TcpStream::connect((host, port)).await;
        let stream = stream.map_err(|error| self.failed("the connection to", error))?;
        // Small frames go back and forth. Nagle's algorithm would delay them.
        stream.set_nodelay(true).map_err(|error| self.failed("the connection to", error))?;
        Ok(Stream(Box::new(stream)))
    }

    async fn through(&self, proxy: &Proxy) -> Result<Stream, Fault> {
        let host = proxy.url.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = proxy.url.port_u16().unwrap_or(if proxy.secure { 443 } else { 80 });
        let stream = self.tcp(host, port).await?;
        #[cfg(feature = "_rustls")]
        let stream = if proxy.secure { self.tls(host, stream).await? } else { stream };
        let mut stream = stream;
        let connected = tunnel::connect(&mut stream, &proxy.url, &self.host, self.port).await;
        connected.map_err(|error| self.failed("the tunnel to", error))?;
        Ok(stream)
    }

    #[cfg(feature = "_rustls")]
    async fn tls(&self, host: &str, stream: Stream) -> Result<Stream, Fault> {
        let Some(config) = &self.tls else { return Ok(stream) };
        let name = rustls::pki_types::ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| self.failed("TLS with", std::io::Error::other(error)))?;
        let connecting = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, stream);
        match connecting.await {
            Ok(stream) => Ok(Stream(Box::new(stream))),
            Err(error) => {
                let is_lasting = is_certificate_fault(&error);
                Err(match self.failed("TLS with", error) {
                    Fault::Transient(error, _) if is_lasting => Fault::Refused(error),
                    fault => fault,
                })
            }
        }
    }

    #[cfg(feature = "amqp-websockets")]
    async fn websocket(&self, stream: Stream) -> Result<Stream, Fault> {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_string()
        };
        let url = format!("wss://{host}:{}/$servicebus/websocket", self.port);
        let stream = fe2o3_amqp_ws::WebSocketStream::connect_with_stream(url, stream).await;
        let failed = |error| self.failed("the WebSocket to", std::io::Error::other(error));
        Ok(Stream(Box::new(stream.map_err(failed)?)))
    }

    fn failed(&self, what: &str, error: std::io::Error) -> Fault {
        let way = match &self.proxy {
            Some(proxy) => format!("{what} {self} through the proxy {} failed", proxy.name),
            None => format!("{what} {self} failed"),
        };
        let error = Error::new(ErrorKind::Network, way).with_source(error);
        Fault::Transient(error, std::time::Duration::ZERO)
    }
}

/// Returns the proxy for an address. A proxy in the environment is for HTTP, and only WebSockets begin as HTTP.
fn proxy_for(address: &Address, options: &ProxyOptions) -> Result<Option<Proxy>> {
    if *options == ProxyOptions::FromEnvironment && !address.websockets {
        return Ok(None);
    }
    let bracketed = format!("[{}]", address.host);
    let host = if address.host.contains(':') { &bracketed } else { &address.host };
    let port = address.port.unwrap_or(if address.secure { 443 } else { 80 });
    let chosen = ChosenProxy::choose(options, Target { secure: address.secure, host, port })?;
    let parsed = chosen.map(|chosen| {
        let url = chosen.url.parse().map_err(|_| {
            Error::new(
                ErrorKind::Configuration,
                "the proxy is not a URL such as http://proxy.example:3128",
            )
        })?;
        Ok(Proxy { url, name: chosen.name, secure: chosen.secure })
    });
    parsed.transpose()
}

/// Returns whether a certificate was refused. If it is not trusted now, a retry will not help.
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

/// A connected stream of any kind.
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
