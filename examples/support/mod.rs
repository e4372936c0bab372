//! What the examples of both surfaces share: everything that is no call to the store.

pub(crate) mod event_log;
pub(crate) mod ledger;
pub(crate) mod settings;
