//! The tests of the AMQP source; see `tests`.
