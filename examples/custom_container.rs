//! A container of your own below the store, in both surfaces: here a folder of files, one per blob.
//!
//! ```sh
//! cargo run --example custom_container             # in a new temporary folder
//! cargo run --example custom_container -- folder   # in a given one, as often as you like
//! ```
//!
//! The conditions of writes must be atomic. These are so among the threads of one process only; for several processes
//! take a store with conditional writes, as a database or another object store has them.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use std::{env, fs, io};

use eventhub_checkpointstore::container::{
    BlobEntry, BlobProperties, BlobVisitor, BlobWritten, Condition, GetBlobProperties, ListBlobs,
    PageEnd, PutBlob, SetBlobMetadata,
};
use eventhub_checkpointstore::{
    Checkpoint, ConsumerGroup, ETag, Error, ErrorKind, PartitionOwnership, Result,
    checkpointstoreblob as blocking, checkpointstoreblob_aio as aio,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The name of no blob: a dot would be encoded. One is enough, because there is one writer at a time.
const UNFINISHED: &str = ".unfinished";

/// A file is named as the blob is, percent-encoded, because that has slashes. Its first line is the version, the
/// others are the metadata.
#[derive(Clone)]
struct Folder {
    path: PathBuf,
    /// Held from the look at a condition to the end of the write.
    writing: Arc<Mutex<()>>,
}

impl Folder {
    fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        Ok(Self { path, writing: Arc::default() })
    }

    fn write(
        &self,
        name: &str,
        metadata: &[(&str, &str)],
        condition: Condition<'_>,
        must_exist: bool,
    ) -> Result<BlobWritten> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match self.read(name) {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::BlobNotFound => None,
            Err(error) => return Err(error),
        };
        let allowed = match (condition, &found) {
            (_, None) if must_exist => return Err(Error::new(ErrorKind::BlobNotFound, "")),
            (Condition::NotExists, Some(_)) | (Condition::Matches(_), None) => false,
            (Condition::Matches(etag), Some(found)) => found.etag == *etag,
            _ => true,
        };
        if !allowed {
            return Err(Error::new(ErrorKind::ConditionNotMet, "").with_blob(name));
        }
        // Every write makes a new version, also one of the same content.
        let version = format!("{:032x}", fastrand::u128(..));
        let metadata = metadata.iter().map(|(key, value)| format!("\n{key}={value}"));
        let text: Vec<_> = [version.clone()].into_iter().chain(metadata).collect();
        // Readers, who do not wait for writers, see the old version or the new one, never half of one.
        let unfinished = self.path.join(UNFINISHED);
        fs::write(&unfinished, text.concat()).map_err(failed)?;
        fs::rename(unfinished, self.file(name)).map_err(failed)?;
        let mut written = BlobWritten::new(ETag::new(version)?);
        written.last_modified = Some(SystemTime::now());
        Ok(written)
    }

    fn read(&self, name: &str) -> Result<BlobProperties> {
        let file = self.file(name);
        let text = fs::read_to_string(&file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(ErrorKind::BlobNotFound, "").with_blob(name),
            _ => failed(error),
        })?;
        let mut lines = text.lines();
        let etag = ETag::new(lines.next().unwrap_or_default())?;
        let pairs = lines.filter_map(|line| line.split_once('='));
        let metadata = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut properties = BlobProperties::new(etag, metadata);
        properties.last_modified = fs::metadata(file).and_then(|data| data.modified()).ok();
        Ok(properties)
    }

    /// All in one page.
    fn list(&self, prefix: &str, visitor: &mut dyn BlobVisitor) -> Result<PageEnd> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name();
            if file != UNFINISHED {
                let file = file.to_string_lossy();
                names.push(percent_decode_str(&file).decode_utf8_lossy().into_owned());
            }
        }
        names.retain(|name| name.starts_with(prefix));
        names.sort_unstable();
        for name in names {
            let found = self.read(&name)?;
            let metadata: Vec<_> = found
                .metadata
                .iter()
                .map(|(key, value)| (Cow::from(key), Cow::from(value)))
                .collect();
            let mut entry = BlobEntry::new(&*name, &metadata);
            entry.etag = Some(found.etag.as_str().into());
            entry.last_modified = found.last_modified;
            visitor.visit(entry);
        }
        // Ages are judged by this clock, which is also the one of the files.
        let mut end = PageEnd::default();
        end.server_time = Some(SystemTime::now());
        Ok(end)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(utf8_percent_encode(name, NON_ALPHANUMERIC).to_string())
    }
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Other, "the folder is not usable").with_source(error)
}

impl blocking::BlobContainer for Folder {
    fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten> {
        self.write(request.name, request.metadata, request.condition, false)
    }

    fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten> {
        self.write(request.name, request.metadata, request.condition, true)
    }

    fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties> {
        self.read(request.name)
    }

    fn list_blobs(&self, request: ListBlobs<'_>, visitor: &mut dyn BlobVisitor) -> Result<PageEnd> {
        self.list(request.prefix, visitor)
    }
}

/// Files are quick enough not to be moved to another thread here.
#[aio::async_trait]
impl aio::BlobContainer for Folder {
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten> {
        self.write(request.name, request.metadata, request.condition, false)
    }

    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten> {
        self.write(request.name, request.metadata, request.condition, true)
    }

    async fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties> {
        self.read(request.name)
    }

    async fn list_blobs(
        &self,
        request: ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd> {
        self.list(request.prefix, visitor)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let given = env::args().nth(1).map(PathBuf::from);
    let path = given.clone().unwrap_or_else(|| {
        env::temp_dir().join(format!("custom-container-{}", std::process::id()))
    });
    let folder = Folder::open(path.clone())?;
    let group = ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default")?;

    let store = blocking::BlobCheckpointStore::from_container(folder.clone());
    let count = store.get_checkpoint(&group, "0")?.and_then(|found| found.sequence_number());
    let next = count.map_or(0, |number| number + 1);
    store.update_checkpoint(&Checkpoint::new(&group, "0", next.to_string(), next)?)?;
    let claims = store.claim_ownership(&[PartitionOwnership::new(&group, "0", "thread")?]);
    println!("blocking: checkpoint {next}, claimed {}", claims.claimed().count());

    let store = aio::BlobCheckpointStore::from_container(folder);
    let checkpoint = store.get_checkpoint(&group, "0").await?;
    println!("async: checkpoint {:?}", checkpoint.and_then(|found| found.sequence_number()));
    let first = PartitionOwnership::new(&group, "0", "task")?;
    let lost = store.claim_ownership(&[first]).await.lost().count();
    let listed = store.list_ownership(&group).await?;
    let stolen = store.claim_ownership(&[listed.items()[0].claimed_by("task")?]).await;
    println!("async: first claim lost {lost}, takeover claimed {}", stolen.claimed().count());

    if given.is_none() {
        fs::remove_dir_all(path)?;
    }
    Ok(())
}
