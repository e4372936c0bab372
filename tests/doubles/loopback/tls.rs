//! Certificates for one test, and TLS on an accepted connection.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ServerConfig, ServerConnection, StreamOwned};

/// A certificate that an authority of its own signed for some host names.
#[derive(Clone)]
pub struct TlsIdentity {
    ca_pem: String,
    certificate_pem: String,
    key_pem: String,
    certificate: CertificateDer<'static>,
    key: Arc<PrivateKeyDer<'static>>,
}

/// The identity of every server that needs no other. Generating keys for each would take longer than what is tested.
pub(super) static LOCALHOST: LazyLock<TlsIdentity> =
    LazyLock::new(|| TlsIdentity::new(&["localhost", "127.0.0.1"]));

impl TlsIdentity {
    /// A fresh authority and a certificate for these host names and IP addresses.
    pub fn new(names: &[&str]) -> Self {
        let ca_key = KeyPair::generate().expect("a key");
        let ca_params = authority();
        let ca = ca_params.self_signed(&ca_key).expect("a self-signed CA");
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let leaf_key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(names)
            .expect("names that a certificate can hold")
            .signed_by(&leaf_key, &Issuer::new(ca_params, ca_key))
            .expect("a signed certificate");
        let key = PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into());
        Self {
            ca_pem: ca.pem(),
            certificate_pem: leaf.pem(),
            key_pem: leaf_key.serialize_pem(),
            certificate: leaf.der().clone(),
            key: Arc::new(key),
        }
    }

    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The configuration of one server, with a session cache of its own.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        server_config(self.certificate.clone(), self.key.clone_key())
    }
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // OpenSSL looks for an authority by its name.
    static AUTHORITIES: AtomicUsize = AtomicUsize::new(0);
    let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
    params.distinguished_name.push(DnType::CommonName, format!("authority {number} of a test"));
    params
}

/// The provider is explicit: with two of them in a build, rustls panics when asked for "the" provider.
fn server_config(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions that the provider has")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a key that fits its certificate");
    Arc::new(config)
}

/// Completes the handshake, and says whether it resumed an earlier session.
pub(super) fn handshake(
    config: &Arc<ServerConfig>,
    mut socket: TcpStream,
) -> io::Result<(StreamOwned<ServerConnection, TcpStream>, bool)> {
    let mut connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    Ok((StreamOwned::new(connection, socket), resumed))
}
