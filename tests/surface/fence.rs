//! A fenced store never moves a position backwards, and costs no more than a plain one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eventhub_checkpointstore::{CallOptions, Checkpoint, ErrorKind, RunMode, UpdateOutcome};
use log::Level;

use super::subject::{BlobCheckpointStore, CheckpointStore, FencedCheckpointStore};
use super::support::blob_service::Fault;
use super::support::capture_log;
use super::support::loopback::Reply;
use super::world::{World, position};
use super::{at_once, azurite, checkpoint, group, maybe_async, pause, test};

const NAME: &str = "ns.servicebus.windows.net/hub/$default/checkpoint/0";

fn at(sequence_number: i64) -> Checkpoint {
    checkpoint("0", &(sequence_number * 10).to_string(), sequence_number)
}

/// A position that has no sequence number.
fn offset_only(offset: &str) -> Checkpoint {
    Checkpoint::with_position(&group(), "0", Some(offset.to_owned()), None).unwrap()
}

#[maybe_async]
async fn assert_update(
    fenced: &FencedCheckpointStore,
    checkpoint: &Checkpoint,
    expected: UpdateOutcome,
) {
    let update = fenced.update_checkpoint(checkpoint).await.unwrap();
    assert_eq!(update.outcome, expected, "{checkpoint:?}");
}

#[maybe_async]
async fn assert_stored(store: &BlobCheckpointStore, sequence_number: i64) {
    let checkpoint = store.get_checkpoint(&group(), "0").await.unwrap();
    assert_eq!(checkpoint.unwrap().sequence_number(), Some(sequence_number));
}

#[maybe_async]
#[test]
async fn a_former_owner_is_stale_and_a_reset_is_not() {
    let azurite = azurite();
    azurite.create_container_if_not_exists().await.unwrap();
    let worlds = World::all();
    let mut stores: Vec<_> = worlds.iter().map(World::store).collect();
    stores.push(azurite);
    for store in stores {
        let (former, new) = (store.fenced(), store.fenced());
        assert_update(&former, &at(100), UpdateOutcome::Written).await;
        new.get_checkpoint(&group(), "0").await.unwrap().unwrap();
        assert_update(&new, &at(102), UpdateOutcome::Written).await;

        assert_update(&former, &at(101), UpdateOutcome::Stale).await;
        assert_update(&former, &at(101), UpdateOutcome::Stale).await;
        assert_stored(&store, 102).await;
        assert_update(&new, &at(103), UpdateOutcome::Written).await;
        assert_update(&new, &at(99), UpdateOutcome::OutOfOrder).await;

        let reset = store.reset_checkpoints(&[at(5)], RunMode::Apply).await;
        assert_eq!(reset.failed().count(), 0, "{reset:?}");
        assert_stored(&store, 5).await;
        assert_update(&new, &at(6), UpdateOutcome::Written).await;
        assert_stored(&store, 6).await;
    }
}

#[maybe_async]
#[test]
async fn an_update_is_one_request_with_the_version_that_it_replaces() {
    let world = World::service();
    let fenced = world.store().fenced();
    let (head, set) = (format!("HEAD {NAME}"), format!("PUT {NAME}?metadata"));

    let World::Service(service, loopback) = &world else { unreachable!() };
    assert_update(&fenced, &at(1), UpdateOutcome::Written).await;
    let first = loopback.requests().pop().unwrap();
    assert_eq!(first.header("if-none-match"), Some("*"));
    world.assert_requests(&[&head, &format!("PUT {NAME}")]);

    for number in 2..5 {
        let version = service.blob(NAME).unwrap().etag;
        assert_update(&fenced, &at(number), UpdateOutcome::Written).await;
        let request = loopback.requests().pop().unwrap();
        assert_eq!(request.header("if-match"), Some(format!("\"{version}\"").as_str()));
        world.assert_requests(&[&set]);
    }

    // A read through the fence spares the first one.
    let other = world.store().fenced();
    other.list_checkpoints(&group()).await.unwrap();
    world.requests();
    assert_update(&other, &at(5), UpdateOutcome::Written).await;
    world.assert_requests(&[&set]);
    let other = world.store().fenced();
    other.get_checkpoint(&group(), "0").await.unwrap();
    world.requests();
    assert_update(&other, &at(6), UpdateOutcome::Written).await;
    world.assert_requests(&[&set]);

    // Another writer was first: it costs a read, and a write if it is behind.
    assert_update(&fenced, &at(5), UpdateOutcome::Stale).await;
    world.assert_requests(&[&set, &head]);
    assert_update(&other, &at(7), UpdateOutcome::Written).await;
    world.requests();
    assert_update(&fenced, &at(8), UpdateOutcome::Written).await;
    world.assert_requests(&[&set, &head, &set]);
}

