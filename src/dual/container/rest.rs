//! The container of the Blob service, with the only loop that sends requests, reads responses and retries.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use log::{Level, debug, log, log_enabled};

use super::super::credential::time_left;
use super::{AccessToken, BlobContainer, Credential, Transport, maybe_async};
use crate::clock::Clock;
use crate::container::{
    AccountInformation, BlobContent, BlobProperties, BlobVisitor, BlobWritten, ContainerProperties,
    CreateContainer, DeleteBlob, GetAccountInformation, GetBlob, GetBlobProperties,
    GetContainerProperties, GetServiceProperties, ListBlobs, PageEnd, PutBlob, ServiceProperties,
    SetBlobMetadata,
};
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::protocol::PageBody;
use crate::protocol::{
    ApiVersion, ContainerName, Decision, Endpoint, Failure, Operation, RequestParts, Response,
    RetryOptions, ServiceFailure, build,
};
use crate::transport::SendLimits;

/// A container behind the REST protocol.
pub(in super::super) struct RestContainer {
    pub(in super::super) endpoint: Endpoint,
    pub(in super::super) secondary: Option<Endpoint>,
    pub(in super::super) container: ContainerName,
    pub(in super::super) credential: Credential,
    pub(in super::super) transport: Arc<dyn Transport>,
    pub(in super::super) api_version: ApiVersion,
    pub(in super::super) user_agent: HeaderValue,
    pub(in super::super) retry: RetryOptions,
    pub(in super::super) attempt_timeout: Duration,
    pub(in super::super) call_timeout: Duration,
}

/// The host of the next attempt if the secondary may respond to the operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NextHost {
    Primary,
    Secondary,
    /// The secondary lacks the blob or refused; only the primary can tell.
    PrimaryOnly,
}

/// The state between the attempts at one operation.
struct Progress {
    deadline: Instant,
    attempt: u32,
    max_retries: u32,
    /// Whether an earlier attempt at the write may have been applied.
    applied: Applied,
    next_host: NextHost,
    /// When the primary and the secondary last asked for a pause, and for how long.
    pauses: [Option<(Instant, Duration)>; 2],
    /// Whether a refused token has been replaced.
    token_replaced: bool,
    /// Whether the last attempt got no response, perhaps because its connection was dead.
    new_connection: bool,
}

impl Progress {
    /// Returns the remaining pause that a host asked for.
    fn pause(&self, secondary: bool, now: Instant) -> Option<Duration> {
        let (asked, pause) = self.pauses[usize::from(secondary)]?;
        pause.checked_sub(now.saturating_duration_since(asked))
    }

    fn choose_next_host(&mut self, failure: &Failure, now: Instant) {
        match failure {
            // A refused token is not a failure of the host.
            Failure::RefusedToken(_) => {}
            Failure::Service(service) if service.is_refusal_of_secondary() => {
                // The primary gets this attempt as an extra one. Only once, because a list that only the secondary can
                // continue would otherwise never end.
                if self.next_host != NextHost::PrimaryOnly {
                    self.next_host = NextHost::PrimaryOnly;
                    self.max_retries = self.max_retries.saturating_add(1);
                }
            }
            Failure::Service(_) | Failure::Transport(_) | Failure::Unreadable(_) => {
                let (primary, secondary) = (self.pause(false, now), self.pause(true, now));
                self.next_host = match self.next_host {
                    // Avoid the host that asks for the longer pause.
                    NextHost::Primary if secondary <= primary => NextHost::Secondary,
                    NextHost::Secondary if primary <= secondary => NextHost::Primary,
                    same => same,
                };
            }
        }
    }
}

#[maybe_async]
impl RestContainer {
    async fn run<O: Operation + Sync>(&self, operation: &O) -> Result<O::Output> {
        self.run_into(operation, None).await
    }

    /// A successful body is streamed into the page, if there is one.
    async fn run_into<O: Operation + Sync>(
        &self,
        operation: &O,
        page: Option<&mut PageBody<'_>>,
    ) -> Result<O::Output> {
        let context = operation.context();
        let started = self.transport.clock().now();
        let mut progress = Progress {
            deadline: context.deadline.unwrap_or(started + self.call_timeout),
            attempt: 0,
            max_retries: context.options.max_retries().unwrap_or(self.retry.max_retries()),
            applied: Applied::No,
            next_host: NextHost::Primary,
            pauses: [None; 2],
            token_replaced: false,
            new_connection: false,
        };
        let result = self.attempts(operation, page, &mut progress).await;
        let result = result.map_err(|error| {
            let error = error
                .with_action(operation.name())
                .with_container(self.container.as_str())
                .with_earlier(if operation.is_write() { progress.applied } else { Applied::No });
            let error = self.explain(operation, error);
            match operation.blob() {
                Some(blob) => error.with_blob(blob),
                None => error,
            }
        });
        self.report(operation, &progress, started, result.as_ref().err());
        result
    }

