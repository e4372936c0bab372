//! Consumers of both surfaces in processes of their own, which are killed (SIGKILL on Unix) at random moments for a
//! minute: no
//! acknowledged checkpoint is lost, and no partition stays unowned. Others receive events through the consumer client
//! meanwhile, and are killed or stopped: no event is lost, and a stop repeats none.

mod aio;
mod blocking;
mod fleet;
mod flow;
mod orders;

use std::time::Duration;

use orders::{Orders, Surface};

/// The consumers are processes of this binary that run this test.
const TEST: &str = "dying::nothing_is_lost_when_consumers_die_or_stop";
/// How long consumers come and go. Long enough for dozens of kills.
const DURATION: Duration = Duration::from_secs(60);

/// Both fleets in one test: they wait most of the time, and leave a thread to tests that need the processor.
#[test]
fn nothing_is_lost_when_consumers_die_or_stop() {
    if let Some(orders) = flow::FlowOrders::received() {
        flow::consume(orders);
    } else if let Some(orders) = Orders::received() {
        orders::end_with_the_parent();
        match orders.surface {
            Surface::Blocking => blocking::consume(orders),
            Surface::Aio => aio::consume(orders),
        }
    } else {
        std::thread::scope(|scope| {
            scope.spawn(fleet::survives_kills);
            scope.spawn(flow::survives_kills_and_stops);
        });
    }
}
