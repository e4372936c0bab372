//! What only threads do: a stop cannot end a round that hangs, but need not wait for it.

use std::time::{Duration, Instant};

use eventhub_checkpointstore::ErrorKind;

use crate::support::blob_service::Fault;
use crate::surface::ownership::partitions;
use crate::surface::ownership::requests::Served;

#[test]
fn a_stop_does_not_wait_for_a_round_beyond_its_limit() {
    let served = Served::new();
    let a = served.consumer("a", 0);
    let _ = a.round(&partitions(2)).unwrap();
    served.loopback.clear();
    served.service.queue_faults([Fault::DelayAfter(Duration::from_secs(2))]);
    std::thread::scope(|scope| {
        let round = scope.spawn(|| a.round(&partitions(2)).unwrap());
        assert!(served.loopback.wait_for_requests(1, Duration::from_secs(5)));
        let begun = Instant::now();
        let released = a.relinquish_all(Duration::from_millis(50));
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let kinds: Vec<_> = released.failed().map(|(_, error)| error.kind()).collect();
        assert_eq!(kinds, [ErrorKind::Timeout; 2]);
        assert!(a.owned().is_empty());
        let _ = round.join().unwrap();
    });
}
