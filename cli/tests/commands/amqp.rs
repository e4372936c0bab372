//! The numbers and the events of a hub over AMQP, from the double of Event Hubs.

use std::time::Duration;

use eventhub_checkpoints::exit::Exit;
use eventhubs_double::{Config, EventHubsDouble};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::bed::{Bed, GROUP, TARGET};

const STRING: &str = "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=c2VjcmV0";

struct Hub {
    double: EventHubsDouble,
    // Ends after the double.
    _runtime: Runtime,
}

/// Two partitions, of which the first has a hundred events.
fn hub() -> Hub {
    let runtime = Runtime::new().unwrap();
    let double = runtime.block_on(EventHubsDouble::start(Config::new("telemetry", 2))).unwrap();
    double.fill("0", (0..100).map(|number| format!("event {number}")));
    Hub { double, _runtime: runtime }
}

fn line(hub: &Hub, command: &str) -> String {
    format!("{command} --hub-endpoint {} --timeout 20s", hub.double.endpoint())
}

#[test]
fn lag_asks_the_hub_and_opens_no_receiver() {
    let (bed, hub) = (Bed::new().with_real_hub(), hub());
    bed.checkpoint("0", 39, 30);
    let ran = bed.run(&line(&hub, &format!("lag {TARGET} -o json"))).ends(Exit::Done);
    let rows = ran.rows("partitions");
    assert_eq!((&rows[0]["lag"], &rows[0]["first_sequence_number"]), (&json!(60), &json!(0)));
    assert_eq!(rows[0]["last_offset"], json!(hub.double.offset("0", 99)));
    assert_eq!((&rows[1]["status"], &rows[1]["lag"]), (&json!("empty"), &json!(0)));
    assert_eq!(hub.double.counters().opened_links, 0);
}

/// Several requests are on their way at a time, on one connection, and none is made twice.
#[test]
fn a_hub_of_many_partitions_is_asked_with_several_requests_at_a_time() {
    const PARTITIONS: usize = 60;
    let runtime = Runtime::new().unwrap();
    let config = Config::new("telemetry", PARTITIONS).settle_delay(Duration::from_millis(50));
    let double = runtime.block_on(EventHubsDouble::start(config)).unwrap();
    let (bed, hub) = (Bed::new().with_real_hub(), Hub { double, _runtime: runtime });
    bed.checkpoint("0", 39, 30);
    let ran = bed.run(&line(&hub, &format!("lag {TARGET} -o json"))).ends(Exit::Done);
    assert_eq!(ran.rows("partitions").len(), PARTITIONS);
    let counters = hub.double.counters();
    let (connections, requests) = (counters.connections, counters.management_requests);
    assert_eq!((connections, requests), (1, PARTITIONS as u64 + 1));
    assert!((2..=8).contains(&counters.most_management_requests), "{counters:?}");
}

#[test]
fn a_reset_into_the_middle_stores_the_offset_of_the_event_before() {
    let (bed, hub) = (Bed::new().with_real_hub(), hub());
    bed.checkpoint("0", 99, 3_600);
    let goal = format!(
        "reset {TARGET} --to-sequence 70 --via-group tools -p 0 --execute --yes --backup {{b.jsonl}}"
    );
    bed.run(&line(&hub, &goal)).ends(Exit::Done).says("replay 30 events");
    assert_eq!(bed.stored("0"), Some((hub.double.offset("0", 69).unwrap(), "69".to_owned())));
    let latest = format!("reset {TARGET} --to-latest -p 0 --execute --yes --backup {{c.jsonl}}");
    bed.run(&line(&hub, &latest)).ends(Exit::Done);
    assert_eq!(bed.stored("0"), Some((hub.double.offset("0", 99).unwrap(), "99".to_owned())));
}

