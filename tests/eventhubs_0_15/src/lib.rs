//! Our store beside a version of the Azure crates that no feature of ours is for.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use eventhub_checkpointstore::AccessToken;
use eventhub_checkpointstore::checkpointstoreblob_aio::Credential;

eventhub_checkpointstore::event_processor_store! {
    /// Checkpoints and ownerships in blobs, for `EventProcessor` of 0.15.
    pub struct ProcessorStore;
}

/// Any credential of `azure_core` or `azure_identity`, in any version, as a closure.
pub fn token_credential(credential: Arc<dyn TokenCredential>) -> Credential {
    Credential::token(move || {
        let credential = Arc::clone(&credential);
        async move {
            let token = credential.get_token(&["https://storage.azure.com/.default"], None).await?;
            let expires_on = token.expires_on.into();
            Ok::<_, azure_core::Error>(AccessToken::new(token.token.secret(), expires_on))
        }
    })
}
