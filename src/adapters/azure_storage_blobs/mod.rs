//! A `ContainerClient` of the older SDK as a container of the async surface.
//!
//! It uses the credential, the retries and the pipeline of the client, so the store's own options for them have no effect:
//!
//! ```
//! use azure_storage_blobs::prelude::ContainerClient;
//! use eventhub_checkpointstore::checkpointstoreblob_aio::BlobCheckpointStore;
//!
//! fn store(client: ContainerClient) -> BlobCheckpointStore {
//!     BlobCheckpointStore::from_container(client)
//! }
//! ```
//!
//! # Cargo features of the SDK
//!
//! The feature uses `azure_storage_blobs` 0.21 without its default features. Your own dependency chooses its HTTP client
//! (`enable_reqwest`, `enable_reqwest_rustls`, or a custom one) and, for account keys, `hmac_rust` or `hmac_openssl`;
//! without one of these, the SDK panics when it signs. Its rustls adds ring to the build.
//!
//! # Limitations
//!
//! - **The SDK reads lists** as a whole: a single blob under the prefix that it cannot parse, even one of another program,
//!   fails a list with [`ErrorKind::InvalidResponse`].
//! - **It retries requests without reporting it**, so before every conflict, the response to an earlier attempt may have
//!   been lost. The store checks who won: a lost claim costs one more request, and an outdated claim by the current owner
//!   is won. After a refusal of another kind, `is_outcome_unknown()` only covers the last attempt.
//! - **No `Last-Modified` from Set Metadata**: the time of a renewal is the `Date` of its response, which uses the same
//!   clock.
//! - **Time limits** only work in a tokio runtime with timers enabled, because the SDK has none. Secondaries are not read.
//! - **It logs credentials**: at `debug`, `azure_core` 0.21 prints whole requests, including `Authorization`, and URLs,
//!   which may contain a SAS. Keep that target at `info` or above.
//! - **Causes** of errors are texts without the queries of URLs, because the SDK's own errors may show a SAS.

mod failure;
mod listed;

use std::borrow::Cow;
use std::future::Future;
use std::time::Instant;

use azure_core_0_21::error::Error as SdkError;
use azure_core_0_21::headers::{CLIENT_REQUEST_ID, Headers};
use azure_core_0_21::prelude::{IfMatchCondition, Metadata};
use azure_core_0_21::{Context, CustomHeaders};
use azure_storage_blobs::blob::Blob;
use azure_storage_blobs::prelude::{BlobClient, ContainerClient};
use bytes::Bytes;
use futures_util::StreamExt;

use self::failure::{failure, timed_out};
use self::listed::show;
use crate::checkpointstoreblob_aio::{BlobContainer, async_trait};
use crate::container::{
    BlobContent, BlobProperties, BlobVisitor, BlobWritten, CallContext, Condition, CreateContainer,
    DeleteBlob, GetBlob, GetBlobProperties, ListBlobs, PageEnd, PutBlob, SetBlobMetadata,
};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ETag;

const RANGE_NOT_SATISFIABLE: u16 = 416;

#[async_trait]
impl BlobContainer for ContainerClient {
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten> {
        let mut put = blob(self, request.name)
            .put_block_blob(Bytes::new())
            .content_type("application/octet-stream")
            .metadata(metadata(request.metadata))
            .context(context(request.context));
        if let Some(condition) = condition(request.condition) {
            put = put.if_match(condition);
        }
        let done = write(request.context, request.name, put.into_future()).await?;
        let mut written = BlobWritten::new(etag(&done.etag)?);
        written.last_modified = Some(done.last_modified.into());
        written.server_time = Some(done.date.into());
        Ok(written)
    }

    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten> {
        let mut set = blob(self, request.name)
            .set_metadata()
            .metadata(metadata(request.metadata))
            .context(context(request.context));
        if let Some(condition) = condition(request.condition) {
            set = set.if_match(condition);
        }
        let done = write(request.context, request.name, set.into_future()).await?;
        let mut written = BlobWritten::new(etag(&done.etag)?);
        // The SDK drops `Last-Modified` here. The blob was written in the second of the response.
        written.last_modified = Some(done.date.into());
        written.server_time = Some(done.date.into());
        Ok(written)
    }

    async fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties> {
        let get = blob(self, request.name).get_properties().context(context(request.context));
        let found = read(request.context, request.name, get.into_future()).await?;
        let mut properties = properties(found.blob)?;
        properties.server_time = Some(found.date.into());
        Ok(properties)
    }

