//! Credentials of `azure_core` and `azure_identity`, for the version of `azure_core` that the feature adds.
//!
//! On the async surface, any `Arc` of a credential converts into a `Credential`:
//!
//! ```
//! # #[cfg(feature = "reqwest")] mod example {
//! use std::sync::Arc;
//!
//! use azure_core::credentials::TokenCredential;
//! use eventhub_checkpointstore::Result;
//! use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
//!
//! /// With any credential of `azure_identity`.
//! fn connect(credential: Arc<dyn TokenCredential>) -> Result<BlobCheckpointStore> {
//!     BlobCheckpointStore::new("https://contoso.blob.core.windows.net", "checkpoints", credential)
//! }
//! # }
//! ```
//!
//! These credentials are async, so the blocking surface needs a runtime for them; `RuntimeThreadCredential` provides it.
//!
//! For any other version of `azure_core`, leave the feature off and pass a closure, which works with every version:
//!
//! ```
//! # use std::sync::Arc;
//! # use azure_core::credentials::TokenCredential;
//! # use eventhub_checkpointstore::{AccessToken, checkpointstoreblob_aio::Credential};
//! # fn closure(credential: Arc<dyn TokenCredential>) -> Credential {
//! Credential::token(move || {
//!     let credential = Arc::clone(&credential);
//!     async move {
//!         let token = credential.get_token(&["https://storage.azure.com/.default"], None).await?;
//!         let expires_on = token.expires_on.into();
//!         Ok::<_, azure_core::Error>(AccessToken::new(token.token.secret(), expires_on))
//!     }
//! })
//! # }
//! ```

#[cfg(feature = "blocking")]
mod runtime_thread;

#[cfg(feature = "blocking")]
pub use runtime_thread::RuntimeThreadCredential;

use azure_core::credentials::TokenCredential;

use crate::protocol::{AccessToken, TokenRequest};

async fn get_token(
    credential: &(impl TokenCredential + ?Sized),
    request: TokenRequest,
) -> Result<AccessToken, azure_core::Error> {
    let token = credential.get_token(&[request.scope], None).await?;
    Ok(AccessToken::new(token.token.secret(), token.expires_on.into()))
}

#[cfg(feature = "aio")]
mod aio {
    use std::sync::Arc;

    use azure_core::credentials::TokenCredential;

    use super::get_token;
    use crate::checkpointstoreblob_aio::{self, Credential, async_trait};
    use crate::protocol::{AccessToken, TokenRequest};

    /// Wraps the foreign type, so that it does not conflict with credentials that are closures.
    struct Shared<T: ?Sized>(Arc<T>);

    #[async_trait]
    impl<T: TokenCredential + ?Sized> checkpointstoreblob_aio::TokenCredential for Shared<T> {
        async fn get_token(
            &self,
            request: TokenRequest,
        ) -> Result<AccessToken, Box<dyn std::error::Error + Send + Sync>> {
            Ok(get_token(&*self.0, request).await?)
        }
    }

    /// Uses a credential of `azure_core` or `azure_identity`. Its tokens are only sent over https.
    impl<T: TokenCredential + ?Sized + 'static> From<Arc<T>> for Credential {
        fn from(credential: Arc<T>) -> Self {
            Self::token(Shared(credential))
        }
    }
}
