//! After a firewall dropped all connections, or the machine was suspended: pooled connections are dead, new ones work.

use std::time::{Duration, Instant};

use eventhub_checkpointstore::{CallOptions, SendLimits};

use super::subject::{
    BlobCheckpointStore, BlobCheckpointStoreBuilder, Credential, OwnershipManager,
};
use super::support::blob_service::BlobService;
use super::support::loopback::{Death, Loopback};
use super::support::report;
use super::{IS_BLOCKING, checkpoint, group, maybe_async, own_client, ownership, pause, test};

/// The limit of an attempt: the price of a silent death.
const ATTEMPT: Duration = Duration::from_millis(1500);

fn builder(loopback: &Loopback) -> BlobCheckpointStoreBuilder {
    let key = Credential::account_key("acct", "c2VjcmV0").unwrap();
    let builder = BlobCheckpointStore::builder(&loopback.url(), "checkpoints").credential(key);
    let is_tls = loopback.url().starts_with("https:");
    if is_tls { builder.root_certificates(loopback.ca_pem()) } else { builder }
}

/// A plain server and one with TLS.
fn servers(service: &BlobService) -> [Loopback; 2] {
    [service.serve(), Loopback::start_tls(service.handler())]
}

#[maybe_async]
#[test]
async fn sixteen_dead_connections_lose_nothing_and_cost_one_attempt() {
    for death in [Death::Reset, Death::Silence] {
        let service = BlobService::new("checkpoints");
        for (round, loopback) in servers(&service).iter().enumerate() {
            // Whatever needs more than a second attempt fails.
            let store = builder(loopback).attempt_timeout(ATTEMPT).build().unwrap();
            let store = store.with_options(CallOptions::new().with_max_retries(1));
            let claims: Vec<_> =
                (0..16).map(|id| ownership(&format!("{round}-{id}"), "a")).collect();
            let claims = store.claim_ownership(&claims).await;
            assert!(claims.all_claimed(), "{claims:?}");
            loopback.forget_connections(death);
            let before = loopback.connections();
            let claims = store.claim_ownership(&claims.into_claimed()).await;
            assert!(claims.all_claimed(), "{death:?} {round}: {claims:?}");
            // A busy machine takes a while to give the connections back to the pool.
            pause(Duration::from_millis(300)).await;
            let claims = store.claim_ownership(&claims.into_claimed()).await;
            assert!(claims.all_claimed(), "{claims:?}");
            // What is made in their place is kept. Of the 16, some may have been new, and were given up all the same.
            let made = loopback.connections() - before;
            assert!(made <= 32, "{death:?} {round}: {made} connections in place of 16");
        }
    }
}

#[maybe_async]
#[test]
async fn a_call_without_retries_pays_once_not_for_each_dead_connection() {
    for death in [Death::Reset, Death::Silence] {
        let service = BlobService::new("checkpoints");
        let loopback = service.serve();
        let store = builder(&loopback).attempt_timeout(ATTEMPT).build().unwrap();
        let claims: Vec<_> = (0..16).map(|id| ownership(&id.to_string(), "a")).collect();
        let claims = store.claim_ownership(&claims).await;
        assert!(claims.all_claimed());
        loopback.forget_connections(death);
        let once = store.with_options(CallOptions::new().with_max_retries(0));
        once.list_ownership(&group()).await.unwrap_err();
        for number in 0..4 {
            once.update_checkpoint(&checkpoint("0", "1", number)).await.unwrap();
        }
    }
}

/// It is told which attempts must not be sent on an old connection; a client of the user's may need that.
#[maybe_async]
#[test]
async fn a_second_attempt_after_a_broken_connection_asks_for_a_new_one() {
    use super::script::{Script, Step};
    use super::support::blob_service::error_reply;
    use eventhub_checkpointstore::TransportError;

    assert!(!SendLimits::new(ATTEMPT).new_connection);
    let steps: [(fn() -> Step, bool); 5] = [
        (|| Step::broken(), true),
        (|| Step::failed(TransportError::timeout("slow")), true),
        (|| Step::failed(TransportError::invalid_response("garbage")), true),
        (|| Step::failed(TransportError::network("refused").not_sent()), true),
        (|| Step::reply_now(error_reply(503, "ServerBusy", "no")), false),
    ];
    for (fail, expected) in steps {
        let service = BlobService::new("checkpoints");
        let script = Script::new(move |sent| match sent.request.index {
            0 => fail(),
            1 => Step::reply_now(error_reply(500, "InternalError", "no")),
            _ => Step::reply(sent, service.handle(&sent.request)),
        });
        script.store().list_ownership(&group()).await.unwrap();
        let asked: Vec<_> = script.sent().iter().map(|sent| sent.new_connection).collect();
        assert_eq!(asked, [false, expected, false]);
    }
}

/// The async client's pool is its own business; ureq takes the wish with each request.
#[maybe_async]
#[test]
async fn a_custom_client_recovers_where_it_can() {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let store =
        builder(&loopback).attempt_timeout(ATTEMPT).transport(own_client()).build().unwrap();
    let claims: Vec<_> = (0..3).map(|id| ownership(&id.to_string(), "a")).collect();
    let claims = store.claim_ownership(&claims).await;
    assert!(claims.all_claimed());
    loopback.forget_connections(Death::Silence);
    let claims = store.claim_ownership(&claims.into_claimed()).await;
    assert!(claims.all_claimed() || !IS_BLOCKING, "{claims:?}");
}

#[maybe_async]
#[test]
async fn no_connection_outlives_its_lifetime() {
    let service = BlobService::new("checkpoints");
    let lifetime = Duration::from_millis(300);
    for loopback in servers(&service) {
        let store = builder(&loopback).connection_lifetime(lifetime).build().unwrap();
        let began = Instant::now();
        let mut number = 0;
        while began.elapsed() < 4 * lifetime {
            store.update_checkpoint(&checkpoint("0", "1", number)).await.unwrap();
            number += 1;
            pause(Duration::from_millis(5)).await;
        }
        // Each life begins with a request; a slow machine has fewer of them.
        let (made, most) = (loopback.connections(), 5 + 1);
        assert!((2..=most).contains(&made), "{made} connections in {:?}", began.elapsed());
        assert!(number > 4);
    }
}

/// With all defaults, in real time.
#[maybe_async]
#[test]
async fn the_manager_keeps_its_leases() {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let store = builder(&loopback).build().unwrap();
    let manager = OwnershipManager::builder(store, &group(), "a").build().unwrap();
    let partitions: Vec<String> = (0..16).map(|id| id.to_string()).collect();
    while manager.owned().len() < partitions.len() {
        let _won = manager.round(&partitions).await.unwrap();
    }
    loopback.forget_connections(Death::Silence);
    let began = Instant::now();
    let mut table = String::new();
    for number in 0..3 {
        let round = manager.round(&partitions).await;
        let line = format!(
            "round {number}: {:.1} s, {}, {} owned\n",
            began.elapsed().as_secs_f32(),
            if round.is_ok() { "ok" } else { "failed" },
            manager.owned().len()
        );
        table.push_str(&line);
        assert_eq!(manager.owned().len(), 16, "{table}");
    }
    report::show(&table);
}