/// The missing part of a position is that of its event; of an offset that no event has, the next event decides.
#[test]
fn positions_in_between_are_completed_from_their_events() {
    let (bed, hub) = (Bed::new().with_real_hub(), hub());
    hub.double.fill("1", (0..100).map(|number| format!("event {number}")));
    let offset = hub.double.offset("1", 42).unwrap();
    let store = |id: &str, offset: &str, number: &str| {
        let metadata = [("offset", offset), ("sequencenumber", number)];
        bed.blob(&format!("{GROUP}/checkpoint/{id}"), &metadata, 30);
    };
    store("0", "", "69");
    store("1", &offset, "");
    let goal = format!("reset {TARGET} --to-current --via-group tools --execute --yes --backup");
    bed.run(&line(&hub, &format!("{goal} {{b.jsonl}}"))).ends(Exit::Done).says("Changed: 0-1");
    assert_eq!(bed.stored("0"), Some((hub.double.offset("0", 69).unwrap(), "69".to_owned())));
    assert_eq!(bed.stored("1"), Some((offset.clone(), "42".to_owned())));
    let between = (offset.parse::<i64>().unwrap() + 1).to_string();
    store("1", &between, "");
    bed.run(&line(&hub, &format!("{goal} {{c.jsonl}}"))).ends(Exit::Done).says("Changed: 1");
    assert_eq!(bed.stored("1"), Some((between, "42".to_owned())));
}

#[test]
fn a_reset_by_time_reads_the_first_event_of_that_time() {
    let (bed, hub) = (Bed::new().with_real_hub(), hub());
    let events = |from: i64| (from..from + 10).map(|number| format!("event {number}"));
    hub.double.fill_aged("1", Duration::from_secs(3_600), events(0));
    hub.double.fill("1", events(10));
    bed.checkpoint("1", 19, 3_600);
    for (goal, number) in [("30m", 9), ("2h", -1)] {
        let backup = format!("--backup {{{goal}.jsonl}}");
        let goal = format!("reset {TARGET} --by-duration {goal} --via-group tools -p 1");
        bed.run(&line(&hub, &format!("{goal} --execute --yes {backup}"))).ends(Exit::Done);
        let offset = hub.double.offset("1", number).unwrap_or_else(|| "-1".to_owned());
        assert_eq!(bed.stored("1"), Some((offset, number.to_string())), "{goal}");
    }
}

#[test]
fn a_missing_hub_is_a_failure_with_a_hint() {
    let bed = Bed::new().with_real_hub();
    bed.checkpoint("0", 39, 30);
    let port = crate::support::loopback::Loopback::refusing_port();
    let away = format!("lag {TARGET} --hub-endpoint amqp://127.0.0.1:{port} --timeout 2s");
    bed.run(&away).ends(Exit::Failed).says("--no-hub");
    bed.run(&line(&hub(), "lag contoso/other")).ends(Exit::Failed);
    bed.run(&line(&hub(), "lag fabrikam/telemetry"))
        .ends(Exit::Usage)
        .says("is for contoso.servicebus.windows.net");
}

#[test]
fn without_a_secret_the_hub_is_not_asked() {
    let mut bed = Bed::new().with_real_hub();
    bed.checkpoint("0", 39, 30);
    bed.set_var("EVENTHUBS_CONNECTION_STRING", "");
    bed.run(&format!("lag {TARGET}"))
        .ends(Exit::Usage)
        .says("EVENTHUBS_CONNECTION_STRING")
        .says("--no-hub");
    bed.run(&format!("lag {TARGET} --no-hub")).ends(Exit::Done);
    // The other spelling of the variable.
    bed.set_var("EVENTHUB_CONNECTION_STRING", STRING);
    bed.run(&line(&hub(), &format!("lag {TARGET}"))).ends(Exit::Done);
    bed.set_var("EVENTHUB_CONNECTION_STRING", "");
    // A reset to a given position needs no hub.
    let line = format!("reset {TARGET} --to-offset 7 --sequence-number 7");
    bed.run(&line).ends(Exit::Done).says("replay 32 events");
}