#[maybe_async]
#[test]
async fn a_list_does_not_let_a_former_owner_back_in() {
    for world in World::all() {
        let (former, new) = (world.store().fenced(), world.store().fenced());
        assert_update(&former, &at(1), UpdateOutcome::Written).await;
        assert_update(&new, &at(3), UpdateOutcome::Written).await;
        // It lists for its other partitions, and so learns the ETag of the one that it has lost.
        former.list_checkpoints(&group()).await.unwrap();
        assert_update(&former, &at(2), UpdateOutcome::Stale).await;
        world.assert_metadata(NAME, position("30", "3")).await;
    }
}

#[maybe_async]
#[test]
async fn a_lost_response_is_not_taken_for_another_writer() {
    let world = World::service();
    let fenced = world.store().fenced();
    assert_update(&fenced, &at(1), UpdateOutcome::Written).await;
    world.requests();

    world.double().queue_faults([Fault::DropAfterProcessing]);
    assert_update(&fenced, &at(2), UpdateOutcome::Written).await;
    let set = format!("PUT {NAME}?metadata");
    world.assert_requests(&[&set, &set, &format!("HEAD {NAME}")]);
    // What was read back is the version that the next one replaces.
    assert_update(&fenced, &at(3), UpdateOutcome::Written).await;
    world.assert_requests(&[&set]);

    // The first response of all, too.
    world.double().delete(NAME);
    let fenced = world.store().fenced();
    world.double().queue_faults([Fault::None, Fault::DropAfterProcessing]);
    assert_update(&fenced, &at(1), UpdateOutcome::Written).await;

    // A position without a number is told by its offset.
    world.double().queue_faults([Fault::DropAfterProcessing]);
    assert_update(&fenced, &offset_only("77"), UpdateOutcome::Written).await;
    world.assert_metadata(NAME, position("77", "")).await;
}

#[maybe_async]
#[test]
async fn a_write_with_a_lost_response_is_stale_if_another_writer_overtook_it() {
    let world = World::service();
    let fenced = world.store().fenced();
    assert_update(&fenced, &at(1), UpdateOutcome::Written).await;
    let service = world.double().clone();
    // The first attempt is applied and its response lost; before the second one a new owner goes on.
    let mut attempts = 0;
    world.double().inject(move |request| {
        if request.method == "PUT" {
            attempts += 1;
        }
        if attempts == 2 && request.method == "PUT" {
            service.put(NAME, &[("offset", "90"), ("sequencenumber", "9")]);
        }
        if attempts == 1 { Fault::DropAfterProcessing } else { Fault::None }
    });
    assert_update(&fenced, &at(2), UpdateOutcome::Stale).await;
    world.assert_metadata(NAME, position("90", "9")).await;
}

#[maybe_async]
#[test]
async fn a_failure_says_whether_it_may_be_stored_and_the_next_update_finds_out() {
    let world = World::service();
    let fenced = world.store().fenced();
    assert_update(&fenced, &at(1), UpdateOutcome::Written).await;

    // Applied, its response lost, and then nobody can be asked.
    let mut seen = 0;
    world.double().inject(move |_| {
        seen += 1;
        if seen == 1 { Fault::DropAfterProcessing } else { Fault::Respond(Reply::new(403)) }
    });
    let error = fenced.update_checkpoint(&at(2)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::AccessDenied, true));

    // The conflict is seen, but not what is stored.
    world.double().clear_faults();
    let mut seen = 0;
    world.double().inject(move |_| {
        seen += 1;
        if seen == 2 { Fault::Respond(Reply::new(403)) } else { Fault::None }
    });
    let error = fenced.update_checkpoint(&at(3)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::AccessDenied, false));

    world.double().clear_faults();
    assert_update(&fenced, &at(2), UpdateOutcome::Written).await;
    assert_update(&fenced, &at(3), UpdateOutcome::Written).await;
    world.assert_metadata(NAME, position("30", "3")).await;
}

