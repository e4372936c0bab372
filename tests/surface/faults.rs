//! Every operation under every fault: a failed read is never "nothing there", a failed write is never "done", and what
//! is said to be done is what is stored.
//!
//! Each row is printed.

use std::time::{Duration, Instant};

use eventhub_checkpointstore::{ErrorKind, RetryOptions};

use super::fault_operations::{Operation, Told, carry_out, found_by};
use super::fault_rows::{LIST_ROWS, ROWS, Row};
use super::subject::{BlobCheckpointStore, Credential};
use super::support::blob_service::Fault;
use super::support::loopback::{Loopback, Recorded};
use super::support::report;
use super::{IS_BLOCKING, at_once, group, maybe_async, test};

/// No call may take longer, whatever happens: its deadline.
const LIMIT: Duration = Duration::from_secs(20);

/// One line of the table.
#[derive(Clone, Copy)]
struct Case {
    what: Operation,
    row: &'static Row,
    /// The fault spares the requests that read.
    on_writes: bool,
    tls: bool,
}

impl Case {
    fn all(tls: bool) -> Vec<Self> {
        let mut cases = Vec::new();
        for &what in Operation::ALL {
            let mut add = |rows: &'static [Row], on_writes| {
                cases.extend(rows.iter().map(|row| Self { what, row, on_writes, tls }));
            };
            add(ROWS, false);
            if what.begins_with_a_list() {
                add(LIST_ROWS, false);
            }
            if what.begins_with_a_read() && !what.is_read() {
                add(ROWS, true);
            }
        }
        cases
    }

    fn waits(&self) -> bool {
        self.row.kinds.contains(&ErrorKind::Timeout)
    }

    /// Whether the first request that meets the fault is a write.
    fn meets_a_write(&self) -> bool {
        self.on_writes || !self.what.begins_with_a_read()
    }

    fn is_expected(&self, told: &Told) -> bool {
        let expected = self.row.unknown && self.meets_a_write();
        match told {
            Told::Failed(kind, unknown) => self.row.kinds.contains(kind) && *unknown == expected,
            _ => false,
        }
    }

    fn name(&self) -> String {
        let writes = if self.on_writes { ", its write" } else { "" };
        let tls = if self.tls { " over TLS" } else { "" };
        format!("{:?}{writes}{tls} | {}", self.what, self.row.name)
    }
}

fn connect(loopback: &Loopback, case: &Case) -> BlobCheckpointStore {
    // Rows that do not wait for the limit must not meet it on a busy machine.
    let attempt_timeout = Duration::from_millis(if case.waits() { 900 } else { 5_000 });
    let quick = RetryOptions::default()
        .with_max_retries(2)
        .with_base_delay(Duration::from_millis(1))
        .unwrap();
    let builder = BlobCheckpointStore::builder(&loopback.url(), "checkpoints")
        .credential(Credential::account_key("acct", "c2VjcmV0").unwrap())
        .retry(quick)
        .attempt_timeout(attempt_timeout);
    let builder = if case.tls { builder.root_certificates(loopback.ca_pem()) } else { builder };
    builder.build().unwrap()
}

/// The result that the caller gets when every request, or only the first one, meets the fault.
#[maybe_async]
async fn told(case: &Case, for_ever: bool) -> Told {
    let service = found_by(case.what);
    let loopback = if case.tls { Loopback::start_tls(service.handler()) } else { service.serve() };
    let store = connect(&loopback, case);
    let fenced = store.fenced();
    if case.what == Operation::FencedNext {
        fenced.get_checkpoint(&group(), "0").await.unwrap();
    }
    let (fault, on_writes, mut met) = (case.row.fault, case.on_writes, false);
    service.inject(move |request: &Recorded| {
        let spared = on_writes && matches!(request.method.as_str(), "GET" | "HEAD");
        if spared || (met && !for_ever) {
            return Fault::None;
        }
        met = true;
        fault()
    });
    let before = service.history().len();
    let began = Instant::now();
    let told = carry_out((&store, &fenced), &service, case.what).await;
    assert!(began.elapsed() < LIMIT, "{}: {:?}", case.name(), began.elapsed());
    // Whatever is said: what was said to be neither unknown nor done was not done.
    if let Told::Failed(_, false) = told {
        assert_eq!(service.history().len(), before, "{}: it was written", case.name());
    }
    told
}

#[maybe_async]
async fn fill_table(tls: bool) {
    let surface = if IS_BLOCKING { "blocking" } else { "async" };
    let mut table = String::new();
    let mut wrong = Vec::new();
    let (waiting, others): (Vec<_>, Vec<_>) = Case::all(tls).into_iter().partition(Case::waits);
    let mut results = Vec::new();
    // Those that wait for a limit do so together.
    for some in std::iter::once(&waiting[..]).chain(others.chunks(12)) {
        let done = at_once(some.to_vec(), |case| async move {
            let for_ever = told(&case, true).await;
            let once = told(&case, false).await;
            (case, for_ever, once)
        });
        results.extend(done.await);
    }
    for (case, for_ever, once) in results {
        let passes = if case.row.passes { once == Told::Right } else { case.is_expected(&once) };
        let green = case.is_expected(&for_ever) && passes;
        let line = format!(
            "{} | {surface} | {} | for ever: {for_ever:?} | once: {once:?}\n",
            if green { "ok" } else { "WRONG" },
            case.name()
        );
        table.push_str(&line);
        if !green {
            wrong.push(line);
        }
    }
    report::show(&format!("{table}{} rows", table.lines().count()));
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[maybe_async]
#[test]
async fn each_operation_under_each_fault() {
    fill_table(false).await;
}

#[maybe_async]
#[test]
async fn each_operation_under_each_fault_over_tls() {
    fill_table(true).await;
}
