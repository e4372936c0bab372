//! One crypto provider for both clients, always passed explicitly.
//!
//! A rustls config without an explicit provider panics if two providers are compiled in. Other crates may create such
//! configs, so this one neither installs a default provider nor relies on one.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
#[cfg(any(feature = "reqwest", feature = "amqp"))]
pub(crate) use with_roots::client_config;

pub(super) fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "rustls")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "rustls"))]
    let provider = rustls::crypto::ring::default_provider();
    Arc::new(provider)
}

#[cfg(any(feature = "reqwest", feature = "amqp"))]
mod with_roots {
    use std::sync::Arc;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::{ClientConfig, RootCertStore};

    use super::provider;
    use crate::error::{Error, ErrorKind, Result};
    use crate::transport::options::no_certificate;
    use crate::transport::platform_roots::PlatformRoots;

    /// Creates the rustls config, with the given roots, or else the platform's, which are loaded when needed.
    pub(crate) fn client_config(
        root_certificates: &[Vec<u8>],
        secure: bool,
    ) -> Result<ClientConfig> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(|error| {
                Error::new(ErrorKind::Configuration, "the TLS configuration is not valid")
                    .with_source(error)
            })?;
        if secure && root_certificates.is_empty() {
            return Ok(builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(PlatformRoots::new(provider)))
                .with_no_client_auth());
        }
        let mut roots = RootCertStore::empty();
        for pem in root_certificates {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate =
                    certificate.map_err(|error| no_certificate().with_source(error))?;
                roots.add(certificate).map_err(|error| no_certificate().with_source(error))?;
            }
            if roots.len() == before {
                return Err(no_certificate());
            }
        }
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}
