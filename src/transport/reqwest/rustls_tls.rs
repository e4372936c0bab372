//! What rustls is told by the async client.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::platform_roots::PlatformRoots;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::TransportOptions;
use crate::transport::options::no_certificate;
use crate::transport::rustls_config::provider;

pub(super) fn config(options: &TransportOptions, secure: bool) -> Result<rustls::ClientConfig> {
    let provider = provider();
    let builder = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .map_err(|error| {
            Error::new(ErrorKind::Configuration, "TLS cannot be set up").with_source(error)
        })?;
    if secure && options.root_certificates.is_empty() {
        return Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PlatformRoots::new(provider)))
            .with_no_client_auth());
    }
    let mut roots = rustls::RootCertStore::empty();
    for pem in &options.root_certificates {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| no_certificate().with_source(error))?;
            roots.add(certificate).map_err(|error| no_certificate().with_source(error))?;
        }
        if roots.len() == before {
            return Err(no_certificate());
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
