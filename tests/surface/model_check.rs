//! Random sequences of operations by several owners, with lost, late and refused responses, retries, and other writers in
//! between, against what was really in storage.
//!
//! Held over every sequence:
//! - a reported win was written by that call and names its owner, and no two owners win the same ETag;
//! - before a reported loss the record was not the claimed version, or others wrote or deleted it during the call;
//! - a failure whose outcome is not said to be unknown has written nothing, then or later;
//! - the last acknowledged checkpoint is what is read and listed, unless an attempt of unknown outcome may have come
//!   later; behind a fence, late attempts change nothing and positions never go back.
//!
//! A failing sequence is shrunk by proptest, printed, and its seed is appended to `model_check.regressions`, which is
//! tried first from then on. What was learned from it belongs into `replays`, where it outlives a change of the steps.
//! `CHECKPOINTSTORE_MODEL_CASES` sets how many sequences are tried.

mod expected;
mod model;
mod replays;
mod steps;

use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};

use super::block_on;
use super::{checkpoint, group, ownership};
use super::{direct, maybe_async, subject, support};
use model::Model;

const REGRESSIONS: &str = "tests/surface/model_check.regressions";

#[test]
fn reports_match_the_storage() {
    let cases = std::env::var("CHECKPOINTSTORE_MODEL_CASES");
    let cases = cases.map_or(800, |cases| cases.parse().expect("a number of cases"));
    let failure_persistence = Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS)) as _);
    let config = Config { cases, failure_persistence, ..Config::default() };
    let count = std::cell::Cell::new(0);
    let result = TestRunner::new(config).run(&steps::sequences(), |steps| {
        count.set(count.get() + steps.len());
        block_on(Model::new().run(&steps)).map_err(TestCaseError::fail)
    });
    support::report::show(&format!("{cases} sequences, {} steps", count.get()));
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
