//! One crypto provider for both clients, always given explicitly.
//!
//! A rustls config that is made without a provider panics as soon as two of them are compiled in; other crates
//! make such configs, so this one neither installs a default nor relies on one.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub(super) fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "rustls")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "rustls"))]
    let provider = rustls::crypto::ring::default_provider();
    Arc::new(provider)
}
