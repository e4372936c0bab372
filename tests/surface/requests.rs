//! The requests of each operation: how many, in which order, and their exact bytes.

use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::BlobService;
use super::support::loopback::Loopback;
use super::{checkpoint, group, maybe_async, ownership, test};

struct Served {
    service: BlobService,
    loopback: Loopback,
    store: BlobCheckpointStore,
}

fn serve() -> Served {
    let service = BlobService::new("checkpoints");
    let loopback = service.serve();
    let store = BlobCheckpointStore::new(
        &loopback.url(),
        "checkpoints",
        Credential::account_key("acct", "c2VjcmV0").unwrap(),
    )
    .unwrap();
    Served { service, loopback, store }
}

impl Served {
    /// Method and target of every request so far.
    fn requests(&self) -> Vec<String> {
        let requests = self.loopback.requests();
        requests.iter().map(|request| format!("{} {}", request.method, request.target)).collect()
    }
}

#[maybe_async]
#[test]
async fn every_operation_in_as_few_requests_as_can_be() {
    let served = serve();
    const OWNERSHIP: &str = "/checkpoints/ns.servicebus.windows.net/hub/%24default/ownership/0";
    const CHECKPOINT: &str = "/checkpoints/ns.servicebus.windows.net/hub/%24default/checkpoint/0";

    let claimed = served.store.claim_ownership(&[ownership("0", "a")]).await;
    assert_eq!(served.requests(), [format!("PUT {OWNERSHIP}")]);
    served.loopback.clear();

    let renewed = served.store.claim_ownership(&claimed.into_claimed()).await;
    assert!(renewed.all_claimed());
    assert_eq!(served.requests(), [format!("PUT {OWNERSHIP}?comp=metadata")]);
    served.loopback.clear();

    served.store.update_checkpoint(&checkpoint("0", "1", 1)).await.unwrap();
    let first = [format!("PUT {CHECKPOINT}?comp=metadata"), format!("PUT {CHECKPOINT}")];
    assert_eq!(served.requests(), first);
    served.loopback.clear();

    served.store.update_checkpoint(&checkpoint("0", "2", 2)).await.unwrap();
    assert_eq!(served.requests(), first[..1]);
    served.loopback.clear();

    served.store.get_checkpoint(&group(), "0").await.unwrap();
    assert_eq!(served.requests(), [format!("HEAD {CHECKPOINT}")]);
    served.loopback.clear();

    served.store.list_checkpoints(&group()).await.unwrap();
    assert_eq!(
        served.requests(),
        [
            "GET /checkpoints?restype=container&comp=list&prefix=ns.servicebus.windows.net%2Fhub%2F%24default%2Fcheckpoint%2F&include=metadata"
        ]
    );
    served.loopback.clear();

    served.store.delete_checkpoint(&group(), "0").await.unwrap();
    assert_eq!(served.requests(), [format!("DELETE {CHECKPOINT}")]);
    assert_eq!(served.service.blobs().len(), 1);
    assert_eq!(served.loopback.connections(), 1, "a sequential caller needs one connection");
}
