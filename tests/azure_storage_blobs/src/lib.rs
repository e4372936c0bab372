//! Our store over a container of the older SDK.

use azure_core::RetryOptions;
use azure_storage::{CloudLocation, StorageCredentials};
use azure_storage_blobs::prelude::{ClientBuilder, ContainerClient};

/// A container by the URL of its account, as a user of that SDK makes one.
pub fn container(
    account: &str,
    url: &str,
    name: &str,
    credentials: StorageCredentials,
    retry: RetryOptions,
) -> ContainerClient {
    let location = CloudLocation::Custom { account: account.into(), uri: url.into() };
    ClientBuilder::with_location(location, credentials).retry(retry).container_client(name)
}
