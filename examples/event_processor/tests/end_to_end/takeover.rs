//! Two processors, one of which dies; a late third one that steals; foreign checkpoints.

use std::rc::Rc;
use std::time::{Duration, Instant};

use eventhub_checkpointstore::{ConsumerGroup, NameCase};
use eventhubs_double::OffsetStyle;
use serde_json::json;
use tokio::task::LocalSet;

use crate::fixture::{
    EVENTS_EACH, Fixture, LOWER, Names, ONCE, PARTITIONS, Rhythm, eventually, warnings,
};
use crate::ledger::{Ledger, spawn};
use crate::support::azurite::Azurite;
use crate::support::counterpart::{Counterpart, Kind};
use crate::support::report;

const UPPER: Names =
    Names { namespace: "DOUBLE.servicebus.windows.net", hub: "TELEMETRY", group: "$Default" };

/// Runs one after another and never beside the others: several official clients on one core time each other out.
fn alone(test: impl Future<Output = ()>) {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn show_figures(what: &str, fixture: &Fixture, ledger: &Ledger, losses: usize) {
    let stolen = fixture.double.counters().stolen_links as usize;
    let takeovers = ledger.starts.borrow().len() - PARTITIONS;
    report::show(&format!(
        "{what}: {} events, {takeovers} takeovers in the middle of a partition, {stolen} links stolen, {} duplicates, {losses} losses",
        ledger.distinct(),
        ledger.duplicates(),
    ));
}

/// One of two dies in the middle; `before` tells the sequence number that a partition begins at.
async fn one_of_two_dies(what: &str, fixture: Fixture, before: &dyn Fn(&str) -> i64) {
    let (fixture, ledger) = (Rc::new(fixture), Rc::new(Ledger::default()));
    // Long enough for all that happens while both are alive.
    let expiry = Duration::from_secs(15);
    let rhythm = Rhythm { interval: Duration::from_millis(500), expiry };
    let dying = spawn("dying", fixture.processor("dying", ONCE).await, &fixture, &ledger);
    eventually("the first one has all", || fixture.double.receivers().len() == PARTITIONS).await;
    let living = spawn("living", fixture.processor("living", rhythm).await, &fixture, &ledger);
    let half = PARTITIONS / 2;
    eventually("the second one has half", || fixture.double.counters().stolen_links == half as u64)
        .await;
    assert_eq!((fixture.owned("dying").await, fixture.owned("living").await), (half, half));

    fixture.fill();
    eventually("some events are received", || ledger.total() > 1_000).await;
    // Its own next look is far away.
    fixture.renew("dying").await;
    let counters = || fixture.double.counters();
    assert_eq!(counters().opened_links as usize, PARTITIONS + half);
    assert_eq!(counters().stolen_links as usize, half);
    assert!(!dying.is_finished());
    dying.abort();
    let died = Instant::now();
    eventually("the rest is owned", || counters().opened_links as usize == 2 * PARTITIONS).await;
    let took = died.elapsed();
    // The records' times are whole seconds, rounded down.
    assert!(took > expiry - Duration::from_secs(2), "{took:?}");
    assert!(took < expiry + 10 * rhythm.interval, "{took:?}");
    eventually("the rest is received", || ledger.is_complete()).await;
    assert_eq!(fixture.owned("living").await, PARTITIONS);
    assert!(!living.is_finished());
    living.abort();

    let losses = ledger.losses(before);
    show_figures(&format!("{what} after {took:.1?}"), &fixture, &ledger, losses);
    ledger.assert_no_failures();
    assert_eq!(losses, 0);
    // At most 9 events after the checkpoint of each partition that was left behind.
    assert!(ledger.duplicates() <= 9 * PARTITIONS, "{} duplicates", ledger.duplicates());
    ledger.assert_starts_after_checkpoints();
    let resumed = ledger.starts.borrow().iter().filter(|start| start.processor == "living").count();
    assert_eq!(resumed, PARTITIONS);
    assert_eq!(warnings(), Vec::<String>::new());
}

#[test]
fn the_other_processor_takes_over_when_one_dies() {
    alone(async {
        let fixture = Fixture::start(LOWER, OffsetStyle::BytePosition).await;
        one_of_two_dies("takeover", fixture, &|_| 0).await;
    });
}

#[test]
fn names_in_upper_case_and_opaque_offsets_are_the_same_group() {
    alone(async {
        let fixture = Fixture::start(UPPER, OffsetStyle::GeoReplicated).await;
        // What Python, .NET, JavaScript and C++ would look under.
        let lower = ConsumerGroup::new(LOWER.namespace, LOWER.hub, "$default").unwrap();
        let lower_only = fixture.store_with(NameCase::AsGiven);
        one_of_two_dies("upper case", fixture, &|_| 0).await;
        assert_eq!(lower_only.list_ownership(&lower).await.unwrap().len(), PARTITIONS);
        assert_eq!(lower_only.list_checkpoints(&lower).await.unwrap().len(), PARTITIONS);
    });
}

#[test]
fn checkpoints_of_the_python_package_are_resumed_from() {
    alone(async {
        let fixture = Fixture::start(UPPER, OffsetStyle::BytePosition).await;
        let azurite = Azurite::shared();
        let mut python =
            Counterpart::start(Kind::PythonSync, &azurite.connection_string(), &fixture.container);
        for id in 0..PARTITIONS {
            let number = 100 * id as i64;
            fixture.fill_to(&id.to_string(), number + 1);
            python
                .update_checkpoint(&json!({
                    "fully_qualified_namespace": UPPER.namespace.to_lowercase(),
                    "eventhub_name": "telemetry",
                    "consumer_group": "$default",
                    "partition_id": id.to_string(),
                    "offset": fixture.double.offset(&id.to_string(), number).unwrap(),
                    "sequence_number": number,
                }))
                .unwrap();
        }
        one_of_two_dies("python's checkpoints", fixture, &|id| {
            100 * id.parse::<i64>().unwrap() + 1
        })
        .await;
    });
}

#[test]
fn a_late_third_processor_steals_and_the_losers_are_disconnected() {
    alone(async {
        let fixture = Rc::new(Fixture::start(LOWER, OffsetStyle::BytePosition).await);
        let ledger = Rc::new(Ledger::default());
        let rhythm = Rhythm { interval: Duration::from_millis(500), ..ONCE };
        let first = spawn("first", fixture.processor("first", ONCE).await, &fixture, &ledger);
        eventually("the first one has all", || fixture.double.receivers().len() == PARTITIONS)
            .await;
        // It takes its half at its first look, and looks no more.
        let second = spawn("second", fixture.processor("second", ONCE).await, &fixture, &ledger);
        let stolen = || fixture.double.counters().stolen_links as usize;
        eventually("the second one has half", || stolen() == PARTITIONS / 2).await;
        fixture.fill();
        eventually("some events are received", || ledger.total() > 1_000).await;

        let third = spawn("third", fixture.processor("third", rhythm).await, &fixture, &ledger);
        eventually("the rest is received", || ledger.is_complete()).await;
        let thirds = fixture.owned("third").await;
        // 8 over 3: two or three each.
        assert!((2..=3).contains(&thirds), "{thirds}");
        assert_eq!(*ledger.disconnected.borrow(), stolen());
        assert_eq!(stolen(), PARTITIONS / 2 + thirds);
        for running in [first, second, third] {
            assert!(!running.is_finished());
            running.abort();
        }

        let losses = ledger.losses(&|_| 0);
        show_figures("late third", &fixture, &ledger, losses);
        ledger.assert_no_failures();
        assert_eq!(losses, 0);
        assert_eq!(ledger.distinct(), PARTITIONS * EVENTS_EACH as usize);
        // A loser may still have written checkpoints of what it had received: the third one skips nothing by that.
        for start in ledger.starts.borrow().iter() {
            assert!(start.first <= start.checkpoint.map_or(0, |number| number + 1));
        }
        assert_eq!(warnings(), Vec::<String>::new());
    });
}