    async fn attempts<O: Operation + Sync>(
        &self,
        operation: &O,
        mut page: Option<&mut PageBody<'_>>,
        progress: &mut Progress,
    ) -> Result<O::Output> {
        loop {
            progress.attempt += 1;
            let failure = match self.attempt(operation, page.as_deref_mut(), progress).await? {
                Ok(response) => {
                    // The write was applied. If its response is unreadable, nothing more is known.
                    progress.applied = Applied::Unknown;
                    return operation.read(response);
                }
                Err(failure) => failure,
            };
            let host = self.host(operation, progress).0.host_and_port();
            match self.note_failure(operation, progress, &failure) {
                Decision::GiveUp => return Err(failure.into_error(&host)),
                Decision::RetryAfter(after) => {
                    let (name, attempt) = (operation.name(), progress.attempt);
                    let subject = self.subject(operation);
                    debug!(target: super::LOG, "{name} {subject}: attempt {attempt} at {host} failed, retrying in {after:?}: {failure}");
                    if !after.is_zero() {
                        self.transport.sleep(after).await;
                    }
                }
            }
        }
    }

    /// Makes one attempt: token, build, sign, send. The outer error is one that a retry would not fix.
    async fn attempt<O: Operation + Sync>(
        &self,
        operation: &O,
        page: Option<&mut PageBody<'_>>,
        progress: &mut Progress,
    ) -> Result<Result<Response, Failure>> {
        let (endpoint, from_secondary) = self.host(operation, progress);
        time_left(&*self.transport, progress.deadline)?;
        // Before the credential is called, which may need the same runtime.
        if let Err(error) = Transport::ready(&*self.transport) {
            return Ok(Err(Failure::Transport(error)));
        }
        let token = self.token(progress.deadline).await?;
        let bearer = token.as_ref().map(|token| token.bearer()).transpose()?;
        let request = build(
            operation,
            RequestParts {
                endpoint,
                container: &self.container,
                api_version: self.api_version,
                user_agent: &self.user_agent,
                authorization: self.credential.authorization(bearer.as_ref()),
                now: self.transport.clock().system_time(),
                random: fastrand::u128(..),
            },
        )?;
        let remaining = time_left(&*self.transport, progress.deadline)?;
        let mut options = SendLimits::new(remaining.min(self.attempt_timeout));
        options.new_connection = progress.new_connection;
        // Bypass the implementation for `Arc`, which would box the future again.
        let transport = &*self.transport;
        let (sent, page) = match page {
            None => (Transport::send(transport, request, &options).await, None),
            Some(page) => {
                page.start_over();
                let head = Transport::send_streamed(transport, request, &options, page).await;
                (head.map(|head| head.map(|()| page.take_failure())), Some(page))
            }
        };
        let response = match sent {
            Ok(response) => Response::new(response, from_secondary),
            Err(error) => return Ok(Err(Failure::Transport(error))),
        };
        if response.is_success() {
            return Ok(match page.map(PageBody::end) {
                Some(Err(fault)) => Err(Failure::Unreadable(fault)),
                Some(Ok(())) | None => Ok(response),
            });
        }
        let failure = ServiceFailure::read(&response, self.transport.clock().system_time());
        if let (401, Some(cache), Some(token)) =
            (response.status(), self.credential.token_cache(), &token)
        {
            cache.reject(token);
            if !progress.token_replaced {
                progress.token_replaced = true;
                progress.max_retries = progress.max_retries.saturating_add(1);
                return Ok(Err(Failure::RefusedToken(failure)));
            }
        }
        Ok(Err(Failure::Service(failure)))
    }

    async fn token(&self, deadline: Instant) -> Result<Option<Arc<AccessToken>>> {
        match self.credential.token_cache() {
            Some(cache) => Ok(Some(cache.token(&*self.transport, deadline).await?)),
            None => Ok(None),
        }
    }
}

impl RestContainer {
    /// Reads alternate between the hosts after a failure of the primary; writes never do.
    fn host<O: Operation>(&self, operation: &O, progress: &Progress) -> (&Endpoint, bool) {
        let alternates = operation.allow_secondary() && progress.next_host == NextHost::Secondary;
        match &self.secondary {
            Some(secondary) if alternates || operation.only_secondary() => (secondary, true),
            _ => (&self.endpoint, false),
        }
    }

