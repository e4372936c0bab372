//! `groups`: what a container holds.

use std::time::{Duration, SystemTime};

use super::show::moment;
use crate::args::Expiration;
use crate::core::target::Scope;
use crate::exit::{Exit, Failure};
use crate::output::{Cell, Column, Report, Section, Tint};
use crate::session::Session;
use crate::storage::GroupSummary;

/// List the namespaces, event hubs and consumer groups in the container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those of a namespace or an event hub: NAMESPACE[/HUB]
    #[arg(value_parser = Scope::parse)]
    scope: Option<Scope>,
    #[command(flatten)]
    expiration: Expiration,
}

const COLUMNS: &[Column] = &[
    Column::new("NAMESPACE", &["namespace"]),
    Column::new("EVENT HUB", &["eventhub"]),
    Column::new("GROUP", &["consumer_group"]),
    Column::new("CHECKPOINTS", &["checkpoints"]),
    Column::new("OWNERS", &["live_owners"]),
    Column::new("LAST CHECKPOINT", &["last_checkpoint", "last_checkpoint_seconds_ago"]),
    Column::new("LAST RENEWAL", &["last_renewal", "last_renewal_seconds_ago"]),
    Column::wide("RECORDS OF OWNERS", &["ownerships"]),
    Column::wide("UNREADABLE", &["unreadable"]),
];

pub(crate) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    let storage = session.storage()?;
    let listing = storage.groups()?;
    let now = listing.server_time();
    let mut groups = listing.into_items();
    groups.retain(|summary| args.scope.as_ref().is_none_or(|scope| scope.contains(&summary.group)));
    if groups.is_empty() {
        return Err(Failure::nothing(format!(
            "container {} has no records of any group",
            storage.name
        )));
    }
    let rows = groups.iter().map(|summary| row(summary, now, args.expiration.expiration));
    let section = Section { columns: COLUMNS.to_vec(), rows: rows.collect(), ..Section::default() };
    session.show(&Report::new("groups", vec![section]))?;
    Ok(Exit::Done)
}

fn row(summary: &GroupSummary, now: SystemTime, expiration: Duration) -> Vec<Cell> {
    let count = |count: usize| Cell::number(i64::try_from(count).unwrap_or(i64::MAX));
    let tint = if summary.unreadable > 0 { Tint::Warn } else { Tint::Plain };
    vec![
        Cell::text(summary.group.fully_qualified_namespace()),
        Cell::text(summary.group.eventhub_name()),
        Cell::text(summary.group.consumer_group()),
        count(summary.checkpoints),
        count(summary.live_owners(expiration, now).count()),
        moment(summary.last_checkpoint, now),
        moment(summary.last_renewal, now),
        count(summary.ownerships),
        count(summary.unreadable).tinted(tint),
    ]
}
