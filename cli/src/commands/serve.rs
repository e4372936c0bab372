//! `serve`: metrics for Prometheus, the lag for KEDA, a health check, and a page.

mod http;
mod metrics;
mod page;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use eventhub_checkpointstore::ConsumerGroup;
use serde_json::json;

use super::lag::{Limits, Seen, look, parse_target};
use super::watch::Histories;
use crate::core::assess::{Status, total};
use crate::core::target::{Target, glob};
use crate::core::text::parse_duration;
use crate::exit::{Exit, Failure};
use crate::session::Session;
use http::{Response, Server};

/// Serve Prometheus metrics, the lag as JSON, a health check and a page over HTTP
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Group to watch: NAMESPACE/HUB[/GROUP]; may be repeated
    #[arg(long = "target", value_name = "TARGET", value_parser = parse_target, required_unless_present = "discover")]
    targets: Vec<Target>,
    /// Watch every group in the container
    #[arg(long)]
    discover: bool,
    /// Only groups that match, such as */telemetry/*
    #[arg(long, value_name = "PATTERN", requires = "discover")]
    include: Vec<String>,
    /// Except groups that match
    #[arg(long, value_name = "PATTERN", requires = "discover")]
    exclude: Vec<String>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9419")]
    listen: String,
    /// Time between samples
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    interval: Duration,
    /// Stop after this many samples
    #[arg(long, value_name = "COUNT", hide = true)]
    count: Option<u64>,
    #[command(flatten)]
    limits: Limits,
}

/// What the last look found, ready to be sent.
#[derive(Debug, Default)]
struct Board {
    metrics: String,
    page: String,
    /// By `/lag/NAMESPACE/HUB/GROUP` in lower case.
    lags: BTreeMap<String, String>,
    /// When a look last succeeded.
    good: Option<Instant>,
}

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    if args.interval.is_zero() {
        return Err(Failure::usage("--interval 0s: it must be longer than 0s, such as 30s"));
    }
    let listener = TcpListener::bind(&args.listen).map_err(|error| {
        Failure::failed(format!("--listen {}: {error}", args.listen))
            .with_hint("Write ADDRESS:PORT with a free port, such as 127.0.0.1:9419.")
    })?;
    let address = listener.local_addr()?;
    let board = Arc::new(RwLock::new(Board::default()));
    let shared = Arc::clone(&board);
    let patience = args.interval * 3 + session.global.timeout;
    let _server =
        Server::start(listener, Arc::new(move |path: &str| respond(&shared, path, patience)));
    session.console.say(&format!("Listening on http://{address}/"));
    let mut histories = BTreeMap::new();
    let mut looks = 0;
    while !session.is_interrupted() {
        let started = Instant::now();
        let sample = sample(args, session, &mut histories);
        publish(&board, args, &sample, started.elapsed(), &histories);
        looks += 1;
        if args.count.is_some_and(|count| looks >= count) {
            return Ok(Exit::Done);
        }
        session.pause(args.interval.saturating_sub(started.elapsed()));
    }
    Ok(Exit::Interrupted)
}

/// One look at every group. A group that fails leaves the others alone.
#[derive(Default)]
struct Sample {
    groups: Vec<Seen>,
    failures: usize,
}

impl Sample {
    fn failed(&mut self, what: &str, failure: &Failure, session: &mut Session) {
        session.console.complain(&format!("error: {what}{failure}"));
        self.failures += 1;
    }
}

fn sample(
    args: &Args,
    session: &mut Session,
    histories: &mut BTreeMap<String, Histories>,
) -> Sample {
    session.look_again();
    let mut sample = Sample::default();
    if args.discover {
        discover(args, session, &mut sample);
    } else {
        for target in &args.targets {
            match look(session, target, args.limits) {
                Ok(found) => sample.groups.extend(found),
                Err(failure) => sample.failed(&format!("{target}: "), &failure, session),
            }
        }
    }
    for seen in &mut sample.groups {
        let now = seen.records.server_time();
        let known = histories.entry(seen.records.group.to_string()).or_default();
        known.of(seen).add(now, &mut seen.rows);
    }
    sample
}