#[maybe_async]
#[test]
async fn without_sequence_numbers_whoever_saw_the_last_version_may_write() {
    for world in World::all() {
        let (former, new) = (world.store().fenced(), world.store().fenced());
        assert_update(&former, &offset_only("2:-1:10"), UpdateOutcome::Written).await;
        new.get_checkpoint(&group(), "0").await.unwrap();
        assert_update(&new, &offset_only("2:-1:30"), UpdateOutcome::Written).await;
        // However often it tries, and with a number, too: nobody can say which position is later.
        for late in [offset_only("2:-1:20"), offset_only("2:-1:20"), at(7)] {
            assert_update(&former, &late, UpdateOutcome::Stale).await;
        }
        world.assert_metadata(NAME, position("2:-1:30", "")).await;
        // Until it reads where to go on.
        former.get_checkpoint(&group(), "0").await.unwrap();
        assert_update(&former, &offset_only("2:-1:40"), UpdateOutcome::Written).await;
        assert_update(&new, &offset_only("2:-1:35"), UpdateOutcome::Stale).await;
    }
}

#[maybe_async]
#[test]
async fn unreadable_and_missing_checkpoints_can_be_replaced() {
    for world in World::all() {
        world.put(NAME, &[("offset", "no offset"), ("sequencenumber", "None")]).await;
        let fenced = world.store().fenced();
        assert_update(&fenced, &at(1), UpdateOutcome::Written).await;
        world.assert_metadata(NAME, position("10", "1")).await;

        let deleted = world.store().delete_checkpoint(&group(), "0").await.unwrap();
        assert!(deleted);
        world.requests();
        assert_update(&fenced, &at(2), UpdateOutcome::Written).await;
        world.assert_requests(&[&format!("PUT {NAME}?metadata"), &format!("PUT {NAME}")]);

        let shared: Arc<dyn CheckpointStore> = Arc::new(fenced.clone());
        let deleted = shared.delete_checkpoint(&group(), "0").await.unwrap();
        assert!(deleted);
        // A hub that was created anew begins at 0 again.
        let update = shared.update_checkpoint(&at(0)).await.unwrap();
        assert!(update.is_written() && update.etag.is_some());
        let late = shared.update_checkpoint(&at(-1)).await.unwrap();
        assert_eq!(late.outcome, UpdateOutcome::OutOfOrder);
        assert_eq!(late.etag, update.etag);
    }
}

#[maybe_async]
#[test]
async fn of_many_writers_at_once_no_one_moves_the_position_back() {
    let world = World::service();
    let store = world.store();
    let writers: Vec<i64> = (0..8).collect();
    let work = |writer: i64| {
        let fenced = store.fenced();
        async move {
            let mut outcomes = Vec::new();
            for step in 0..10 {
                outcomes.push(fenced.update_checkpoint(&at(step * 8 + writer)).await);
            }
            outcomes
        }
    };
    let outcomes = at_once(writers, work).await;
    let outcomes: Vec<_> = outcomes.into_iter().flatten().map(Result::unwrap).collect();
    let numbers: Vec<i64> = world
        .double()
        .history()
        .iter()
        .filter(|write| write.blob == NAME)
        .map(|write| write.metadata[1].1.parse().unwrap())
        .collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert_eq!(numbers.last(), Some(&79));
    let written = outcomes.iter().filter(|update| update.is_written()).count();
    assert_eq!(written, numbers.len());
}

/// As when a manager lists at its start while readers store checkpoints already.
#[maybe_async]
#[test]
async fn a_late_response_undoes_nothing() {
    let world = World::service();
    let fenced = world.store().fenced();
    // Without numbers a version that is not the last one would make us stale.
    assert_update(&fenced, &offset_only("10"), UpdateOutcome::Written).await;
    let (listed, updated) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (is_listed, is_updated) = (Arc::clone(&listed), Arc::clone(&updated));
    world.double().inject(move |request| {
        if request.query("prefix").is_none() {
            return Fault::None;
        }
        let (is_listed, is_updated) = (Arc::clone(&is_listed), Arc::clone(&is_updated));
        Fault::edit(move |reply| {
            is_listed.store(true, Ordering::SeqCst);
            while !is_updated.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            reply
        })
    });
    let work = |lists: bool| {
        let (fenced, listed, updated) = (fenced.clone(), Arc::clone(&listed), Arc::clone(&updated));
        async move {
            if lists {
                let listing = fenced.list_checkpoints(&group()).await.unwrap();
                return assert_eq!(listing.items()[0].offset(), Some("10"));
            }
            while !listed.load(Ordering::SeqCst) {
                pause(Duration::from_millis(1)).await;
            }
            assert_update(&fenced, &offset_only("20"), UpdateOutcome::Written).await;
            updated.store(true, Ordering::SeqCst);
        }
    };
    at_once(vec![true, false], work).await;
    world.requests();
    assert_update(&fenced, &offset_only("30"), UpdateOutcome::Written).await;
    world.assert_requests(&[&format!("PUT {NAME}?metadata")]);
}