    async fn list_blobs(
        &self,
        request: ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd> {
        let mut list = self
            .list_blobs()
            .prefix(request.prefix.to_owned())
            .include_metadata(true)
            .context(context(request.context));
        if let Some(marker) = request.marker {
            list = list.marker(marker.as_str());
        }
        // One page; the store asks for the next one.
        let mut pages = list.into_stream();
        let page = within(request.context.deadline, pages.next()).await;
        let page = page.ok_or_else(|| timed_out(false))?;
        let page = page.ok_or_else(no_page)?.map_err(|error| failure(&error, false))?;
        for blob in page.blobs.blobs() {
            show(blob, visitor);
        }
        let next_marker = page.next_marker.map(|marker| marker.as_str().to_owned());
        Ok(PageEnd::new(next_marker, Some(page.date.into()), false))
    }

    async fn get_blob(&self, request: GetBlob<'_>) -> Result<BlobContent> {
        let mut get = blob(self, request.name).get().context(context(request.context));
        if let Some(max_length) = request.max_length {
            get = get.range(0..max_length.get());
        }
        let work = async {
            let (mut pages, mut content, mut found) = (get.into_stream(), Vec::new(), None);
            while let Some(page) = pages.next().await {
                let page = page?;
                content.extend_from_slice(&page.data.collect().await?);
                found.get_or_insert(page.blob);
            }
            Ok((found, content))
        };
        match read(request.context, request.name, work).await {
            Ok((Some(blob), content)) => Ok(BlobContent::new(properties(blob)?, content.into())),
            Err(error) if error.status() != Some(RANGE_NOT_SATISFIABLE) => Err(error),
            // The SDK asks for a range, and an empty blob has none.
            Ok((None, _)) | Err(_) => {
                let request = GetBlobProperties::new(request.name, request.context);
                let properties = self.get_blob_properties(request).await?;
                Ok(BlobContent::new(properties, Bytes::new()))
            }
        }
    }

    async fn delete_blob(&self, request: DeleteBlob<'_>) -> Result<()> {
        let mut delete = blob(self, request.name).delete().context(context(request.context));
        if let Some(condition) = condition(request.condition) {
            delete = delete.if_match(condition);
        }
        write(request.context, request.name, delete.into_future()).await.map(drop)
    }

    async fn create_container(&self, request: CreateContainer<'_>) -> Result<()> {
        let create = self.create().context(context(request.context)).into_future();
        let created = within(request.context.deadline, create).await;
        created.ok_or_else(|| timed_out(true))?.map_err(|error| failure(&error, true))
    }
}

fn blob(container: &ContainerClient, name: &str) -> BlobClient {
    container.blob_client(name)
}

fn metadata(pairs: &[(&str, &str)]) -> Metadata {
    let mut metadata = Metadata::new();
    for (key, value) in pairs {
        metadata.insert(*key, Bytes::copy_from_slice(value.as_bytes()));
    }
    metadata
}

fn condition(condition: Condition<'_>) -> Option<IfMatchCondition> {
    match condition {
        Condition::None => None,
        Condition::NotExists => Some(IfMatchCondition::NotMatch("*".into())),
        Condition::Matches(etag) => Some(IfMatchCondition::Match(etag.as_str().into())),
    }
}

/// Converts the caller's headers for the SDK.
fn context(call: CallContext<'_>) -> Context {
    let mut headers = Headers::new();
    for (name, value) in call.options.headers() {
        headers.insert(name.as_str().to_owned(), text(value).into_owned());
    }
    if let Some(id) = call.options.client_request_id() {
        headers.insert(CLIENT_REQUEST_ID, text(id).into_owned());
    }
    let mut context = Context::new();
    context.insert(CustomHeaders::from(headers));
    context
}

fn text(value: &http::HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

async fn write<T>(
    call: CallContext<'_>,
    name: &str,
    work: impl Future<Output = Result<T, SdkError>>,
) -> Result<T> {
    carry_out(call, name, true, work).await
}

async fn read<T>(
    call: CallContext<'_>,
    name: &str,
    work: impl Future<Output = Result<T, SdkError>>,
) -> Result<T> {
    carry_out(call, name, false, work).await
}

async fn carry_out<T>(
    call: CallContext<'_>,
    name: &str,
    is_write: bool,
    work: impl Future<Output = Result<T, SdkError>>,
) -> Result<T> {
    let result = match within(call.deadline, work).await {
        Some(result) => result.map_err(|error| failure(&error, is_write)),
        None => Err(timed_out(is_write)),
    };
    result.map_err(|error| error.with_blob(name))
}

/// Ends the work at the deadline if a timer is available.
async fn within<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) if crate::transport::lacks_timers().is_none() => {
            tokio::time::timeout_at(deadline.into(), work).await.ok()
        }
        _ => Some(work.await),
    }
}

fn properties(blob: Blob) -> Result<BlobProperties> {
    let mut properties = BlobProperties::new(
        etag(blob.properties.etag.as_ref())?,
        blob.metadata.unwrap_or_default().into_iter().collect(),
    );
    properties.last_modified = Some(blob.properties.last_modified.into());
    Ok(properties)
}

/// This must not be mistaken for an empty list.
fn no_page() -> Error {
    Error::new(ErrorKind::InvalidResponse, "the SDK returned no page")
}

fn etag(text: &str) -> Result<ETag> {
    ETag::new(text).map_err(|error| {
        Error::new(ErrorKind::InvalidResponse, "the response has no valid ETag").with_source(error)
    })
}
