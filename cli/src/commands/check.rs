//! `check`: one line and an exit code, for cron, probes and Nagios.

use std::time::Duration;

use serde_json::Value;

use super::lag::{Limits, Seen, identify, look, parse_target};
use crate::core::assess::total;
use crate::core::check::{Thresholds, findings};
use crate::core::target::Target;
use crate::core::text::{counted, grouped, parse_duration};
use crate::exit::{Exit, Failure};
use crate::output::{Cell, Column, Report, Section, Tint};
use crate::session::Session;

/// Report in one line whether a group is healthy
#[derive(Debug, clap::Args)]
pub struct Args {
    /// NAMESPACE/HUB[/GROUP]
    #[arg(value_parser = parse_target)]
    target: Target,
    /// Greatest lag that a partition may have
    #[arg(long, value_name = "EVENTS")]
    max_lag: Option<u64>,
    /// Longest time that a partition may be behind
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_behind: Option<Duration>,
    /// Greatest age of the checkpoint of a partition with a lag
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_checkpoint_age: Option<Duration>,
    /// Fewest live owners that the group must have
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "1")]
    require_owners: Option<usize>,
    /// Use the output and the exit codes of a Nagios plugin
    #[arg(long)]
    nagios: bool,
    #[command(flatten)]
    limits: Limits,
}

const COLUMNS: &[Column] = &[
    Column::new("STATE", &["is_ok"]),
    Column::new("PARTITIONS", &["partition_count"]),
    Column::new("OWNERS", &["owners"]),
    Column::new("LAG", &["lag", "lag_is_bound"]),
    Column::new("FINDINGS", &["findings"]),
];

/// What is said about one group.
struct Verdict {
    seen: Seen,
    findings: Vec<String>,
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    if args.nagios {
        return Ok(nagios(args, session));
    }
    let verdicts = verdicts(args, session)?;
    let is_ok = verdicts.iter().all(|verdict| verdict.findings.is_empty());
    if session.global.output.is_data() {
        let sections = verdicts.iter().map(section).collect();
        session.show(&Report::new("checks", sections))?;
    } else {
        let lines: Vec<_> = verdicts.iter().map(line).collect();
        session.print(&format!("{}\n", lines.join("\n")))?;
    }
    Ok(if is_ok { Exit::Done } else { Exit::Findings })
}

fn verdicts(args: &Args, session: &mut Session) -> Result<Vec<Verdict>, Failure> {
    let thresholds = Thresholds {
        max_lag: args.max_lag,
        max_behind: args.max_behind,
        max_checkpoint_age: args.max_checkpoint_age,
        require_owners: args.require_owners,
    };
    let seen = look(session, &args.target, args.limits)?;
    let judged = seen.into_iter().map(|seen| {
        let findings = findings(&seen.rows, seen.owners, &thresholds);
        Verdict { seen, findings }
    });
    Ok(judged.collect())
}

fn summary(seen: &Seen) -> String {
    let lag = total(seen.rows.iter().map(|(_, assessment)| assessment));
    let lag = lag.map_or_else(String::new, |lag| {
        format!(", lag {}{}", if lag.is_bound { "<= " } else { "" }, grouped(lag.value))
    });
    let (partitions, owners) = (seen.rows.len(), seen.owners);
    format!("{}, {}{lag}", counted(partitions, "partition"), counted(owners, "owner"))
}

fn line(verdict: &Verdict) -> String {
    let group = &verdict.seen.records.group;
    let summary = summary(&verdict.seen);
    if verdict.findings.is_empty() {
        format!("OK {group}: {summary}")
    } else {
        format!("FINDINGS {group}: {} ({summary})", verdict.findings.join("; "))
    }
}

fn section(verdict: &Verdict) -> Section {
    let seen = &verdict.seen;
    let lag = total(seen.rows.iter().map(|(_, assessment)| assessment));
    let mut section = Section { columns: COLUMNS.to_vec(), ..Section::default() };
    identify(&mut section, &seen.records);
    let is_ok = verdict.findings.is_empty();
    section.rows =
        vec![vec![
            Cell::new(if is_ok { "ok" } else { "findings" }, [Value::from(is_ok)])
                .tinted(if is_ok { Tint::Good } else { Tint::Bad }),
            Cell::new(seen.rows.len().to_string(), [Value::from(seen.rows.len())]),
            Cell::new(seen.owners.to_string(), [Value::from(seen.owners)]),
            super::lag::lag_cell(lag),
            Cell::text(verdict.findings.join("; ")),
        ]];
    section
}

/// Nagios knows 0 (ok), 1 (warning), 2 (critical) and 3 (unknown), and reads numbers behind a bar.
fn nagios(args: &Args, session: &mut Session) -> Exit {
    let (exit, line) = match verdicts(args, session) {
        Err(failure) => {
            let message = failure.message.lines().next().unwrap_or_default().replace('|', "/");
            (Exit::NothingFound, format!("UNKNOWN - {message}"))
        }
        Ok(verdicts) => {
            let all: Vec<_> =
                verdicts.iter().flat_map(|verdict| verdict.findings.clone()).collect();
            let rows = verdicts.iter().flat_map(|verdict| &verdict.seen.rows);
            let lag = total(rows.map(|(_, assessment)| assessment)).map_or(0, |lag| lag.value);
            let owners: usize = verdicts.iter().map(|verdict| verdict.seen.owners).sum();
            let text = verdicts
                .iter()
                .map(|verdict| summary(&verdict.seen))
                .collect::<Vec<_>>()
                .join("; ");
            let numbers = format!(
                "lag={lag};;{};0 owners={owners};;;0",
                args.max_lag.map_or(String::new(), |lag| lag.to_string())
            );
            if all.is_empty() {
                (Exit::Done, format!("OK - {text} | {numbers}"))
            } else {
                (Exit::Usage, format!("CRITICAL - {} | {numbers}", all.join("; ")))
            }
        }
    };
    // Whoever runs plugins reads the line; without it the code says enough.
    let _ = session.print(&format!("{line}\n"));
    exit
}
