//! Every operation under every fault: a failed read is never "nothing there", a failed write is never "done".
//!
//! Each row is printed; see it with `--nocapture`.

use std::time::Duration;

use eventhub_checkpointstore::{ClaimOutcome, Claims, ErrorKind, PartitionOwnership, RetryOptions};

use super::fault_rows::{LIST_ROWS, ROWS, Row};
use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::{BlobService, Fault};
use super::support::loopback::{Loopback, Recorded};
use super::support::report;
use super::{IS_BLOCKING, at_once, checkpoint, group, maybe_async, ownership, test};

const ROOT: &str = "ns.servicebus.windows.net/hub/$default";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    ListOwnership,
    ListCheckpoints,
    GetCheckpoint,
    FirstClaim,
    Renewal,
    Takeover,
    Relinquish,
    FirstCheckpoint,
    Checkpoint,
    DeleteCheckpoint,
    CreateContainer,
}

use Operation::{
    Checkpoint, CreateContainer, DeleteCheckpoint, FirstCheckpoint, FirstClaim, GetCheckpoint,
    ListCheckpoints, ListOwnership, Relinquish, Renewal, Takeover,
};

const OPERATIONS: [Operation; 11] = [
    ListOwnership,
    ListCheckpoints,
    GetCheckpoint,
    FirstClaim,
    Renewal,
    Takeover,
    Relinquish,
    FirstCheckpoint,
    Checkpoint,
    DeleteCheckpoint,
    CreateContainer,
];

impl Operation {
    fn is_read(self) -> bool {
        matches!(self, ListOwnership | ListCheckpoints | GetCheckpoint)
    }

    fn is_list(self) -> bool {
        matches!(self, ListOwnership | ListCheckpoints)
    }
}

/// What a caller is told.
#[derive(Debug, PartialEq)]
enum Told {
    /// What a correct service would have answered.
    Right,
    /// An empty list, no checkpoint, a lost claim, or another success than the right one.
    Wrong(String),
    Failed(ErrorKind, bool),
}

fn of_claims(claims: &Claims) -> Told {
    match &claims.outcomes()[0] {
        ClaimOutcome::Claimed(_) => Told::Right,
        ClaimOutcome::Failed(_, error) => Told::Failed(error.kind(), error.is_outcome_unknown()),
        other => Told::Wrong(format!("{other:?}")),
    }
}

fn of_result<T: std::fmt::Debug>(
    result: eventhub_checkpointstore::Result<T>,
    is_right: impl Fn(&T) -> bool,
) -> Told {
    match result {
        Ok(value) if is_right(&value) => Told::Right,
        Ok(value) => Told::Wrong(format!("{value:?}")),
        Err(error) => Told::Failed(error.kind(), error.is_outcome_unknown()),
    }
}

/// What is stored before: two ownerships of `a` and `b`, two checkpoints.
fn service() -> BlobService {
    let service = BlobService::new("checkpoints");
    for (id, owner) in [("0", "a"), ("1", "b")] {
        service.put(&format!("{ROOT}/ownership/{id}"), &[("ownerid", owner)]);
        let position = [("offset", id), ("sequencenumber", id)];
        service.put(&format!("{ROOT}/checkpoint/{id}"), &position);
    }
    service
}

fn stored(service: &BlobService, id: &str) -> PartitionOwnership {
    let etag = service.blob(&format!("{ROOT}/ownership/{id}")).unwrap().etag;
    ownership(id, "a").with_etag(eventhub_checkpointstore::ETag::new(etag).unwrap())
}

