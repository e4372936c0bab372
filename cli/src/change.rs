//! How every command that writes goes about it: plan, guard, question, backup, conditional writes, account.

mod apply;
mod backup;
mod report;

use std::time::{Duration, Instant, SystemTime};

use eventhub_checkpointstore::ConsumerGroup;

use crate::args;
use crate::core::partition::{OwnerState, StoredOwner};
use crate::core::plan::{Change, sentence};
use crate::core::records::Naming;
use crate::core::text::{age, ago};
use crate::exit::{Exit, Failure, with_causes};
use crate::session::Session;
use crate::storage::{GroupRecords, POLL, Storage};

/// The changes of one group.
#[derive(Debug, Clone)]
pub(crate) struct GroupPlan {
    pub(crate) group: ConsumerGroup,
    pub(crate) naming: Naming,
    /// The server's clock when the records were read.
    pub(crate) now: SystemTime,
    pub(crate) changes: Vec<Change>,
    /// Who holds partitions of the group.
    pub(crate) owners: Vec<StoredOwner>,
}

impl GroupPlan {
    pub(crate) fn new(records: &GroupRecords, changes: Vec<Change>) -> Self {
        let owners = records.ownerships.iter().map(|ownership| StoredOwner {
            id: ownership.owner_id().map(str::to_owned),
            renewed: ownership.last_modified(),
            etag: ownership.etag().cloned(),
        });
        Self {
            group: records.group.clone(),
            naming: records.naming,
            now: records.server_time(),
            changes,
            owners: owners.collect(),
        }
    }
}

/// A change that a command asks for.
pub(crate) struct Operation<'a> {
    /// The first word of the sentence that is asked: `Move 4 of 32 partitions`.
    pub(crate) verb: &'static str,
    pub(crate) flags: &'a args::Write,
    /// Whether live owners forbid it: they would overwrite it.
    pub(crate) guards_owners: bool,
    /// What is to be known beside the numbers.
    pub(crate) warnings: Vec<String>,
    /// The container that is written to, if it is not the one that is read.
    pub(crate) destination: Option<Destination>,
    /// Reads the records and decides; called again after a wait.
    pub(crate) plan: &'a dyn Fn(&mut Session) -> Result<Vec<GroupPlan>, Failure>,
}

/// Another container than the session's.
pub(crate) struct Destination {
    pub(crate) storage: Storage,
    /// The flags that name it, for `import`.
    pub(crate) flags: String,
}

/// Plans, and with `--execute` makes the change.
pub(crate) fn carry_out(operation: &Operation<'_>, session: &mut Session) -> Result<Exit, Failure> {
    let mut plans = (operation.plan)(session)?;
    let flags = operation.flags;
    if flags.execute && operation.guards_owners && flags.wait.is_some() && !flags.force {
        wait_for_owners(operation, &plans, session)?;
        // Consumers store their last checkpoints when they stop.
        session.look_again();
        plans = (operation.plan)(session)?;
    }
    let is_data = session.global.output.is_data();
    if !is_data || !flags.execute {
        session.show(&report::report(&plans, None))?;
    }
    for warning in &operation.warnings {
        session.console.say(&format!("warning: {warning}"));
    }
    let all: Vec<_> = plans.iter().flat_map(|plan| plan.changes.iter().cloned()).collect();
    let sentence = sentence(operation.verb, &all);
    if !all.iter().any(Change::is_change) {
        if is_data && flags.execute {
            session.show(&report::report(&plans, None))?;
        }
        session.console.say("Nothing to change.");
        return Ok(Exit::Done);
    }
    if operation.guards_owners && !flags.force {
        refuse_live_owners(&plans, flags)?;
    }
    if !flags.execute {
        session.console.say(&format!(
            "{sentence}.\nDry run: nothing was changed. Add --execute to make this change."
        ));
        return Ok(Exit::Done);
    }
    confirm(&sentence, session)?;
    if operation.guards_owners && !flags.force {
        refresh_owners(operation, &mut plans, session)?;
        refuse_live_owners(&plans, flags)?;
    }
    let backup = backup::write(&plans, flags.backup.as_deref())?;
    session.console.say(&format!("Backup: {}", backup.display()));
    let destination = operation.destination.as_ref();
    let results = apply::apply(&plans, destination.map(|there| &there.storage), session)?;
    if is_data {
        session.show(&report::report(&plans, Some(&results)))?;
    }
    let restore = format!(
        "import {}{} --overwrite --execute",
        backup.display(),
        destination.map_or("", |there| &there.flags)
    );
    Ok(apply::account(&plans, &results, &restore, session))
}

