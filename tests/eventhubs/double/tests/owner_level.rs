//! Owner levels: who takes a partition from whom, as the official client sees it.

mod support;

use azure_messaging_eventhubs::error::ErrorKind;
use azure_messaging_eventhubs::models::ReceivedEventData;
use azure_messaging_eventhubs::{EventHubsError, StartLocation};
use futures::{Stream, StreamExt};
use support::{PATIENCE, client, client_of, eventually, from, owner, start};

async fn next(
    events: &mut (impl Stream<Item = Result<ReceivedEventData, EventHubsError>> + Unpin),
) -> Result<ReceivedEventData, EventHubsError> {
    let event = tokio::time::timeout(PATIENCE, events.next()).await;
    event.expect("an event in time").expect("an open stream")
}

fn is_stolen(outcome: &Result<ReceivedEventData, EventHubsError>) -> bool {
    matches!(outcome, Err(error) if matches!(error.kind, ErrorKind::ConsumerDisconnected(Some(_))))
}

#[tokio::test]
async fn a_second_owner_of_the_same_level_ends_the_stream_of_the_first() {
    let double = start(1).await;
    double.fill("0", ["a", "b"]);
    let (one, two) = (client(&double).await, client(&double).await);
    let (first, second) = (owner(&one, 0).await, owner(&two, 0).await);

    let mut events = first.stream_events();
    assert!(next(&mut events).await.is_ok() && next(&mut events).await.is_ok());
    assert_eq!(double.receivers().len(), 1);
    assert_eq!(double.receivers()[0].owner_level, Some(0));
    let first_link = double.receivers()[0].link_name.clone();

    let mut taken_over = second.stream_events();
    let (stolen, event) = futures::join!(next(&mut events), next(&mut taken_over));
    assert!(is_stolen(&stolen), "{stolen:?}");
    assert_eq!(event.expect("an event").sequence_number(), Some(0));
    assert!(events.next().await.is_none(), "the stream ends after the error");

    let receivers = double.receivers();
    assert_eq!(receivers.len(), 1);
    assert_ne!(receivers[0].link_name, first_link);
    assert_eq!((double.counters().opened_links, double.counters().stolen_links), (2, 1));
}

#[tokio::test]
async fn a_lower_owner_is_refused_and_the_higher_one_stays() {
    let double = start(1).await;
    double.append("0", "a");
    let (one, two) = (client(&double).await, client(&double).await);
    let (high, low) = (owner(&one, 5).await, owner(&two, 4).await);

    let mut events = high.stream_events();
    assert!(next(&mut events).await.is_ok());
    let refused = next(&mut low.stream_events()).await;
    assert!(is_stolen(&refused), "{refused:?}");

    double.append("0", "b");
    assert_eq!(next(&mut events).await.expect("an event").sequence_number(), Some(1));
    assert_eq!((double.counters().refused_links, double.counters().stolen_links), (1, 0));
}

#[tokio::test]
async fn groups_and_receivers_without_a_level_do_not_compete() {
    let double = start(1).await;
    double.append("0", "a");
    let (one, two) = (client_of(&double, support::HUB, "one").await, client(&double).await);
    let owning = owner(&one, 0).await;
    let mut owned = owning.stream_events();
    assert!(next(&mut owned).await.is_ok());

    let shared = async || {
        let options = from(StartLocation::Earliest, false);
        two.open_receiver_on_partition("0".to_string(), options).await.expect("a receiver")
    };
    let receiver = shared().await;
    assert!(next(&mut receiver.stream_events()).await.is_ok());
    assert_eq!(double.receivers().len(), 2);
    assert_eq!(double.counters().stolen_links, 0);

    receiver.close().await.expect("the link closes");
    eventually("the seat is given back", || double.receivers().len() == 1).await;
}