#[maybe_async]
async fn carry_out(store: &BlobCheckpointStore, service: &BlobService, what: Operation) -> Told {
    match what {
        ListOwnership => {
            let listing = store.list_ownership(&group()).await;
            of_result(listing, |listing| listing.len() == 2 && listing.skipped().is_empty())
        }
        ListCheckpoints => {
            let listing = store.list_checkpoints(&group()).await;
            of_result(listing, |listing| listing.len() == 2 && listing.skipped().is_empty())
        }
        GetCheckpoint => {
            let found = store.get_checkpoint(&group(), "1").await;
            of_result(found, |found| found.as_ref().is_some_and(|it| it.offset() == Some("1")))
        }
        FirstClaim => {
            let claims = store.claim_ownership(&[ownership("2", "a")]).await;
            of_claims(&claims)
        }
        Renewal => {
            let claims = store.claim_ownership(&[stored(service, "0")]).await;
            of_claims(&claims)
        }
        Takeover => {
            let claims = store.claim_ownership(&[stored(service, "1")]).await;
            of_claims(&claims)
        }
        Relinquish => {
            let claims = store.relinquish_ownership(&[stored(service, "0")]).await;
            of_claims(&claims)
        }
        FirstCheckpoint => {
            let update = store.update_checkpoint(&checkpoint("2", "7", 7)).await;
            of_result(update, |update| update.is_written())
        }
        Checkpoint => {
            let update = store.update_checkpoint(&checkpoint("0", "7", 7)).await;
            of_result(update, |update| update.is_written())
        }
        DeleteCheckpoint => {
            let deleted = store.delete_checkpoint(&group(), "0").await;
            of_result(deleted, |deleted| *deleted)
        }
        CreateContainer => {
            let created = store.create_container_if_not_exists().await;
            // The container is there; one that is created by the fault's own request counts, too.
            of_result(created, |_| true)
        }
    }
}

fn connect(loopback: &Loopback) -> BlobCheckpointStore {
    let quick = RetryOptions::default()
        .with_max_retries(2)
        .with_base_delay(Duration::from_millis(1))
        .unwrap();
    BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
        .retry(quick)
        .attempt_timeout(Duration::from_millis(900))
        .build()
        .unwrap()
}

/// What the caller is told when every request, or only the first one, meets the fault.
#[maybe_async]
async fn told(row: &Row, what: Operation, for_ever: bool) -> Told {
    let service = service();
    if what == CreateContainer {
        // Nothing is in the way of creating it.
        service.put("unused", &[]);
    }
    let (fault, mut met) = (row.fault, false);
    let choose = move |_: &Recorded| {
        let first = !std::mem::replace(&mut met, true);
        if first || for_ever { fault() } else { Fault::None }
    };
    let loopback = service.serve();
    service.inject(choose);
    let store = connect(&loopback);
    let before = service.history().len();
    let told = carry_out(&store, &service, what).await;
    // Whatever is said: what was not said to be doubtful or done was not done.
    if let Told::Failed(_, false) = told {
        assert_eq!(service.history().len(), before, "{} × {what:?}: it was written", row.name);
    }
    told
}

#[maybe_async]
#[test]
async fn each_operation_under_each_fault() {
    let surface = if IS_BLOCKING { "blocking" } else { "async" };
    let mut table = String::new();
    let mut wrong = Vec::new();
    let all = OPERATIONS.iter().flat_map(|what| ROWS.iter().map(move |row| (*what, row)));
    let lists = OPERATIONS.iter().filter(|what| what.is_list());
    let lists = lists.flat_map(|what| LIST_ROWS.iter().map(move |row| (*what, row)));
    let (waiting, others): (Vec<_>, Vec<_>) =
        all.chain(lists).partition(|(_, row)| row.kinds.contains(&ErrorKind::Timeout));
    let mut results = Vec::new();
    // Those that wait for nothing do so together.
    for some in std::iter::once(&waiting[..]).chain(others.chunks(12)) {
        let done = at_once(some.to_vec(), |(what, row)| async move {
            let for_ever = told(row, what, true).await;
            let once = told(row, what, false).await;
            (what, row, for_ever, once)
        });
        results.extend(done.await);
    }
    for (what, row, for_ever, once) in results {
        let doubt = row.doubtful && !what.is_read();
        let is_expected = |told: &Told| match told {
            Told::Failed(kind, unknown) => row.kinds.contains(kind) && *unknown == doubt,
            _ => false,
        };
        let once_is_expected = if row.passes { once == Told::Right } else { is_expected(&once) };
        let green = is_expected(&for_ever) && once_is_expected;
        let line = format!(
            "{} | {surface} | {what:?} | {} | for ever: {for_ever:?} | once: {once:?}\n",
            if green { "ok" } else { "WRONG" },
            row.name
        );
        table.push_str(&line);
        if !green {
            wrong.push(line);
        }
    }
    report::show(&format!("{table}{} rows", table.lines().count()));
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
