//! Sign-in with Microsoft Entra ID, for the storage account and the event hub.

use eventhub_checkpointstore::checkpointstoreblob::Credential;

use crate::args::Auth;
use crate::exit::Failure;

/// The sign-in that this machine was given, where no secret is: that of a pod, or of a managed identity.
pub fn given(vars: &dyn Fn(&str) -> Option<String>) -> Option<Auth> {
    let is_set = |name: &str| vars(name).is_some_and(|value| !value.trim().is_empty());
    if is_set("AZURE_FEDERATED_TOKEN_FILE") {
        Some(Auth::WorkloadIdentity)
    } else if is_set("IDENTITY_ENDPOINT") {
        Some(Auth::ManagedIdentity)
    } else {
        None
    }
}

/// Whether tokens of Microsoft Entra ID are asked for.
pub fn has_tokens(auth: Auth) -> bool {
    matches!(auth, Auth::Login | Auth::ManagedIdentity | Auth::WorkloadIdentity)
}

/// Nothing is asked for yet.
#[cfg(feature = "entra")]
pub fn credential(
    auth: Auth,
    vars: &dyn Fn(&str) -> Option<String>,
) -> Result<Credential, Failure> {
    use std::sync::Arc;

    use azure_core::credentials::TokenCredential;
    use azure_identity::{
        DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
        UserAssignedId, WorkloadIdentityCredential,
    };
    use eventhub_checkpointstore::adapters::azure_core::RuntimeThreadCredential;

    let made: azure_core::Result<Arc<dyn TokenCredential>> = match auth {
        Auth::ManagedIdentity => {
            let id = vars("AZURE_CLIENT_ID").filter(|id| !id.trim().is_empty());
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: id.map(UserAssignedId::ClientId),
                ..Default::default()
            };
            ManagedIdentityCredential::new(Some(options)).map(|credential| credential as _)
        }
        Auth::WorkloadIdentity => {
            WorkloadIdentityCredential::new(None).map(|credential| credential as _)
        }
        _ => DeveloperToolsCredential::new(None).map(|credential| credential as _),
    };
    let credential = made.map_err(|error| {
        Failure::usage(format!("--auth {}: {}", word(auth), with_causes(&error)))
            .with_hint(help(auth))
    })?;
    Ok(Credential::token(RuntimeThreadCredential::start(credential)?))
}

#[cfg(feature = "entra")]
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

#[cfg(not(feature = "entra"))]
pub fn credential(auth: Auth, _: &dyn Fn(&str) -> Option<String>) -> Result<Credential, Failure> {
    Err(Failure::usage(format!("--auth {}: this build has no sign-in", word(auth)))
        .with_hint("Install it with the feature `entra`, which is on by default."))
}

fn word(auth: Auth) -> &'static str {
    match auth {
        Auth::ManagedIdentity => "managed-identity",
        Auth::WorkloadIdentity => "workload-identity",
        _ => "login",
    }
}

/// What the sign-in needs.
#[cfg(feature = "entra")]
fn help(auth: Auth) -> &'static str {
    match auth {
        Auth::ManagedIdentity => {
            "The machine or app needs a managed identity; if it has several, choose one with AZURE_CLIENT_ID."
        }
        Auth::WorkloadIdentity => {
            "The pod needs AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE, which its service account \
             provides."
        }
        _ => "Sign in with `az login` or `azd auth login`.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_and_an_app_sign_in_as_they_were_given() {
        let with = |set: &'static [&str]| {
            given(&move |name| set.contains(&name).then(|| "something".to_owned()))
        };
        assert_eq!(with(&[]), None);
        assert_eq!(with(&["AZURE_FEDERATED_TOKEN_FILE"]), Some(Auth::WorkloadIdentity));
        assert_eq!(with(&["IDENTITY_ENDPOINT"]), Some(Auth::ManagedIdentity));
        assert_eq!(given(&|_| Some(" ".to_owned())), None);
    }
}