    /// Records what a failure tells about the write and the hosts.
    fn note_failure<O: Operation>(
        &self,
        operation: &O,
        progress: &mut Progress,
        failure: &Failure,
    ) -> Decision {
        progress.applied = progress.applied.or(failure.applied());
        progress.new_connection = matches!(failure, Failure::Transport(_));
        if operation.only_secondary() && failure.is_refusal_of_secondary() {
            return Decision::GiveUp;
        }
        let now = self.transport.clock().now();
        let (_, from_secondary) = self.host(operation, progress);
        let asked = failure.retry_after().map(|pause| (now, pause));
        progress.pauses[usize::from(from_secondary)] = asked;
        progress.choose_next_host(failure, now);
        let (_, to_secondary) = self.host(operation, progress);
        self.retry.decide(
            progress.attempt,
            progress.max_retries,
            failure,
            progress.pause(to_secondary, now),
            progress.deadline.saturating_duration_since(now),
            fastrand::f64(),
        )
    }

    /// Adds the known cause, or what to do about it.
    fn explain<O: Operation>(&self, operation: &O, error: Error) -> Error {
        let hint = match (error.kind(), error.status(), self.credential.as_sas()) {
            (ErrorKind::AccessDenied, _, Some(sas)) => sas
                .explain_refusal(
                    operation.name(),
                    operation.sas_permissions(),
                    self.transport.clock().system_time(),
                )
                .map(Into::into),
            (ErrorKind::ContainerNotFound, Some(404), _) => {
                Some(Cow::Borrowed("`create_container_if_not_exists` creates it"))
            }
            _ => None,
        };
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Expected outcomes are not logged as warnings.
    fn report<O: Operation>(
        &self,
        operation: &O,
        progress: &Progress,
        started: Instant,
        error: Option<&Error>,
    ) {
        let level = match error {
            Some(error) if !operation.is_expected(error.kind()) => Level::Warn,
            _ => Level::Debug,
        };
        // Most calls are never told of: no text is made for them.
        if !log_enabled!(target: super::LOG, level) {
            return;
        }
        let attempts = match progress.attempt {
            1 => "1 attempt".to_owned(),
            number => format!("{number} attempts"),
        };
        let (name, subject) = (operation.name(), self.subject(operation));
        match error {
            None => {
                let took = self.transport.clock().now().saturating_duration_since(started);
                log!(target: super::LOG, level, "{name} {subject}: done in {took:?}, {attempts}");
            }
            Some(error) => {
                let causes = causes_of(error);
                log!(target: super::LOG, level, "{name} {subject}: {error}{causes}; {attempts}");
            }
        }
    }

    /// Returns the subject of an operation, for logs.
    fn subject<O: Operation>(&self, operation: &O) -> String {
        format!("{}/{}", self.container.as_str(), operation.subject())
    }
}

#[maybe_async]
impl BlobContainer for RestContainer {
    async fn put_blob(&self, request: PutBlob<'_>) -> Result<BlobWritten> {
        self.run(&request).await
    }

    async fn set_blob_metadata(&self, request: SetBlobMetadata<'_>) -> Result<BlobWritten> {
        self.run(&request).await
    }

    async fn get_blob_properties(&self, request: GetBlobProperties<'_>) -> Result<BlobProperties> {
        self.run(&request).await
    }

    async fn list_blobs(
        &self,
        request: ListBlobs<'_>,
        visitor: &mut dyn BlobVisitor,
    ) -> Result<PageEnd> {
        let mut page = PageBody::new(visitor);
        let head = self.run_into(&request, Some(&mut page)).await?;
        let marker = page.into_next_marker();
        Ok(PageEnd::new(marker, head.server_time, head.from_secondary))
    }

    async fn get_blob(&self, request: GetBlob<'_>) -> Result<BlobContent> {
        self.run(&request).await
    }

    async fn delete_blob(&self, request: DeleteBlob<'_>) -> Result<()> {
        self.run(&request).await
    }

    async fn create_container(&self, request: CreateContainer<'_>) -> Result<()> {
        self.run(&request).await
    }

    async fn get_container_properties(
        &self,
        request: GetContainerProperties<'_>,
    ) -> Result<ContainerProperties> {
        self.run(&request).await
    }

    async fn get_account_information(
        &self,
        request: GetAccountInformation<'_>,
    ) -> Result<AccountInformation> {
        self.run(&request).await
    }

    async fn get_service_properties(
        &self,
        request: GetServiceProperties<'_>,
    ) -> Result<ServiceProperties> {
        self.run(&request).await
    }

    fn clock(&self) -> &dyn Clock {
        self.transport.clock()
    }
}

/// `Display` of an error omits its causes, so a log line adds them.
fn causes_of(error: &Error) -> String {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let separator = if text.is_empty() { ": caused by: " } else { ": " };
        text.push_str(separator);
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl fmt::Debug for RestContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestContainer")
            .field("endpoint", &self.endpoint)
            .field("container", &self.container.as_str())
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}
