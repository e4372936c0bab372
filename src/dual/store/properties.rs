//! The properties of the container and its account, for diagnosis.

use super::{BlobCheckpointStore, maybe_async};
use crate::container::{
    AccountInformation, ContainerProperties, GetAccountInformation, GetContainerProperties,
    GetServiceProperties, ServiceProperties,
};
use crate::error::Result;

#[maybe_async]
impl BlobCheckpointStore {
    /// Reads the properties of the container, including what protects it
    /// ([Get Container Properties](https://learn.microsoft.com/rest/api/storageservices/get-container-properties)).
    ///
    /// An immutability policy or a legal hold prevents all writes of consumers.
    ///
    #[doc = example!("store/get_container_properties")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccessDenied`](crate::ErrorKind::AccessDenied) with a SAS that is not one of the account;
    /// [`ErrorKind::ContainerNotFound`](crate::ErrorKind::ContainerNotFound); any other failure of the request.
    pub async fn get_container_properties(&self) -> Result<ContainerProperties> {
        let request = GetContainerProperties::new(self.context(self.deadline()));
        self.container().get_container_properties(request).await
    }

    /// Reads the kind of the storage account
    /// ([Get Account Information](https://learn.microsoft.com/rest/api/storageservices/get-account-information)).
    ///
    #[doc = example!("store/get_account_information")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccessDenied`](crate::ErrorKind::AccessDenied) for anonymous clients; any other failure of the request.
    pub async fn get_account_information(&self) -> Result<AccountInformation> {
        let request = GetAccountInformation::new(self.context(self.deadline()));
        self.container().get_account_information(request).await
    }

    /// Reads the settings that apply to all containers of the account
    /// ([Get Blob Service Properties](https://learn.microsoft.com/rest/api/storageservices/get-blob-service-properties)).
    ///
    #[doc = example!("store/get_service_properties")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccessDenied`](crate::ErrorKind::AccessDenied) without the key of the account, a SAS of the account, or
    /// a role such as *Storage Account Contributor*; any other failure of the request.
    pub async fn get_service_properties(&self) -> Result<ServiceProperties> {
        let request = GetServiceProperties::new(self.context(self.deadline()));
        self.container().get_service_properties(request).await
    }
}