#[maybe_async]
#[test]
async fn a_lost_response_does_not_make_a_writer_without_numbers_stale() {
    let world = World::service();
    let options = CallOptions::new().with_max_retries(0);
    let fenced = world.store().fenced().with_options(options);
    assert_update(&fenced, &offset_only("10"), UpdateOutcome::Written).await;
    // The first is applied, and no response comes to any; between them the second one looks what is stored.
    let faults = [Fault::DropAfterProcessing, Fault::None, Fault::DropBeforeProcessing];
    world.double().queue_faults(faults);
    for offset in ["20", "30"] {
        let error = fenced.update_checkpoint(&offset_only(offset)).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "{error:?}");
    }
    assert_update(&fenced, &offset_only("40"), UpdateOutcome::Written).await;
    world.assert_metadata(NAME, position("40", "")).await;

    // What another writer stored meanwhile is another writer's.
    world.double().queue_faults([Fault::DropAfterProcessing]);
    fenced.update_checkpoint(&offset_only("50")).await.unwrap_err();
    world.put(NAME, &[("offset", "60"), ("sequencenumber", "")]).await;
    assert_update(&fenced, &offset_only("55"), UpdateOutcome::Stale).await;
    world.assert_metadata(NAME, position("60", "")).await;
}

#[maybe_async]
#[test]
async fn other_options_share_what_is_remembered() {
    let world = World::service();
    let fenced = world.store().fenced();
    let urgent = fenced.with_options(CallOptions::new().with_header("x-urgent", "1").unwrap());
    assert_update(&fenced, &at(1), UpdateOutcome::Written).await;
    world.requests();
    assert_update(&urgent, &at(2), UpdateOutcome::Written).await;
    let World::Service(_, loopback) = &world else { unreachable!() };
    assert_eq!(loopback.requests()[0].header("x-urgent"), Some("1"));
    world.assert_requests(&[&format!("PUT {NAME}?metadata")]);
    assert_update(&fenced, &at(3), UpdateOutcome::Written).await;
    world.assert_requests(&[&format!("PUT {NAME}?metadata")]);
}

#[maybe_async]
#[test]
async fn without_sequence_numbers_a_list_lets_no_former_owner_back_in() {
    for world in World::all() {
        let (former, new) = (world.store().fenced(), world.store().fenced());
        assert_update(&former, &offset_only("10"), UpdateOutcome::Written).await;
        // As a manager does at its start, and with it whoever takes a partition over.
        new.list_checkpoints(&group()).await.unwrap();
        assert_update(&new, &offset_only("30"), UpdateOutcome::Written).await;

        // It lists for its other partitions.
        let listing = former.list_checkpoints(&group()).await.unwrap();
        assert_update(&former, &offset_only("20"), UpdateOutcome::Stale).await;
        assert_update(&new, &offset_only("40"), UpdateOutcome::Written).await;
        world.assert_metadata(NAME, position("40", "")).await;

        // That list is old by now; the next one is what the partition is won back by.
        former.resume_from(&listing.items()[0]);
        assert_update(&former, &offset_only("41"), UpdateOutcome::Stale).await;
        let listing = former.list_checkpoints(&group()).await.unwrap();
        let shared: Arc<dyn CheckpointStore> = Arc::new(former.clone());
        shared.resume_from(&listing.items()[0]);
        assert_update(&former, &offset_only("50"), UpdateOutcome::Written).await;
        assert_update(&new, &offset_only("45"), UpdateOutcome::Stale).await;
        world.assert_metadata(NAME, position("50", "")).await;
    }
}

#[maybe_async]
#[test]
async fn after_an_outage_the_only_writer_is_not_stale() {
    for numbered in [true, false] {
        let world = World::service();
        let store = world.store().with_options(CallOptions::new().with_max_retries(0));
        let fenced = store.fenced();
        let at = |number: i64| match numbered {
            true => at(number),
            false => offset_only(&number.to_string()),
        };
        assert_update(&fenced, &at(0), UpdateOutcome::Written).await;
        // Each is stored, and no response comes.
        world.double().inject(|request| match request.method.as_str() {
            "PUT" => Fault::DropAfterProcessing,
            _ => Fault::None,
        });
        for number in 1..=150 {
            let error = fenced.update_checkpoint(&at(number)).await.unwrap_err();
            assert!(error.is_outcome_unknown(), "{error}");
        }
        world.double().clear_faults();
        assert_update(&fenced, &at(151), UpdateOutcome::Written).await;
    }
}

