//! The fuzz targets of AMQP, over the committed corpora and over mutations of them.

#[path = "../../../fuzz/targets/amqp_event.rs"]
mod amqp_event;
#[path = "../../../fuzz/targets/amqp_properties.rs"]
mod amqp_properties;
#[path = "../../../fuzz/targets/event_hub_connection_string.rs"]
mod event_hub_connection_string;

/// The modules that the targets expect beside them.
mod canned {
    use eventhub_checkpointstore::ConsumerGroup;

    pub fn group() -> ConsumerGroup {
        ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "$Default").unwrap()
    }
}

use std::path::Path;

use clean_environment as _;

const MUTATIONS: usize = 20_000;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The same mutations everywhere.
    paths.sort();
    assert!(paths.len() >= 10, "{target}: only {} inputs", paths.len());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Some bytes are set, cut out, doubled or taken from another input.
fn mutated(random: &mut fastrand::Rng, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.choice(inputs).unwrap().clone();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(0..=input.len());
        let end = (at + random.usize(0..12)).min(input.len());
        match random.u8(0..4) {
            0 if at < input.len() => input[at] = random.u8(..),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, input[at..end].to_vec())),
            _ => {
                let other = random.choice(inputs).unwrap();
                let from = random.usize(0..=other.len());
                input.splice(at..end, other[from..].iter().copied());
            }
        }
        input.truncate(4_096);
    }
    input
}

fn fuzz(target: &str, run: fn(&[u8])) {
    let inputs = corpus(target);
    inputs.iter().for_each(|input| run(input));
    let mut random = fastrand::Rng::with_seed(14);
    for _ in 0..MUTATIONS {
        let input = mutated(&mut random, &inputs);
        if std::panic::catch_unwind(|| run(&input)).is_err() {
            panic!("{target}: {input:02x?} breaks a promise");
        }
    }
}

#[test]
fn events() {
    fuzz("amqp_event", amqp_event::run);
}

#[test]
fn connection_strings() {
    fuzz("event_hub_connection_string", event_hub_connection_string::run);
}

#[test]
fn responses_of_management() {
    fuzz("amqp_properties", amqp_properties::run);
}
