//! How a request proves who sends it.

use http::HeaderValue;

use super::{AccountKey, SasToken};

/// How a request proves who sends it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Authorization<'a> {
    Anonymous,
    SharedKey(&'a AccountKey),
    Sas(&'a SasToken),
    /// A whole `Authorization` value.
    Bearer(&'a HeaderValue),
}
