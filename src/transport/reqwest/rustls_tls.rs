//! The rustls configuration of the async client.

use crate::error::Result;
use crate::transport::TransportOptions;
use crate::transport::rustls_config::client_config;

pub(super) fn config(options: &TransportOptions, secure: bool) -> Result<rustls::ClientConfig> {
    client_config(&options.root_certificates, secure)
}
