//! How a request is authorized.

use http::HeaderValue;

use super::{AccountKey, SasToken};

/// How a request is authorized.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Authorization<'a> {
    Anonymous,
    SharedKey(&'a AccountKey),
    Sas(&'a SasToken),
    /// A complete `Authorization` value.
    Bearer(&'a HeaderValue),
}
