//! TLS of the blocking client.

use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

use crate::error::Result;
use crate::transport::TransportOptions;
use crate::transport::options::{ChosenTls, no_certificate};

pub(super) fn config(options: &TransportOptions, secure: bool) -> Result<TlsConfig> {
    let builder = TlsConfig::builder();
    let roots = root_certs(&options.root_certificates)?;
    let builder = match options.choose_tls(secure)? {
        // Nothing is loaded for plain http.
        ChosenTls::None => return Ok(builder.build()),
        #[cfg(feature = "_rustls")]
        ChosenTls::Rustls => builder
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(crate::transport::rustls_config::provider()),
        #[cfg(not(feature = "_rustls"))]
        ChosenTls::Rustls => builder.provider(TlsProvider::Rustls),
        ChosenTls::NativeTls => builder.provider(TlsProvider::NativeTls),
    };
    Ok(builder.root_certs(roots).build())
}

fn root_certs(pems: &[Vec<u8>]) -> Result<RootCerts> {
    if pems.is_empty() {
        return Ok(RootCerts::PlatformVerifier);
    }
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for pem in pems {
        let before = certificates.len();
        for item in parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
                Ok(_) => {}
                Err(error) => return Err(no_certificate().with_source(error)),
            }
        }
        if certificates.len() == before {
            return Err(no_certificate());
        }
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}
