//! `watch`: rates, the time to drain, and who moved, look by look.

mod graphs;
#[cfg(test)]
mod picture;
pub(crate) mod screen;

use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::lag::{
    Limits, Seen, behind_cell, heading, identify, lag_cell, look, parse_target, status,
};
use crate::core::assess::{Assessment, Status, total};
use crate::core::partition::Partition;
use crate::core::samples::{History, Move, Rates};
use crate::core::target::Target;
use crate::core::text::{grouped, parse_duration, rfc3339, rough};
use crate::exit::{Exit, Failure};
use crate::output::{Cell, Column, Report, Section};
use crate::session::Session;
use graphs::Graphs;

/// Watch lag and rates live
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    target: Target,
    /// Time between samples
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    interval: Duration,
    /// Stop after this many samples
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    /// Print blocks of lines even on a terminal
    #[arg(long)]
    plain: bool,
    /// Omit healthy partitions
    #[arg(long)]
    only_lagging: bool,
    #[command(flatten)]
    limits: Limits,
}

const COLUMNS: &[Column] = &[
    Column::new("PARTITION", &["partition_id"]),
    Column::new("STATUS", &["status"]),
    Column::new("LAG", &["lag", "lag_is_bound"]),
    Column::new("BEHIND", &["behind_seconds", "behind_is_bound"]),
    Column::new("IN/S", &["incoming_per_second"]),
    Column::new("OUT/S", &["outgoing_per_second"]),
    Column::new("DRAIN", &["drain_seconds"]),
    Column::new("CHECKPOINT", &["sequence_number"]),
    Column::new("LAST", &["last_sequence_number"]),
    Column::new("OWNER", &["owner_id"]),
];

/// The histories of a group under the spellings that have records.
#[derive(Debug, Default)]
pub(super) struct Histories(Vec<(&'static str, History)>);

impl Histories {
    pub(super) fn get(&self, seen: &Seen) -> Option<&History> {
        let word = seen.records.naming.word();
        self.0.iter().find(|(known, _)| *known == word).map(|(_, history)| history)
    }

    pub(super) fn of(&mut self, seen: &Seen) -> &mut History {
        let word = seen.records.naming.word();
        let index = self.0.iter().position(|(known, _)| *known == word).unwrap_or_else(|| {
            self.0.push((word, History::default()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    if args.interval.is_zero() {
        return Err(Failure::usage("--interval 0s: it must be longer than 0s, such as 5s"));
    }
    if session.console.out_is_terminal && !args.plain && !session.global.output.is_data() {
        return screen::run(args, session);
    }
    let mut histories = Histories::default();
    let mut looks = 0;
    loop {
        match look_once(args, session, &mut histories) {
            Ok(views) => {
                let sections = views.into_iter().map(|view| view.section).collect();
                session.show(&Report::new("partitions", sections))?;
                if !session.global.output.is_data() {
                    session.print("\n")?;
                }
            }
            // The first look finds mistakes; a later one may fail for a while.
            Err(failure) if looks == 0 => return Err(failure),
            Err(failure) => session.console.complain(&format!("error: {failure}")),
        }
        looks += 1;
        if args.count.is_some_and(|count| looks >= count) {
            return Ok(Exit::Done);
        }
        session.pause(args.interval);
        if session.is_interrupted() {
            return Ok(Exit::Interrupted);
        }
    }
}

/// A group, as it is shown.
#[derive(Debug)]
struct View {
    section: Section,
    graphs: Graphs,
}

/// One look.
fn look_once(
    args: &Args,
    session: &mut Session,
    histories: &mut Histories,
) -> Result<Vec<View>, Failure> {
    let zone = session.zone();
    session.look_again();
    let seen = look(session, &args.target, args.limits)?;
    let views = seen.into_iter().map(|mut seen| {
        let now = seen.records.server_time();
        let history = histories.of(&seen);
        let moves = history.add(now, &mut seen.rows);
        View {
            section: section(args, &seen, history, &moves, zone.as_ref()),
            graphs: Graphs::of(history),
        }
    });
    Ok(views.collect())
}

fn section(
    args: &Args,
    seen: &Seen,
    history: &History,
    moves: &[Move],
    zone: Option<&TimeZone>,
) -> Section {
    let mut section = Section { columns: COLUMNS.to_vec(), ..Section::default() };
    let sum = total(seen.rows.iter().map(|(_, assessment)| assessment));
    identify(&mut section, &seen.records);
    section.identity("server_time", rfc3339(seen.records.server_time()));
    section.heading = heading(&seen.records, seen.rows.len(), seen.owners, sum, zone);
    let is_shown = |assessment: &Assessment| {
        !args.only_lagging || !matches!(assessment.status, Some(Status::Ok | Status::Empty))
    };
    let rows = seen.rows.iter().filter(|(_, assessment)| is_shown(assessment));
    section.rows = rows
        .map(|(partition, assessment)| {
            row(partition, assessment, history.rates(&partition.id, assessment))
        })
        .collect();
    section.notes = moves.iter().map(moved).collect();
    section
}

pub(super) fn moved(moved: &Move) -> String {
    let name = |owner: &Option<String>| owner.clone().unwrap_or_else(|| "nobody".to_owned());
    format!("{}: moved from {} to {}.", moved.partition_id, name(&moved.from), name(&moved.to))
}

fn row(partition: &Partition, assessment: &Assessment, rates: Rates) -> Vec<Cell> {
    let number = |number: Option<i64>| {
        Cell::new(number.map_or("-".to_owned(), grouped), [Value::from(number)])
    };
    let rate = |rate: Option<f64>| {
        Cell::new(rate.map_or("-".to_owned(), |rate| format!("{rate:.1}")), [Value::from(rate)])
    };
    let stored = partition.checkpoint.as_ref().and_then(|stored| stored.position.sequence_number);
    let owner = partition.owner.as_ref().filter(|_| assessment.has_live_owner());
    vec![
        Cell::text(&partition.id),
        status(assessment.status),
        lag_cell(assessment.lag),
        behind_cell(assessment.behind),
        rate(rates.incoming),
        rate(rates.outgoing),
        Cell::new(
            rates.drain.map_or("-".to_owned(), rough),
            [Value::from(rates.drain.map(|drain| drain.as_secs()))],
        ),
        number(stored),
        number(partition.hub.as_ref().map(|hub| hub.last)),
        Cell::maybe(owner.and_then(|owner| owner.id.as_deref())),
    ]
}
