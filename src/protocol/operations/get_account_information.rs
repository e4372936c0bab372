//! Get Account Information.

use http::Method;

use crate::container::{AccountInformation, CallContext, GetAccountInformation};
use crate::error::Result;
use crate::protocol::operation::{Operation, Query};
use crate::protocol::response::Response;

/// [Get Account Information](https://learn.microsoft.com/rest/api/storageservices/get-account-information), asked at the
/// container, where a SAS of the container is enough.
impl Operation for GetAccountInformation<'_> {
    type Output = AccountInformation;

    fn name(&self) -> &'static str {
        "get account information"
    }

    fn method(&self) -> Method {
        Method::HEAD
    }

    fn blob(&self) -> Option<&str> {
        None
    }

    fn context(&self) -> CallContext<'_> {
        self.context
    }

    fn is_write(&self) -> bool {
        false
    }

    fn query<'a>(&'a self, query: &mut Query<'a>) {
        query.extend([("comp", "properties"), ("restype", "account")]);
    }

    fn read(&self, response: Response) -> Result<AccountInformation> {
        response.check_sender()?;
        let text = |name| response.header(name).map(str::to_owned);
        Ok(AccountInformation {
            sku_name: text("x-ms-sku-name"),
            account_kind: text("x-ms-account-kind"),
            is_hierarchical_namespace_enabled: response.flag("x-ms-is-hns-enabled"),
        })
    }
}
