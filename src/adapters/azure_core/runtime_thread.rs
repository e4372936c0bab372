//! An async credential for callers without a runtime.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;
use std::{fmt, io};

use azure_core::credentials::TokenCredential;
use tokio::runtime::{self, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::get_token;
use crate::checkpointstoreblob;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{AccessToken, TokenRequest};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The same as the default limit of a call.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A credential of `azure_core` or `azure_identity` for the blocking surface. **It starts a thread with an async
/// runtime.**
///
/// The thread, `eventhub-checkpointstore-token`, has a single-threaded tokio runtime that drives the credential and the
/// background tasks of its HTTP client. The thread sleeps between tokens, and it ends soon after
/// the credential, and every store that has it, is dropped; dropping does not wait for it. Because the runtime is not
/// the caller's, you may also use it on a thread of an async runtime.
///
/// You do not need it if you can get tokens with blocking calls: a closure that returns an [`AccessToken`] is a credential.
///
/// ```
/// # #[cfg(feature = "ureq")] mod example {
/// use std::sync::Arc;
///
/// use azure_core::credentials::TokenCredential;
/// use eventhub_checkpointstore::Result;
/// use eventhub_checkpointstore::adapters::azure_core::RuntimeThreadCredential;
/// use eventhub_checkpointstore::checkpointstoreblob::{BlobCheckpointStore, Credential};
///
/// /// With any credential of `azure_identity`.
/// fn connect(credential: Arc<dyn TokenCredential>) -> Result<BlobCheckpointStore> {
///     let credential = Credential::token(RuntimeThreadCredential::start(credential)?);
///     BlobCheckpointStore::new("https://contoso.blob.core.windows.net", "checkpoints", credential)
/// }
/// # }
/// ```
pub struct RuntimeThreadCredential {
    requests: UnboundedSender<Ask>,
    timeout: Duration,
}

struct Ask {
    request: TokenRequest,
    timeout: Duration,
    reply: SyncSender<Result<AccessToken, azure_core::Error>>,
}

impl RuntimeThreadCredential {
    /// Starts the thread. No token is requested yet.
    ///
    #[doc = shared_example!("adapters/runtime_thread")]
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Other`] if the thread or the runtime cannot be started.
    pub fn start(credential: Arc<dyn TokenCredential>) -> Result<Self> {
        let failed = |what| move |error| Error::new(ErrorKind::Other, what).with_source(error);
        let (requests, received) = unbounded_channel();
        let (report, reported) = sync_channel(1);
        Builder::new()
            .name("eventhub-checkpointstore-token".into())
            .spawn(move || run(received, &credential, &report))
            .map_err(failed("could not start the thread of the token credential"))?;
        let started = reported.recv().unwrap_or_else(|error| Err(io::Error::other(error)));
        started.map_err(failed("could not build the runtime of the token credential"))?;
        Ok(Self { requests, timeout: TIMEOUT })
    }

    /// Sets the time limit for a token. Default: 20 s. If the call that needs the token has less time left, that limit
    /// applies.
    ///
    #[cfg_attr(not(doctest), doc = shared_example!("adapters/runtime_thread"))]
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Owns the runtime for its whole lifetime, because tokio does not allow dropping a runtime on a thread of another one.
fn run(
    requests: UnboundedReceiver<Ask>,
    credential: &Arc<dyn TokenCredential>,
    report: &SyncSender<io::Result<()>>,
) {
    // `start` waits for the report.
    match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let _ = report.send(Ok(()));
            serve(&runtime, requests, credential);
        }
        Err(error) => drop(report.send(Err(error))),
    }
}

/// Serves requests until all senders are dropped.
fn serve(
    runtime: &Runtime,
    mut requests: UnboundedReceiver<Ask>,
    credential: &Arc<dyn TokenCredential>,
) {
    runtime.block_on(async {
        while let Some(Ask { request, timeout, reply }) = requests.recv().await {
            let credential = Arc::clone(credential);
            // A separate task, so that one that hangs or panics does not block the next one.
            tokio::spawn(async move {
                let token = tokio::time::timeout(timeout, get_token(&*credential, request)).await;
                if let Ok(token) = token {
                    // Nobody may be waiting any more.
                    let _ = reply.send(token);
                }
            });
        }
    });
}

impl checkpointstoreblob::TokenCredential for RuntimeThreadCredential {
    fn get_token(&self, request: TokenRequest) -> Result<AccessToken, BoxError> {
        let (reply, replies) = sync_channel(1);
        let timeout = self.timeout.min(request.limit);
        let ask = Ask { request, timeout, reply };
        self.requests.send(ask).map_err(|_| "the thread of the token credential has ended")?;
        // The thread enforces the same limit, but a credential may block it.
        match replies.recv_timeout(timeout) {
            Ok(token) => Ok(token?),
            Err(RecvTimeoutError::Timeout) => Err("the token took too long".into()),
            Err(RecvTimeoutError::Disconnected) => {
                Err("the token took too long, or the credential panicked".into())
            }
        }
    }
}

impl fmt::Debug for RuntimeThreadCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeThreadCredential")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
