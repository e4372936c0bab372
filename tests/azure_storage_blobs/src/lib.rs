//! Our store over a container of the older SDK.

use azure_core::RetryOptions;
use azure_storage::{CloudLocation, StorageCredentials};
use azure_storage_blobs::prelude::{ClientBuilder, ContainerClient};

/// A container with an account key, by the URL of its account, as a user of that SDK makes one.
pub fn container(account: &str, key: &str, url: &str, name: &str) -> ContainerClient {
    let location = CloudLocation::Custom { account: account.into(), uri: url.into() };
    let credentials = StorageCredentials::access_key(account, key.to_owned());
    ClientBuilder::with_location(location, credentials)
        .retry(RetryOptions::none())
        .container_client(name)
}