#[maybe_async]
#[test]
async fn a_late_update_of_the_only_writer_is_told_from_another_writers() {
    for world in World::all() {
        let (one, other) = (world.store().fenced(), world.store().fenced());
        assert_update(&one, &at(5), UpdateOutcome::Written).await;
        for _ in 0..2 {
            assert_update(&one, &at(4), UpdateOutcome::OutOfOrder).await;
        }
        assert_update(&one, &at(6), UpdateOutcome::Written).await;
        other.get_checkpoint(&group(), "0").await.unwrap();
        assert_update(&other, &at(9), UpdateOutcome::Written).await;
        for late in [7, 8, 7] {
            assert_update(&one, &at(late), UpdateOutcome::Stale).await;
        }
        // Nor does a position without a number get past what it was told.
        assert_update(&one, &offset_only("95"), UpdateOutcome::Stale).await;
        world.assert_metadata(NAME, position("90", "9")).await;
        assert_update(&other, &at(8), UpdateOutcome::OutOfOrder).await;
    }
}

/// The event hub was created anew or failed over, and its numbers begin again.
#[maybe_async]
#[test]
async fn numbers_that_begin_again_are_warned_of_once() {
    capture_log::start();
    let partition = |number| checkpoint("restarted", "1", number);
    let world = World::service();
    let store = world.store();
    let warnings = || {
        let lines = capture_log::lines_with("checkpoint/restarted").into_iter();
        let warnings = lines.filter(|(level, _)| *level == Level::Warn);
        warnings.map(|(_, text)| text).collect::<Vec<_>>()
    };
    store.update_checkpoint(&partition(1000)).await.unwrap();
    let fenced = store.fenced();
    fenced.get_checkpoint(&group(), "restarted").await.unwrap();
    for number in 1..4 {
        assert_update(&fenced, &partition(number), UpdateOutcome::OutOfOrder).await;
    }
    let texts = warnings();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("reset or delete the checkpoints"), "{texts:?}");

    // Whoever has not read it cannot know whose it is, and is warned, too.
    let unread = store.fenced();
    for number in 1..3 {
        assert_update(&unread, &partition(number), UpdateOutcome::Stale).await;
    }
    assert_eq!(warnings().len(), 2);

    // A writer that another one has overtaken is an everyday thing.
    let (one, other) = (store.fenced(), store.fenced());
    for (fenced, number) in [(&one, 1001), (&other, 1003)] {
        assert_update(fenced, &partition(number), UpdateOutcome::Written).await;
    }
    assert_update(&one, &partition(1002), UpdateOutcome::Stale).await;
    assert_eq!(warnings().len(), 2);
}

/// The old numbers are those of a fleet that wrote the names in another spelling.
#[maybe_async]
#[test]
async fn numbers_that_begin_again_under_the_other_naming_are_warned_of_once() {
    const OTHER: &str = "NS.servicebus.windows.net/Hub/$Default/checkpoint/moved-restarted";
    capture_log::start();
    let partition = |number| checkpoint("moved-restarted", "1", number);
    let world = World::service();
    world.put(OTHER, &[("offset", "1000"), ("sequencenumber", "1000")]).await;
    let store = world.store_with(|builder| builder.read_other_name_case(true));
    let warnings = || {
        let lines = capture_log::lines_with("moved-restarted").into_iter();
        let warnings = lines.filter(|(level, _)| *level == Level::Warn);
        warnings.map(|(_, text)| text).collect::<Vec<_>>()
    };
    let before = warnings().len();
    let fenced = store.fenced();
    for number in 1..4 {
        assert_update(&fenced, &partition(number), UpdateOutcome::Stale).await;
    }
    let texts = warnings().split_off(before);
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains(OTHER) && texts[0].contains("reset the checkpoints"), "{texts:?}");

    // The advice helps: the own checkpoint counts from then on.
    let reset = store.reset_checkpoints(&[partition(0)], RunMode::Apply).await;
    assert_eq!(reset.failed().count() + reset.refused().count(), 0, "{reset:?}");
    assert_update(&fenced, &partition(4), UpdateOutcome::Written).await;
    assert_eq!(warnings().len(), before + 1);
}
