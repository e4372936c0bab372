//! The requests of each operation: how many, in which order, and their exact bytes.

use super::shared_key::is_signed;
use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::BlobService;
use super::support::loopback::{Loopback, Recorded};
use super::{IS_BLOCKING, checkpoint, group, maybe_async, ownership, test};

struct Served {
    service: BlobService,
    loopback: Loopback,
    store: BlobCheckpointStore,
}

fn serve() -> Served {
    let service = BlobService::new("checkpoints")
        .with_authorizer(|request| is_signed(request, "acct", "c2VjcmV0"));
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

/// The lines of a head, sorted; what is new for every request is replaced by its form.
fn lines(request: &Recorded, loopback: &Loopback) -> Vec<String> {
    let head = String::from_utf8(request.raw_head.clone()).unwrap();
    let mut lines: Vec<_> =
        head.trim_end().split("\r\n").map(|line| mask(line, loopback)).collect();
    lines[1..].sort();
    // reqwest cannot be kept from sending it.
    lines.retain(|line| IS_BLOCKING || line != "accept: */*");
    lines
}

fn mask(line: &str, loopback: &Loopback) -> String {
    let Some((name, value)) = line.split_once(": ") else {
        return line.to_owned();
    };
    let name = name.to_ascii_lowercase();
    let form = match name.as_str() {
        "authorization" if value.starts_with("SharedKey acct:") => "<signature>",
        "x-ms-date" if httpdate::parse_http_date(value).is_ok() => "<date>",
        "x-ms-client-request-id" if value.len() == 36 && &value[14..15] == "4" => "<uuid>",
        "host" if value == loopback.address().to_string() => "<host>",
        "user-agent" if value.starts_with("eventhub-checkpointstore/") => "<user agent>",
        "if-match" if value.starts_with("\"0x") && value.ends_with('"') => "<etag>",
        _ => value,
    };
    format!("{name}: {form}")
}

const COMMON: [&str; 6] = [
    "authorization: <signature>",
    "host: <host>",
    "user-agent: <user agent>",
    "x-ms-client-request-id: <uuid>",
    "x-ms-date: <date>",
    "x-ms-version: 2019-07-07",
];

fn expect(served: &Served, expected: &[(&str, &[&str])]) {
    let requests = served.loopback.requests();
    let sent: Vec<_> = requests.iter().map(|request| lines(request, &served.loopback)).collect();
    let expected: Vec<Vec<String>> = expected
        .iter()
        .map(|(first, own)| {
            let mut lines: Vec<_> =
                COMMON.iter().chain(*own).map(|line| (*line).to_owned()).collect();
            lines.sort();
            lines.insert(0, format!("{first} HTTP/1.1"));
            lines
        })
        .collect();
    assert_eq!(sent, expected);
    for request in &requests {
        assert!(request.body.is_empty() && !request.is_chunked(), "{}", request.method);
        assert!(request.raw_head.ends_with(b"\r\n\r\n"));
    }
    assert_eq!(served.loopback.protocol_errors(), [""; 0]);
    served.loopback.clear();
}

#[maybe_async]
#[test]
async fn the_bytes_of_every_request() {
    let served = serve();
    let store = &served.store;
    const ROOT: &str = "/checkpoints/ns.servicebus.windows.net/hub/%24default";
    let put_ownership = format!("PUT {ROOT}/ownership/0");
    let set_ownership = format!("PUT {ROOT}/ownership/0?comp=metadata");
    let set_checkpoint = format!("PUT {ROOT}/checkpoint/0?comp=metadata");
    let put_checkpoint = format!("PUT {ROOT}/checkpoint/0");
    const NEW_BLOB: [&str; 3] = [
        "content-length: 0",
        "content-type: application/octet-stream",
        "x-ms-blob-type: BlockBlob",
    ];

    let claimed = store.claim_ownership(&[ownership("0", "me; 1=2")]).await.into_claimed();
    let own = [&NEW_BLOB[..], &["if-none-match: *", "x-ms-meta-ownerid: me; 1=2"]].concat();
    expect(&served, &[(&put_ownership, &own)]);

    let claimed = store.claim_ownership(&claimed).await.into_claimed();
    let own = ["content-length: 0", "if-match: <etag>", "x-ms-meta-ownerid: me; 1=2"];
    expect(&served, &[(&set_ownership, &own)]);

    let released = store.relinquish_ownership(&claimed).await;
    assert!(released.all_released());
    let own = ["content-length: 0", "if-match: <etag>", "x-ms-meta-ownerid: "];
    expect(&served, &[(&set_ownership, &own)]);

    store.update_checkpoint(&checkpoint("0", "2:-1:-1", -7)).await.unwrap();
    let position = ["x-ms-meta-offset: 2:-1:-1", "x-ms-meta-sequencenumber: -7"];
    let set = [&["content-length: 0"], &position[..]].concat();
    let put = [&NEW_BLOB[..], &position[..]].concat();
    expect(&served, &[(&set_checkpoint, &set), (&put_checkpoint, &put)]);

    store.get_checkpoint(&group(), "0").await.unwrap();
    expect(&served, &[(&format!("HEAD {ROOT}/checkpoint/0"), &[])]);

    store.list_ownership(&group()).await.unwrap();
    let prefix = "ns.servicebus.windows.net%2Fhub%2F%24default%2Fownership%2F";
    let list =
        format!("GET /checkpoints?restype=container&comp=list&prefix={prefix}&include=metadata");
    expect(&served, &[(&list, &[])]);

    store.delete_checkpoint(&group(), "0").await.unwrap();
    expect(&served, &[(&format!("DELETE {ROOT}/checkpoint/0"), &[])]);

    store.create_container_if_not_exists().await.unwrap();
    expect(&served, &[("PUT /checkpoints?restype=container", &["content-length: 0"])]);
}

#[maybe_async]
#[test]
async fn names_that_need_encoding_are_signed_as_they_are_sent() {
    let served = serve();
    let group =
        eventhub_checkpointstore::ConsumerGroup::new("n:5671", "h ü%2F", "~a+b&c=d?").unwrap();
    let ownership =
        eventhub_checkpointstore::PartitionOwnership::new(&group, "p #'()*!", "me").unwrap();
    let claims = served.store.claim_ownership(&[ownership]).await;
    assert!(claims.all_claimed(), "{claims:?}");
    let names: Vec<_> = served.service.blobs().into_keys().collect();
    assert_eq!(names, ["n:5671/h ü%2f/~a+b&c=d?/ownership/p #'()*!"]);
    let listing = served.store.list_ownership(&group).await.unwrap();
    assert_eq!(listing.items()[0].partition_id(), "p #'()*!");
}