/// Reads the owners anew.
fn refresh_owners(
    operation: &Operation<'_>,
    plans: &mut [GroupPlan],
    session: &mut Session,
) -> Result<(), Failure> {
    let storage = match &operation.destination {
        Some(destination) => &destination.storage,
        None => session.storage()?,
    };
    let groups: Vec<_> = plans.iter().map(|plan| (plan.group.clone(), plan.naming)).collect();
    for (plan, listing) in plans.iter_mut().zip(storage.owners_of_each(&groups)?) {
        plan.now = listing.server_time();
        let owners = listing.iter().map(|ownership| StoredOwner {
            id: ownership.owner_id().map(str::to_owned),
            renewed: ownership.last_modified(),
            etag: ownership.etag().cloned(),
        });
        plan.owners = owners.collect();
    }
    Ok(())
}

/// The live owners of a plan's group, each with the time of its last renewal.
fn live(plan: &GroupPlan, expiration: Duration) -> Vec<(String, Duration)> {
    let live =
        plan.owners.iter().filter(|owner| owner.state(plan.now, expiration) == OwnerState::Live);
    let mut found: Vec<(String, Duration)> = live
        .filter_map(|owner| {
            let since = owner.renewed.map(|renewed| age(renewed, plan.now)).unwrap_or_default();
            Some((owner.id.clone()?, since))
        })
        .collect();
    found.sort();
    found.dedup_by(|later, earlier| later.0 == earlier.0);
    found
}

fn named(owners: &[(String, Duration)]) -> String {
    const MOST: usize = 5;
    let mut names: Vec<_> = owners
        .iter()
        .take(MOST)
        .map(|(id, since)| format!("{id} (renewed {})", ago(*since)))
        .collect();
    if owners.len() > MOST {
        names.push(format!("{} more", owners.len() - MOST));
    }
    names.join(", ")
}

fn refuse_live_owners(plans: &[GroupPlan], flags: &args::Write) -> Result<(), Failure> {
    for plan in plans.iter().filter(|plan| plan.changes.iter().any(Change::is_change)) {
        let owners = live(plan, flags.expiration.expiration);
        if !owners.is_empty() {
            return Err(Failure::refused(format!(
                "{} has live owners, whose next checkpoints would overwrite this change: {}",
                plan.group,
                named(&owners)
            ))
            .with_hint(
                "Stop the consumers; or add --wait DURATION to wait until they stop, or --force to proceed.",
            ));
        }
    }
    Ok(())
}

fn wait_for_owners(
    operation: &Operation<'_>,
    plans: &[GroupPlan],
    session: &mut Session,
) -> Result<(), Failure> {
    let deadline = operation.flags.wait.and_then(|wait| Instant::now().checked_add(wait));
    let expiration = operation.flags.expiration.expiration;
    let mut plans = plans.to_vec();
    let mut told = Vec::new();
    loop {
        let owners: Vec<_> = plans.iter().flat_map(|plan| live(plan, expiration)).collect();
        if owners.is_empty() {
            return Ok(());
        }
        if session.is_interrupted() {
            return Err(Failure::new(Exit::Interrupted, "interrupted; nothing was changed"));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Failure::refused(format!(
                "owners are still live after --wait: {}",
                named(&owners)
            ))
            .with_hint("Stop the consumers, wait longer, or add --force to proceed."));
        }
        let ids: Vec<_> = owners.iter().map(|(id, _)| id.clone()).collect();
        if ids != told {
            session.console.say(&format!("Waiting for owners to stop: {}", named(&owners)));
            told = ids;
        }
        session.pause(POLL);
        refresh_owners(operation, &mut plans, session)?;
    }
}

fn confirm(sentence: &str, session: &mut Session) -> Result<(), Failure> {
    if session.global.yes {
        session.console.say(&format!("{sentence}."));
        return Ok(());
    }
    if session.global.no_input || !session.console.can_ask {
        return Err(Failure::refused(format!(
            "{sentence}: not confirmed, because nobody can be asked"
        ))
        .with_hint("Add --yes to make the change without asking."));
    }
    if session.console.ask(&format!("{sentence}?"))? {
        Ok(())
    } else {
        Err(Failure::refused("declined; nothing was changed"))
    }
}

impl From<crate::storage::WriteError> for String {
    fn from(error: crate::storage::WriteError) -> Self {
        use crate::storage::WriteError::{Conflict, Failed, Unknown};
        match error {
            Conflict => "another writer changed it after the plan was made".to_owned(),
            Unknown(error) | Failed(error) => with_causes(&error),
        }
    }
}
