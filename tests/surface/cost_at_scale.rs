//! The requests of consumers per hour, counted over the double of the Blob service, and compared with the page.
//!
//! The time is a script's, so an hour passes in a moment.

mod fleet;
mod page;
mod traffic;

use std::time::Duration;

use super::{maybe_async, test};

use fleet::Fleet;
use page::{CALLS, Measured, PAGE, faults};

/// Counts what the page's numbers are made of.
#[maybe_async]
async fn measure() -> Measured {
    let mut rounds = Vec::new();
    for (partitions, consumers) in page::FLEETS {
        let fleet = Fleet::new(partitions, consumers);
        let consumer = fleet.consumer(0, Duration::from_secs(15));
        let owned = fleet.round(&consumer).await;
        assert_eq!(owned, partitions / consumers, "everybody has the share, and nothing is stolen");
        fleet.take_traffic();
        fleet.round(&consumer).await;
        rounds.push(fleet.take_traffic());
    }
    let mut calls = Vec::new();
    for call in CALLS {
        let fleet = Fleet::new(1000, 1);
        fleet.make(call).await;
        calls.push(fleet.take_traffic());
    }
    Measured { calls, rounds }
}

#[maybe_async]
#[test]
async fn the_page_says_what_was_counted() {
    let measured = measure().await;
    let wrong = faults(PAGE, &measured);
    assert!(wrong.is_empty(), "the page says otherwise:\n{}", wrong.join("\n"));

    // A wrong number must not pass, wherever it stands.
    for (right, wrong) in page::MISTAKES {
        assert_eq!(PAGE.matches(right).count(), 1, "{right}");
        assert_eq!(faults(&PAGE.replace(right, wrong), &measured).len(), 1, "{right} → {wrong}");
    }
}

/// The page multiplies; here an hour is lived through.
#[maybe_async]
#[test]
async fn an_hour_costs_what_the_page_says() {
    // What the managers draw, too: they live on this thread.
    fastrand::seed(6);
    let (partitions, consumers) = page::FLEETS[0];
    let fleet = Fleet::new(partitions, consumers);
    let lived = fleet.live_through_an_hour(consumers, Duration::from_secs(15), 10).await;
    for (what, lived, said) in page::totals(PAGE, partitions, "every 10 s", 15, &lived) {
        assert!(
            (lived / said - 1.0).abs() < 0.02,
            "{what}: {lived} in the hour, {said} on the page"
        );
    }
}
