//! Checks what this crate assumes of Event Hubs, on an event hub of yours. It only reads, in a consumer group that nobody else
//! uses, and sends nothing: let a partition have two events at least, and no producer at work.
//!
//! ```sh
//! export EVENT_HUB_CONN_STR='Endpoint=sb://…' EVENT_HUB_NAME='telemetry' CONSUMER_GROUP='checks'
//! cargo run --bin check_namespace
//! ```
//!
//! Optional are `EVENT_HUB_ENDPOINT` as for `receive`, `EVENT_HUB_WEBSOCKETS=1` for port 443, and `IDLE_MINUTES`: how long
//! links have nothing to do before they are used again; the service detaches idle ones after 10 to 30 minutes. What each
//! line proves is said in `CONTRIBUTING.md`.

use std::env;
use std::error::Error;
use std::time::{Duration, Instant};

use eventhub_checkpointstore::checkpointstoreblob::eventhubs::EventHub;
use eventhub_checkpointstore::checkpointstoreblob::{EventSource, PartitionReader};
use eventhub_checkpointstore::ownership::StartingPosition;
use eventhub_checkpointstore::processing::{
    OpenPartition, PartitionProperties, ReadEnd, ReceivedEvent,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// How long an event that is there may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result {
    let hub = connect()?;
    let properties = hub.properties()?;
    let partitions = properties.partition_ids;
    println!("ok: connection, token, management: {} with {partitions:?}", properties.name);

    let partition = with_events(&hub, &partitions)?;
    let id = partition.partition_id.as_str();
    let first_number = partition.beginning_sequence_number;
    let two = receive(&mut *hub.open(OpenPartition::new(id, StartingPosition::Earliest))?, 2)?;
    let (first, second) = (&two[0], &two[1]);
    expect(
        "the first event is the one that management names",
        first.sequence_number(),
        first_number,
    )?;
    expect("numbers rise by one", second.sequence_number(), first_number + 1)?;

    let offset = first.offset().ok_or("the event has no offset")?.to_owned();
    let time = first.enqueued_time();
    for (name, position, number) in [
        (
            "behind an offset",
            StartingPosition::Offset { offset: offset.clone(), inclusive: false },
            1,
        ),
        ("at an offset", StartingPosition::Offset { offset, inclusive: true }, 0),
        ("behind a number", by_number(first_number, false), 1),
        ("at a number", by_number(first_number, true), 0),
        (
            "from a time on",
            StartingPosition::EnqueuedTime { enqueued_time: time, inclusive: true },
            0,
        ),
    ] {
        let mut reader = hub.open(OpenPartition::new(id, position))?;
        let event = receive(&mut *reader, 1)?.remove(0);
        expect(name, event.sequence_number(), first_number + number)?;
        reader.close()?;
    }

    let request = OpenPartition::new(id, StartingPosition::Earliest).with_track_last_enqueued(true);
    let mut tracking = hub.open(request)?;
    receive(&mut *tracking, 1)?;
    let last = tracking.last_enqueued().ok_or("no end of the partition came with the event")?;
    let known = partition.last_enqueued.sequence_number;
    if last.sequence_number < known {
        return Err(format!("the partition ends at {}, not {known}", last.sequence_number).into());
    }
    println!("ok: the end of the partition comes with its events: {}", last.sequence_number);

    displaced(&hub, id)?;
    lost_position(&hub, id, known)?;

    if let Ok(minutes) = env::var("IDLE_MINUTES") {
        let mut quiet = hub.open(OpenPartition::new(id, by_number(known, false)))?;
        let until = Instant::now() + Duration::from_secs(60 * minutes.parse::<u64>()?);
        while Instant::now() < until {
            quiet.receive(&mut Vec::new(), 100, Duration::from_secs(60))?;
        }
        hub.properties()?;
        quiet.receive(&mut Vec::new(), 100, Duration::from_secs(1))?;
        println!("ok: idle links for {minutes} minutes");
    }
    tracking.close()?;
    hub.close()?;
    println!("all checks passed");
    Ok(())
}

fn connect() -> Result<EventHub> {
    let (connection_string, name) = (env::var("EVENT_HUB_CONN_STR")?, env::var("EVENT_HUB_NAME")?);
    let group = env::var("CONSUMER_GROUP").unwrap_or_else(|_| "$Default".to_owned());
    let mut hub =
        EventHub::builder_from_connection_string(&connection_string, &group, name.as_str())
            .websockets(env::var("EVENT_HUB_WEBSOCKETS").is_ok());
    if let Ok(endpoint) = env::var("EVENT_HUB_ENDPOINT") {
        hub = hub.custom_endpoint(endpoint);
    }
    Ok(hub.build()?)
}

fn by_number(sequence_number: i64, inclusive: bool) -> StartingPosition {
    StartingPosition::SequenceNumber { sequence_number, inclusive }
}

/// The first partition with two events.
fn with_events(hub: &EventHub, partitions: &[String]) -> Result<PartitionProperties> {
    for id in partitions {
        let partition = hub.partition_properties(id)?;
        let last = partition.last_enqueued.sequence_number;
        if !partition.is_empty && last > partition.beginning_sequence_number {
            println!(
                "ok: partition {id} has the events {} to {last}",
                partition.beginning_sequence_number
            );
            return Ok(partition);
        }
    }
    Err("no partition has two events: send some first".into())
}

fn receive(reader: &mut dyn PartitionReader, count: usize) -> Result<Vec<ReceivedEvent>> {
    let (begun, mut events) = (Instant::now(), Vec::new());
    while events.len() < count {
        reader.receive(&mut events, count, Duration::from_secs(1))?;
        if begun.elapsed() > PATIENCE {
            return Err(format!("{} of {count} events in {PATIENCE:?}", events.len()).into());
        }
    }
    Ok(events)
}

/// A higher owner level ends the reader that was there.
fn displaced(hub: &EventHub, id: &str) -> Result {
    let request =
        |level| OpenPartition::new(id, StartingPosition::Earliest).with_owner_level(Some(level));
    let mut loser = hub.open(request(1))?;
    receive(&mut *loser, 1)?;
    let mut winner = hub.open(request(2))?;
    receive(&mut *winner, 1)?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match loser.receive(&mut Vec::new(), 1_000, Duration::from_secs(1)) {
            Ok(()) => {}
            Err(ReadEnd::Displaced(reason)) => {
                println!("ok: a higher owner level displaces: {reason}");
                winner.close()?;
                return Ok(());
            }
            Err(end) => return Err(format!("displaced, but told {end:?}").into()),
        }
    }
    Err("a higher owner level displaced nobody".into())
}

/// An offset that is none is refused, and the sequence number takes its place.
fn lost_position(hub: &EventHub, id: &str, last: i64) -> Result {
    let lost = StartingPosition::Offset { offset: "no offset".to_owned(), inclusive: false };
    let request = OpenPartition::new(id, lost).with_sequence_number(Some(last - 1));
    let mut reader = hub.open(request)?;
    let event = receive(&mut *reader, 1)?.remove(0);
    expect("behind a number where the offset is refused", event.sequence_number(), last)?;
    reader.close()?;
    Ok(())
}

fn expect(what: &str, found: i64, expected: i64) -> Result {
    if found == expected {
        println!("ok: {what}: {found}");
        Ok(())
    } else {
        Err(format!("{what}: {found}, where {expected} was expected").into())
    }
}
