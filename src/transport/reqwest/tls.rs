//! TLS of the async client.

use reqwest::ClientBuilder;

use crate::error::Result;
use crate::transport::TransportOptions;
use crate::transport::options::ChosenTls;

pub(super) fn configure(
    builder: ClientBuilder,
    options: &TransportOptions,
    secure: bool,
) -> Result<ClientBuilder> {
    match options.choose_tls(secure)? {
        #[cfg(feature = "_rustls")]
        // Without https nothing is loaded, but reqwest would still look for the process's provider.
        ChosenTls::None | ChosenTls::Rustls => {
            let config = super::rustls_tls::config(options, secure)?;
            Ok(builder.tls_backend_preconfigured(config))
        }
        // Nothing is loaded here, either, but what is no certificate is refused as by the other client.
        #[cfg(all(feature = "native-tls", not(feature = "_rustls")))]
        ChosenTls::None => certificates(options).map(|_| builder),
        #[cfg(not(any(feature = "native-tls", feature = "_rustls")))]
        ChosenTls::None => Ok(builder),
        #[cfg(not(feature = "_rustls"))]
        ChosenTls::Rustls => Ok(builder),
        #[cfg(feature = "native-tls")]
        ChosenTls::NativeTls => {
            let certificates = certificates(options)?;
            let builder = builder.tls_backend_native();
            Ok(if certificates.is_empty() { builder } else { builder.tls_certs_only(certificates) })
        }
        #[cfg(not(feature = "native-tls"))]
        ChosenTls::NativeTls => Ok(builder),
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
