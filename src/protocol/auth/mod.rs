//! Account keys, SAS, access tokens, and the signature of a request.

mod access_token;
mod account_key;
mod authorization;
mod sas;
pub(in crate::protocol) mod sign;

pub use access_token::{AccessToken, TokenRequest};
pub use account_key::AccountKey;
pub(in crate::protocol) use account_key::check_account_name;
pub(crate) use authorization::Authorization;
pub use sas::SasToken;
