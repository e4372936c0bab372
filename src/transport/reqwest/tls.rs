//! TLS of the async client.

use reqwest::ClientBuilder;

use crate::error::Result;
use crate::transport::TransportOptions;
use crate::transport::options::ChosenTls;

/// The TLS configuration that all clients of a host share, so that a new client resumes the TLS sessions of the old one.
#[derive(Clone)]
pub(super) enum Prepared {
    #[cfg(feature = "_rustls")]
    Rustls(Box<rustls::ClientConfig>),
    #[cfg(feature = "native-tls")]
    Native(Vec<reqwest::Certificate>),
    /// If both are compiled in, one of them is always configured.
    #[cfg(not(all(feature = "_rustls", feature = "native-tls")))]
    None,
}

pub(super) fn prepare(options: &TransportOptions, secure: bool) -> Result<Prepared> {
    match options.choose_tls(secure)? {
        #[cfg(feature = "_rustls")]
        // Without https nothing is loaded, but reqwest would still look for the provider of the process.
        ChosenTls::None | ChosenTls::Rustls => {
            super::rustls_tls::config(options, secure).map(|config| Prepared::Rustls(config.into()))
        }
        // Nothing is loaded here either, but a text that is not a certificate is refused, as by the other client.
        #[cfg(all(feature = "native-tls", not(feature = "_rustls")))]
        ChosenTls::None => certificates(options).map(|_| Prepared::None),
        #[cfg(not(any(feature = "native-tls", feature = "_rustls")))]
        ChosenTls::None => Ok(Prepared::None),
        #[cfg(not(feature = "_rustls"))]
        ChosenTls::Rustls => Ok(Prepared::None),
        #[cfg(feature = "native-tls")]
        ChosenTls::NativeTls => certificates(options).map(Prepared::Native),
        #[cfg(not(feature = "native-tls"))]
        ChosenTls::NativeTls => Ok(Prepared::None),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "without TLS there is nothing to consume")]
pub(super) fn configure(builder: ClientBuilder, prepared: Prepared) -> ClientBuilder {
    match prepared {
        #[cfg(feature = "_rustls")]
        Prepared::Rustls(config) => builder.tls_backend_preconfigured(*config),
        #[cfg(feature = "native-tls")]
        Prepared::Native(certificates) => {
            let builder = builder.tls_backend_native();
            if certificates.is_empty() { builder } else { builder.tls_certs_only(certificates) }
        }
        #[cfg(not(all(feature = "_rustls", feature = "native-tls")))]
        Prepared::None => builder,
    }
}

#[cfg(feature = "native-tls")]
fn certificates(options: &TransportOptions) -> Result<Vec<reqwest::Certificate>> {
    use crate::transport::options::no_certificate;

    let mut certificates = Vec::new();
    for pem in &options.root_certificates {
        let bundle = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|error| no_certificate().with_source(error))?;
        if bundle.is_empty() {
            return Err(no_certificate());
        }
        certificates.extend(bundle);
    }
    Ok(certificates)
}
