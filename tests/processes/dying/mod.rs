//! Consumers of both surfaces in processes of their own, which are killed (SIGKILL on Unix) at random moments for a
//! minute: no acknowledged checkpoint is lost, and no partition is left lying. Others receive events through the consumer
//! client meanwhile, and are killed or stopped: no event is lost, and a stop repeats none.

mod aio;
mod blocking;
mod fleet;
mod flow;
mod orders;

use orders::{Orders, Surface};

/// The consumers are processes of this binary that are told to run this test, too.
#[test]
fn consumers_die_and_nothing_is_lost() {
    match Orders::received() {
        None => fleet::lives_through_a_minute_of_kills(),
        Some(orders) => {
            orders::end_with_the_parent();
            match orders.surface {
                Surface::Blocking => blocking::consume(orders),
                Surface::Aio => aio::consume(orders),
            }
        }
    }
}

/// Beside the other one, in the same minute.
#[test]
fn consumers_die_or_stop_while_events_flow() {
    match flow::FlowOrders::received() {
        None => flow::flows_through_a_minute_of_kills_and_stops(),
        Some(orders) => flow::consume(orders),
    }
}
