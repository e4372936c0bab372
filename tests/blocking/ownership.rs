//! What only threads do: a stop cannot end claims that hang, but need not wait for them to the end.

use std::time::Duration;

use eventhub_checkpointstore::ErrorKind;

use crate::support::blob_service::{Fault, Gate};
use crate::surface::ownership::partitions;
use crate::surface::ownership::served::Served;

#[test]
fn a_stop_does_not_wait_for_claims_until_its_limit_is_used_up() {
    let served = Served::new();
    let a = served.consumer("a", 0);
    let _ = a.round(&partitions(2)).unwrap();
    served.loopback.clear();
    let gate = Gate::default();
    let gated = || Fault::Gated(gate.clone());
    served.service.queue_faults([Fault::None, gated(), gated()]);
    std::thread::scope(|scope| {
        let round = scope.spawn(|| a.round(&partitions(2)));
        assert!(served.loopback.wait_for_requests(3, Duration::from_secs(5)));
        let released = a.relinquish_all(Duration::from_secs(1));
        assert!(!round.is_finished(), "it waited for the claims");
        // It looked for itself what the claims had done.
        assert!(released.all_released() && released.len() == 2, "{released:?}");
        gate.open();
        assert_eq!(round.join().unwrap().unwrap_err().kind(), ErrorKind::Other);
    });
    assert!(a.owned().is_empty());
    let again = a.relinquish_all(Duration::from_secs(5));
    assert!(again.is_empty(), "nothing is left to give up: {again:?}");
}
