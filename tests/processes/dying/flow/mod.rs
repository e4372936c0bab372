//! Consumers that receive events while they are killed or stopped: nothing is lost, nothing that was acknowledged comes
//! again after a stop, and after a kill only what had no checkpoint.

mod aio;
mod blocking;
mod fleet;
mod judge;
mod ledger;
mod orders;

pub use fleet::survives_kills_and_stops;
pub use orders::FlowOrders;

use super::orders::Surface;

/// In the process of a consumer.
pub fn consume(orders: FlowOrders) {
    match orders.surface {
        Surface::Blocking => blocking::consume(&orders),
        Surface::Aio => aio::consume(&orders),
    }
}
