//! A container in memory, or one behind the double of the service: the same test runs over both.

use eventhub_checkpointstore::container::{CallContext, Condition, GetBlobProperties, PutBlob};
use eventhub_checkpointstore::{CallOptions, MemoryContainer};

use super::maybe_async;
use super::subject::{BlobCheckpointStore, BlobCheckpointStoreBuilder, BlobContainer, Credential};
use super::support::blob_service::BlobService;
use super::support::loopback::Loopback;

pub enum World {
    Memory(MemoryContainer),
    Service(BlobService, Loopback),
}

impl World {
    pub fn all() -> [Self; 2] {
        [Self::Memory(MemoryContainer::new()), Self::service()]
    }

    pub fn service() -> Self {
        let service = BlobService::new("checkpoints");
        let loopback = service.serve();
        Self::Service(service, loopback)
    }

    pub fn store(&self) -> BlobCheckpointStore {
        self.store_with(|builder| builder)
    }

    pub fn store_with(
        &self,
        configure: impl FnOnce(BlobCheckpointStoreBuilder) -> BlobCheckpointStoreBuilder,
    ) -> BlobCheckpointStore {
        let builder = |url: &str| {
            let credential = Credential::account_key("acct", "c2VjcmV0").unwrap();
            BlobCheckpointStore::builder(url, "checkpoints").credential(credential)
        };
        match self {
            Self::Memory(container) => {
                configure(builder("http://unused")).build_with_container(container.clone()).unwrap()
            }
            Self::Service(_, loopback) => configure(builder(&loopback.url())).build().unwrap(),
        }
    }

    pub fn double(&self) -> &BlobService {
        match self {
            Self::Service(service, _) => service,
            Self::Memory(_) => panic!("there is no service in memory"),
        }
    }

    /// Writes content as a legacy processor would.
    #[cfg(feature = "legacy")]
    pub fn put_content(&self, name: &str, content: &str) {
        use super::support::blob_service::ForeignBlob;
        match self {
            Self::Memory(container) => container.put_content(name, content.to_owned()).unwrap(),
            Self::Service(service, _) => {
                service.put_with(ForeignBlob::new(name).content(content));
            }
        }
    }

    /// Method and decoded path of every request since the last call, lists as `LIST prefix`; nothing in memory.
    pub fn requests(&self) -> Vec<String> {
        let Self::Service(_, loopback) = self else {
            return Vec::new();
        };
        let requests = loopback.requests();
        loopback.clear();
        requests
            .iter()
            .map(|request| match request.query("prefix") {
                Some(prefix) => format!("LIST {prefix}"),
                None => {
                    let name = super::support::loopback::percent_decode(request.path());
                    let name = name.trim_start_matches("/checkpoints/");
                    let comp = request.query("comp").map(|comp| format!("?{comp}"));
                    format!("{} {name}{}", request.method, comp.unwrap_or_default())
                }
            })
            .collect()
    }

    /// Asserts the requests, where there are any.
    #[track_caller]
    pub fn assert_requests(&self, expected: &[&str]) {
        let requests = self.requests();
        if matches!(self, Self::Service(..)) {
            assert_eq!(requests, expected);
        }
    }
}

#[maybe_async]
impl World {
    /// Writes a blob as another client would.
    pub async fn put(&self, name: &str, metadata: &[(&str, &str)]) {
        match self {
            Self::Memory(container) => {
                let options = CallOptions::new();
                let context = CallContext::new(&options);
                let request = PutBlob::new(name, metadata, Condition::None, context);
                container.put_blob(request).await.unwrap();
            }
            Self::Service(service, _) => {
                service.put(name, metadata);
            }
        }
    }

    /// The metadata of a blob; `None` if there is none.
    pub async fn metadata(&self, name: &str) -> Option<Vec<(String, String)>> {
        match self {
            Self::Memory(container) => {
                let options = CallOptions::new();
                let request = GetBlobProperties::new(name, CallContext::new(&options));
                let found = container.get_blob_properties(request).await;
                found.ok().map(|found| found.metadata)
            }
            Self::Service(service, _) => service.blob(name).map(|blob| blob.metadata),
        }
    }

    pub async fn assert_metadata(&self, name: &str, expected: Option<Vec<(String, String)>>) {
        let found = self.metadata(name).await;
        assert_eq!(found, expected, "{name}");
    }
}

/// The metadata of a checkpoint.
pub fn position(offset: &str, sequence_number: &str) -> Option<Vec<(String, String)>> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Some(vec![pair("offset", offset), pair("sequencenumber", sequence_number)])
}