/// Looks at every group that is meant: the container is listed once, and each hub is asked once.
fn discover(args: &Args, session: &mut Session, sample: &mut Sample) {
    let is_meant = |group: &ConsumerGroup| {
        let name = group.to_string();
        let is_included =
            args.include.is_empty() || args.include.iter().any(|pattern| glob(pattern, &name));
        is_included && !args.exclude.iter().any(|pattern| glob(pattern, &name))
    };
    let found = match session.all_records(is_meant) {
        Ok(found) => found,
        Err(failure) => return sample.failed("", &failure, session),
    };
    for records in found {
        match session.hub_partitions(&records.group) {
            Ok(hub) => sample.groups.push(Seen::new(records, hub.as_ref(), args.limits)),
            Err(failure) => sample.failed(&format!("{}: ", records.group), &failure, session),
        }
    }
}

fn publish(
    board: &RwLock<Board>,
    args: &Args,
    sample: &Sample,
    took: Duration,
    histories: &BTreeMap<String, Histories>,
) {
    let is_good = sample.failures == 0;
    let metrics = metrics::text(&sample.groups, is_good, took);
    let mut lags: BTreeMap<String, String> = BTreeMap::new();
    for seen in &sample.groups {
        lags.insert(format!("/lag/{}", seen.records.group).to_lowercase(), lag(seen));
    }
    let page = page::html(&sample.groups, histories, args.interval);
    let mut board = board.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    board.metrics = metrics;
    board.page = page;
    board.lags = lags;
    if is_good {
        board.good = Some(Instant::now());
    }
}

/// For the `metrics-api` scaler of KEDA: `valueLocation: lag`.
fn lag(seen: &Seen) -> String {
    let rows = || seen.rows.iter().map(|(_, assessment)| assessment);
    let most = rows().filter_map(|assessment| assessment.lag).map(|lag| lag.value).max();
    let with_lag = rows().filter(|assessment| assessment.has_lag()).count();
    let sum = total(rows());
    json!({
        "lag": sum.map_or(0, |sum| sum.value),
        "lag_is_bound": sum.is_some_and(|sum| sum.is_bound),
        "max": most.unwrap_or(0),
        "partitions_with_lag": with_lag,
        "partitions": seen.rows.len(),
        "owners": seen.owners,
        "lost_or_ahead": rows().filter(|one| matches!(one.status, Some(Status::Lost | Status::Ahead))).count(),
    })
    .to_string()
}

fn respond(board: &RwLock<Board>, path: &str, patience: Duration) -> Response {
    let board = board.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    match path {
        "/metrics" => Response::ok("text/plain; version=0.0.4; charset=utf-8", &board.metrics),
        "/" => Response::ok("text/html; charset=utf-8", &board.page),
        "/healthz" => match board.good {
            Some(good) if good.elapsed() <= patience => Response::ok("text/plain", "ok\n"),
            Some(_) => Response::new(503, "text/plain", "the last successful sample is too old\n"),
            None => Response::new(503, "text/plain", "no sample has succeeded yet\n"),
        },
        path if path.starts_with("/lag/") => match board.lags.get(&full(path)) {
            Some(lag) => Response::ok("application/json", lag),
            None => Response::new(
                404,
                "application/json",
                "{\"error\":\"this group is not watched\"}\n",
            ),
        },
        _ => Response::new(
            404,
            "text/plain",
            "not found; try /metrics, /lag/NAMESPACE/HUB/GROUP, /healthz or /\n",
        ),
    }
}

/// `/lag/contoso/…` names the whole namespace.
fn full(path: &str) -> String {
    let target = path.strip_prefix("/lag/").and_then(|rest| Target::parse(rest).ok());
    let name =
        target.and_then(|target| target.consumer_group().ok()).map(|group| group.to_string());
    format!("/lag/{}", name.unwrap_or_default()).to_lowercase()
}
