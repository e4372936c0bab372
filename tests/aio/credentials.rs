//! Only futures can be dropped while they wait for a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventhub_checkpointstore::AccessToken;

use super::support::blob_service::BlobService;
use super::surface::group;
use super::surface::script::{Script, start};
use super::{credential_of, pause};

const HOUR: Duration = Duration::from_secs(3600);

/// The first token at once, and no other one.
async fn first_then_never(
    calls: Arc<AtomicUsize>,
    clock: Script,
) -> Result<AccessToken, &'static str> {
    if calls.fetch_add(1, Ordering::SeqCst) > 0 {
        pause(Duration::from_secs(600)).await;
    }
    Ok(AccessToken::new("t1", start() + clock.passed() + HOUR))
}

#[tokio::test]
async fn an_early_renewal_that_never_ends_keeps_the_old_token() {
    let script = Script::over(&BlobService::new("checkpoints"));
    let calls = Arc::new(AtomicUsize::new(0));
    let (count, clock) = (Arc::clone(&calls), script.clone());
    let credential = credential_of(move || first_then_never(count.clone(), clock.clone()));
    let store = script.builder().credential(credential).build().unwrap();
    store.list_ownership(&group()).await.unwrap();
    script.advance(HOUR - Duration::from_secs(200));
    store.list_ownership(&group()).await.unwrap();
    store.list_ownership(&group()).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(script.sent().iter().all(|sent| sent.header("authorization") == "Bearer t1"));
    assert_eq!(script.slept(), [Duration::from_secs(5)]);
}
