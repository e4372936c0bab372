//! The numbers on the page, and the expected ones.

use super::traffic::Traffic;

pub const PAGE: &str = include_str!("../../../src/docs/cost_at_scale.md");

/// Partitions, and the consumers that share them.
pub const FLEETS: [(usize, usize); 3] = [(32, 2), (1000, 10), (32_000, 100)];

pub const CALLS: [&str; 8] = [
    "a checkpoint",
    "the first checkpoint of a partition",
    "reading one checkpoint",
    "the first claim of a partition",
    "a renewal, a steal, a release",
    "listing 1,000 ownerships",
    "listing 1,000 checkpoints",
    "deleting a checkpoint",
];

/// How often a partition with 100 events a second is checkpointed, per second.
const FREQUENCIES: [(&str, f64); 3] =
    [("every event", 100.0), ("every 100 events", 1.0), ("every 10 s", 0.1)];
const INTERVALS: [u32; 3] = [10, 15, 30];
/// The service's limit for an account, in requests per second.
const ACCOUNT_LIMIT: f64 = 20_000.0;

const CALL_TABLE: &str = "| call | requests | bytes sent | bytes received | billed as |";
const PRICE_TABLE: &str = "| billed as | USD for 10,000 |";
const CHECKPOINT_TABLE: &str = "| partitions | a checkpoint | requests a second | requests an hour | MB an hour | USD an hour | the account's limit |";
const ROUND_TABLE: &str = "| partitions | consumers | interval | requests an hour | of them lists | MB an hour | USD an hour |";

/// Numbers that are right, and what must not pass in their place.
pub const MISTAKES: [(&str, &str); 4] = [
    ("| the first checkpoint of a partition | 2 |", "| the first checkpoint of a partition | 1 |"),
    ("| 1,000 | every 10 s | 100 | 360,000 |", "| 1,000 | every 10 s | 100 | 3,600,000 |"),
    ("| 32,000 | every 100 events | 32,000 |", "| 32,000 | every 100 events | 3,200 |"),
    ("| 32,000 | 100 | 15 s |", "| 32,000 | 10 | 15 s |"),
];

/// The counts: a call of each kind, and a round of one consumer of each fleet.
pub struct Measured {
    pub calls: Vec<Traffic>,
    pub rounds: Vec<Traffic>,
}

enum Cell {
    Text(String),
    Number(f64),
}

impl Cell {
    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// Numbers are rounded on the page, and the length of the user agent depends on the platform.
    fn is(&self, written: &str) -> bool {
        match self {
            Self::Text(text) => written == text,
            Self::Number(number) => (self::number(written) / number - 1.0).abs() < 0.01,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// A sentence for every row that does not say what was counted.
pub fn faults(page: &str, measured: &Measured) -> Vec<String> {
    let price = |traffic: &Traffic| cost(page, traffic);
    let tables = [
        (CALL_TABLE, call_rows(&measured.calls)),
        (CHECKPOINT_TABLE, checkpoint_rows(measured.calls[0], &price)),
        (ROUND_TABLE, round_rows(&measured.rounds, &price)),
    ];
    let mut faults = Vec::new();
    for (header, expected) in tables {
        let written = rows(page, header);
        assert_eq!(written.len(), expected.len(), "the rows of {header}");
        for (written, expected) in written.iter().zip(expected) {
            if !expected.iter().zip(written).all(|(cell, written)| cell.is(written)) {
                let counted: Vec<_> = expected.iter().map(Cell::shown).collect();
                faults.push(format!(
                    "{} was counted as {}",
                    written.join(" | "),
                    counted.join(" | ")
                ));
            }
        }
    }
    faults
}

fn call_rows(calls: &[Traffic]) -> Vec<Vec<Cell>> {
    let rows = CALLS.iter().zip(calls).map(|(call, traffic)| {
        let classes = [
            ("other", traffic.other),
            ("write", traffic.write),
            ("list", traffic.list),
            ("free", traffic.free),
        ];
        let billed = classes.iter().filter(|(_, count)| *count > 0.0).map(|(class, _)| *class);
        vec![
            Cell::text(call),
            Cell::Number(traffic.requests()),
            Cell::Number(traffic.sent),
            Cell::Number(traffic.received),
            Cell::Text(billed.collect::<Vec<_>>().join(", ")),
        ]
    });
    rows.collect()
}

fn checkpoint_rows(call: Traffic, price: &dyn Fn(&Traffic) -> f64) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for (partitions, _) in FLEETS {
        for (frequency, per_second) in FREQUENCIES {
            let per_second = per_second * partitions as f64;
            let hour = call.times(per_second * 3600.0);
            rows.push(vec![
                Cell::Number(partitions as f64),
                Cell::text(frequency),
                Cell::Number(per_second),
                Cell::Number(hour.requests()),
                Cell::Number(hour.bytes() / 1e6),
                Cell::Number(price(&hour)),
                Cell::text(if per_second > ACCOUNT_LIMIT { "over" } else { "" }),
            ]);
        }
    }
    rows
}

fn round_rows(rounds: &[Traffic], price: &dyn Fn(&Traffic) -> f64) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for ((partitions, consumers), round) in FLEETS.into_iter().zip(rounds) {
        for interval in INTERVALS {
            // From the start of a round to the next it takes 80 % to 100 % of the interval.
            let rounds = 3600.0 / (0.9 * f64::from(interval));
            let hour = round.times(consumers as f64 * rounds);
            rows.push(vec![
                Cell::Number(partitions as f64),
                Cell::Number(consumers as f64),
                Cell::Text(format!("{interval} s")),
                Cell::Number(hour.requests()),
                Cell::Number(hour.list),
                Cell::Number(hour.bytes() / 1e6),
                Cell::Number(price(&hour)),
            ]);
        }
    }
    rows
}

/// Requests, megabytes and money of an hour: what was lived through, and what two rows of the page add up to.
pub fn totals(
    page: &str,
    partitions: usize,
    frequency: &str,
    interval: u32,
    lived: &Traffic,
) -> [(&'static str, f64, f64); 3] {
    let partitions = partitions as f64;
    let find = |header: &str, column: usize, text: &str| {
        let mut rows = rows(page, header).into_iter();
        rows.find(|row| number(&row[0]) == partitions && row[column] == text).unwrap()
    };
    let checkpoints = find(CHECKPOINT_TABLE, 1, frequency);
    let rounds = find(ROUND_TABLE, 2, &format!("{interval} s"));
    let sum = |one: usize, other: usize| number(&checkpoints[one]) + number(&rounds[other]);
    [
        ("requests", lived.requests(), sum(3, 3)),
        ("MB", lived.bytes() / 1e6, sum(4, 5)),
        ("USD", cost(page, lived), sum(5, 6)),
    ]
}

/// By the prices that stand on the page.
fn cost(page: &str, traffic: &Traffic) -> f64 {
    let prices = rows(page, PRICE_TABLE);
    let price = |class: &str| {
        let row = prices.iter().find(|row| row[0] == class).unwrap();
        number(&row[1]) / 10_000.0
    };
    let Traffic { write, list, other, .. } = traffic;
    write * price("write") + list * price("list") + other * price("other")
}

/// The cells of a table, by the line of its header.
fn rows(page: &str, header: &str) -> Vec<Vec<String>> {
    let mut lines = page.lines().skip_while(|line| *line != header);
    assert!(lines.next().is_some(), "the page lacks {header}");
    let table = lines.skip(1).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let inner = line.trim_start_matches('|').trim_end_matches('|');
        inner.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    table.map(cells).collect()
}

fn number(text: &str) -> f64 {
    text.replace(',', "").parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}
