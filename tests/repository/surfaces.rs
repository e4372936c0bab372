//! Both surfaces run the suite.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tests that only one of the roots has: what they look at exists on one surface only.
const BLOCKING_ONLY: &[&str] = &[
    "in_a_runtime::calls_in_a_worker_thread_of_tokio",
    "in_a_runtime::failures_and_waits_in_a_worker_thread",
    "ownership::a_stop_does_not_wait_for_claims_until_its_limit_is_used_up",
    "processing::batches_are_empty_if_nothing_arrives_in_time",
    "processing::closures_receive_and_a_stop_from_another_thread_ends_it_at_once",
    "threads::a_thread_that_cannot_be_spawned_costs_only_concurrency",
];
const AIO_ONLY: &[&str] = &[
    "cancellation::a_fenced_update_that_was_dropped_makes_nobody_stale",
    "cancellation::dropped_at_every_poll",
    "cancellation::dropped_while_a_token_is_renewed_early",
    "cancellation::the_pool_of_a_real_client_stays_usable",
    "connections::a_caller_beside_the_workers_needs_one_connection",
    "connections::a_task_that_reads_long_lists_needs_one_connection",
    "credentials::an_early_renewal_that_never_ends_keeps_the_old_token",
    "event_processor::ownerships_are_listed_from_the_primary",
    "ownership::a_consumer_that_drops_a_round_and_stops_leaves_nothing_behind",
    "ownership::a_dropped_round_does_not_block_the_next_one",
    "ownership::a_dropped_round_keeps_its_finished_renewals",
    "ownership::a_round_that_is_dropped_anywhere_leaves_a_usable_manager",
    "ownership::a_stop_does_not_wait_for_a_round_in_another_task",
    "ownership::futures_can_be_sent_to_other_threads",
    "processing::a_dropped_run_leaves_no_task_on_any_thread",
    "processing::a_dropped_run_leaves_only_ownerships_that_expire",
    "processing::a_partition_that_is_opened_again_while_its_former_reader_closes_keeps_its_checkpoints",
    "processing::receiving_outside_tokio_is_a_clear_error",
    "processing::receiving_without_timers_is_a_clear_error",
    "processing::the_futures_can_be_spawned_and_closures_receive",
    "runtimes::a_credential_that_waits_is_not_asked_outside_a_runtime",
    "runtimes::a_runtime_without_timers_or_io_is_an_error",
    "runtimes::a_store_outside_a_runtime_says_what_it_needs",
    "runtimes::a_store_that_moves_to_another_runtime_waits_for_one_attempt_at_most",
    "runtimes::another_panic_goes_on",
];

/// The features of this build, so that cargo finds the test roots already built.
macro_rules! features {
    ($($name:literal),* $(,)?) => {
        [$(($name, cfg!(feature = $name))),*]
    };
}
const FEATURES: &[(&str, bool)] = &features![
    "default",
    "blocking",
    "aio",
    "ureq",
    "reqwest",
    "rustls",
    "rustls-ring",
    "native-tls",
    "_fuzz",
    "_rustls",
    "serde",
    "legacy",
    "azure_messaging_eventhubs",
    "azure_core",
    "azure_storage_blobs",
    "amqp",
    "amqp-websockets",
    "metrics",
    "tracing",
    "tokio",
];

#[test]
fn every_feature_is_passed_on() {
    let manifest: toml::Table = toml::from_str(include_str!("../../Cargo.toml")).unwrap();
    let declared: BTreeSet<_> =
        manifest["features"].as_table().unwrap().keys().map(String::as_str).collect();
    assert_eq!(FEATURES.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), declared);
}

/// A suite that is mounted but never run by one of them would be green on both.
#[test]
fn both_surfaces_run_the_same_tests() {
    let blocking = tests_of("blocking");
    let aio = tests_of("aio");
    assert!(blocking.len() > 20, "only {} tests: {blocking:?}", blocking.len());
    let only = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(only(&blocking, &aio), BLOCKING_ONLY, "tests of the blocking surface only");
    assert_eq!(only(&aio, &blocking), AIO_ONLY, "tests of the async surface only");
}

fn tests_of(root: &str) -> BTreeSet<String> {
    let enabled: Vec<_> =
        FEATURES.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
    let features = enabled.join(",");
    let listing = cargo(&[
        "test",
        "--no-default-features",
        "--features",
        &features,
        "--test",
        root,
        "--",
        "--list",
    ]);
    listing.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Runs cargo on the target folder of this build and returns what it printed.
fn cargo(arguments: &[&str]) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(PathBuf::from).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .envs(clean_environment::proxies())
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("cargo runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}:\n{said}\n{printed}");
    printed
}
