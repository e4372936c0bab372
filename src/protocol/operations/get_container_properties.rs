//! Get Container Properties.

use http::Method;

use crate::container::{CallContext, ContainerProperties, GetContainerProperties};
use crate::error::Result;
use crate::protocol::operation::{Operation, Query};
use crate::protocol::response::Response;

/// [Get Container Properties](https://learn.microsoft.com/rest/api/storageservices/get-container-properties)
impl Operation for GetContainerProperties<'_> {
    type Output = ContainerProperties;

    fn name(&self) -> &'static str {
        "get container properties"
    }

    fn method(&self) -> Method {
        Method::HEAD
    }

    fn blob(&self) -> Option<&str> {
        None
    }

    /// The service requires an account SAS: "The operation can't be called with a service SAS".
    fn sas_permissions(&self) -> &'static str {
        ""
    }

    fn context(&self) -> CallContext<'_> {
        self.context
    }

    fn is_write(&self) -> bool {
        false
    }

    fn query<'a>(&'a self, query: &mut Query<'a>) {
        query.push(("restype", "container"));
    }

    fn read(&self, response: Response) -> Result<ContainerProperties> {
        response.check_sender()?;
        let text = |name| response.header(name).map(str::to_owned);
        let flag = |name| response.flag(name);
        Ok(ContainerProperties {
            last_modified: response.last_modified(),
            server_time: response.server_time(),
            lease_state: text("x-ms-lease-state"),
            public_access: text("x-ms-blob-public-access"),
            has_immutability_policy: flag("x-ms-has-immutability-policy"),
            has_legal_hold: flag("x-ms-has-legal-hold"),
            has_version_level_immutability: flag("x-ms-immutable-storage-with-versioning-enabled"),
            metadata: response.metadata(),
        })
    }
}
