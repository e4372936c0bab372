//! Get Blob Service Properties.

use http::Method;

use crate::container::{CallContext, GetServiceProperties, ServiceProperties};
use crate::error::Result;
use crate::protocol::operation::{Operation, Query};
use crate::protocol::response::Response;
use crate::protocol::xml::{XmlCursor, XmlResult};

const ROOT: &str = "StorageServiceProperties";

/// [Get Blob Service Properties](https://learn.microsoft.com/rest/api/storageservices/get-blob-service-properties)
impl Operation for GetServiceProperties<'_> {
    type Output = ServiceProperties;

    fn name(&self) -> &'static str {
        "get blob service properties"
    }

    fn method(&self) -> Method {
        Method::GET
    }

    fn blob(&self) -> Option<&str> {
        None
    }

    fn is_about_account(&self) -> bool {
        true
    }

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
        query.extend([("comp", "properties"), ("restype", "service")]);
    }

    fn read(&self, response: Response) -> Result<ServiceProperties> {
        response.check_sender()?;
        read_body(response.body()).map_err(|fault| {
            response.unexpected("the service properties are not readable").with_source(fault)
        })
    }
}

fn read_body(body: &[u8]) -> XmlResult<ServiceProperties> {
    let text = std::str::from_utf8(body)?;
    let mut cursor = XmlCursor::over(text.strip_prefix('\u{feff}').unwrap_or(text));
    let root = cursor.enter(ROOT)?;
    let (mut is_enabled, mut days) = (false, None);
    cursor.each_child(&root, |cursor, part| {
        if part.name() != "DeleteRetentionPolicy" {
            return cursor.skip(&part);
        }
        cursor.each_child(&part, |cursor, setting| match setting.name() {
            "Enabled" => {
                is_enabled = cursor.text(&setting)?.trim().eq_ignore_ascii_case("true");
                Ok(())
            }
            "Days" => {
                days = cursor.text(&setting)?.trim().parse().ok();
                Ok(())
            }
            _ => cursor.skip(&setting),
        })
    })?;
    cursor.end_of_body()?;
    Ok(ServiceProperties { delete_retention_days: days.filter(|_| is_enabled) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(policy: &str) -> XmlResult<Option<u32>> {
        let body = format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceProperties><Cors />\
             {policy}<DefaultServiceVersion>2019-07-07</DefaultServiceVersion></StorageServiceProperties>"
        );
        read_body(body.as_bytes()).map(|properties| properties.delete_retention_days)
    }

    #[test]
    fn soft_delete_is_read_where_it_is_on() {
        let policy = |inside| format!("<DeleteRetentionPolicy>{inside}</DeleteRetentionPolicy>");
        let on = policy("<Enabled>true</Enabled><Days>7</Days>");
        assert_eq!(days(&on).unwrap(), Some(7));
        let other_order = policy("<AllowPermanentDelete/><Days> 7 </Days><Enabled>True</Enabled>");
        assert_eq!(days(&other_order).unwrap(), Some(7));
        for off in
            ["", "<DeleteRetentionPolicy/>", &policy("<Enabled>false</Enabled><Days>7</Days>")]
        {
            assert_eq!(days(off).unwrap(), None, "{off}");
        }
    }

    #[test]
    fn malformed_service_properties_are_an_error() {
        for body in ["", "<html></html>", "<StorageServiceProperties>", "\u{ff}"] {
            assert!(read_body(body.as_bytes()).is_err(), "{body}");
        }
    }
}
