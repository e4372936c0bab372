//! From the end of a consumer to the first event that the next owner of its partitions handles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bed::{Bed, in_time};
use crate::peer::{Consumer, Kind, Options};

const PARTITIONS: usize = 4;
const INTERVAL: Duration = Duration::from_secs(2);
const EXPIRATION: Duration = Duration::from_secs(8);
const ROUNDS: usize = 3;

pub fn run() {
    println!(
        "Two consumers share {PARTITIONS} partitions; one ends. Seconds until the other one's first event of each of its \
         partitions: the shortest, the median, the longest of {ROUNDS} rounds. Intervals of {INTERVAL:?}, expiration \
         {EXPIRATION:?}. The clients run side by side.\n"
    );
    println!("| client | killed | stopped |\n|---|---|---|");
    thread::scope(|scope| {
        let running = Kind::ALL.map(|kind| (kind, scope.spawn(move || of(kind))));
        for (kind, row) in running {
            let [killed, stopped] = row.join().unwrap();
            println!("| {kind:?} | {} | {} |", words(killed), words(stopped));
        }
    });
    println!();
}

fn words(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let seconds = |at: usize| times[at].as_secs_f64();
    let last = times.len() - 1;
    format!("{:.1} / {:.1} / {:.1}", seconds(0), seconds(last / 2), seconds(last))
}

fn of(kind: Kind) -> [Vec<Duration>; 2] {
    let bed = Bed::new(PARTITIONS);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                bed.append_to_each(1);
                thread::sleep(Duration::from_millis(100));
            }
        });
        let times = [true, false]
            .map(|kills| (0..ROUNDS).flat_map(|round| one(&bed, kind, kills, round)).collect());
        ended.store(true, Ordering::Relaxed);
        times
    })
}

fn one(bed: &Bed, kind: Kind, kills: bool, round: usize) -> Vec<Duration> {
    let options = Options {
        interval: INTERVAL,
        expiration: EXPIRATION,
        // What is measured is the takeover, not the emulator.
        checkpoint_every: 20,
        ..Options::sharing(&format!("group-{kills}-{round}"))
    };
    let mut consumers = [(); 2].map(|()| Consumer::start(kind, bed, &options));
    let shared = in_time(|| {
        let shares = consumers.each_mut().map(|consumer| consumer.look().open());
        let is_even = shares.iter().all(|share| share.len() == PARTITIONS / 2);
        (is_even && shares[0].is_disjoint(&shares[1])).then_some(())
    });
    if shared.is_none() {
        let said = consumers.map(|consumer| {
            consumer.heard.0.into_iter().filter(|line| line["event"].is_null()).collect::<Vec<_>>()
        });
        panic!("{kind:?}: the consumers do not share in time: {said:#?}");
    }
    // Both handle events of their own partitions.
    for consumer in &mut consumers {
        let open = consumer.look().open();
        for id in open {
            consumer.until("an event", |heard| (!heard.events(&id).is_empty()).then_some(()));
        }
    }
    let [mut heir, leaving] = consumers;
    let own = heir.look().open();
    let orphans: Vec<_> = bed.partition_ids().into_iter().filter(|id| !own.contains(id)).collect();
    let known: Vec<_> = orphans.iter().map(|id| heir.heard.events(id).len()).collect();
    let began = Instant::now();
    if kills {
        leaving.kill();
    } else {
        leaving.stop();
    }
    let mut times = vec![None; orphans.len()];
    heir.until("the next events", |heard| {
        for (time, (id, known)) in times.iter_mut().zip(orphans.iter().zip(&known)) {
            if time.is_none() && heard.events(id).len() > *known {
                *time = Some(began.elapsed());
            }
        }
        times.iter().all(Option::is_some).then_some(())
    });
    heir.kill();
    times.into_iter().flatten().collect()
}
