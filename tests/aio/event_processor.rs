//! The requests that the adapter of the official `EventProcessor` makes to the store.

use eventhub_checkpointstore::adapters::event_processor;

use super::support::blob_service::BlobService;
use super::support::loopback::Reply;
use super::surface::script::{SECONDARY, Script, Step};

const NAMES: [&str; 3] = ["NS.servicebus.windows.net", "Hub", "$Default"];

/// It claims with the ETags of its list, so one of a lagging secondary would lose every renewal.
#[tokio::test]
async fn ownerships_are_listed_from_the_primary() {
    let service = BlobService::new("checkpoints");
    let lagging = BlobService::new("checkpoints");
    for id in 0..4 {
        let name = format!("ns.servicebus.windows.net/hub/$default/ownership/{id}");
        lagging.put(&name, &[("ownerid", "me")]);
        service.put(&name, &[("ownerid", "other")]);
        service.put(&name, &[("ownerid", "me")]);
    }
    let mut failures = 1;
    let failures = std::sync::Mutex::new(move || std::mem::replace(&mut failures, 0) > 0);
    let script = Script::new(move |sent| {
        if sent.is_secondary() {
            return Step::reply(sent, lagging.handle(&sent.request));
        }
        if (failures.lock().unwrap())() {
            return Step::reply_now(Reply::new(500));
        }
        Step::reply(sent, service.handle(&sent.request))
    });
    let store = script.builder().secondary_hostname(SECONDARY).build().unwrap();
    let [namespace, hub, group] = NAMES;
    let listed = event_processor::list_ownerships(&store, namespace, hub, group).await.unwrap();
    assert_eq!(script.hosts(), ["primary", "primary"]);
    let renewed = event_processor::claim(&store, listed).await.unwrap();
    assert_eq!(renewed.len(), 4);
}
