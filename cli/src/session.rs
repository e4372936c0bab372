//! What the commands share: flags, streams, the container and the hub.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eventhub_checkpointstore::ConsumerGroup;
use jiff::tz::TimeZone;

use crate::args::{Auth, Color, Global};
use crate::console::Console;
use crate::core::partition::HubPartitions;
use crate::exit::Failure;
use crate::hub::{AmqpHub, HubAccess, HubData, HubFile};
use crate::output::{Report, Style};
use crate::progress::Progress;
use crate::sign_in;
use crate::storage::{GroupRecords, Storage};

/// Looks a variable of the environment up.
pub type Vars = Box<dyn Fn(&str) -> Option<String>>;

pub struct Session {
    pub(crate) global: Global,
    pub(crate) console: Console,
    pub(crate) vars: Vars,
    pub(crate) interrupted: Arc<AtomicBool>,
    pub(crate) clock: fn() -> std::time::SystemTime,
    pub(crate) storage: Option<Storage>,
    pub(crate) hub: Option<Arc<dyn HubData>>,
    /// The answers of the hubs in this sample, including failures. The groups of a hub share one answer.
    numbers: BTreeMap<String, Result<HubPartitions, Failure>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("console", &self.console).finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn new(
        global: Global,
        console: Console,
        vars: Vars,
        interrupted: Arc<AtomicBool>,
        clock: fn() -> std::time::SystemTime,
        storage: Option<Storage>,
        hub: Option<Arc<dyn HubData>>,
    ) -> Self {
        let numbers = BTreeMap::new();
        Self { global, console, vars, interrupted, clock, storage, hub, numbers }
    }

    /// From here on the hub is asked anew.
    pub(crate) fn look_again(&mut self) {
        self.numbers.clear();
    }

    /// A bar for work that may take long.
    pub(crate) fn progress(&self, what: &'static str) -> Progress {
        if self.console.err_is_terminal && !self.console.is_quiet {
            Progress::on_a_terminal(what)
        } else {
            Progress::none()
        }
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Sleeps, unless it is interrupted.
    pub(crate) fn pause(&self, duration: Duration) {
        const STEP: Duration = Duration::from_millis(50);
        let mut left = duration;
        while !left.is_zero() && !self.is_interrupted() {
            std::thread::sleep(left.min(STEP));
            left = left.saturating_sub(STEP);
        }
    }

    /// The container that flags and environment name.
    pub(crate) fn storage(&mut self) -> Result<&Storage, Failure> {
        if self.storage.is_none() {
            self.storage = Some(Storage::open(&self.global, &*self.vars)?);
        }
        self.storage.as_ref().ok_or_else(|| Failure::failed("the container is not open"))
    }

    /// The numbers of the group's hub; `None` with `--no-hub`.
    pub(crate) fn hub_partitions(
        &mut self,
        group: &ConsumerGroup,
    ) -> Result<Option<HubPartitions>, Failure> {
        if self.global.no_hub {
            return Ok(None);
        }
        if let Some(path) = &self.global.hub_file {
            self.hub = Some(Arc::new(HubFile::read(path)?));
        }
        let (namespace, eventhub) = (group.fully_qualified_namespace(), group.eventhub_name());
        let name = format!("{namespace}/{eventhub}").to_lowercase();
        if let Some(known) = self.numbers.get(&name) {
            return known.clone().map(Some);
        }
        let progress = self.progress("Asking the event hub");
        let numbers = self.hub()?.partitions(namespace, eventhub, &progress);
        drop(progress);
        self.numbers.insert(name, numbers.clone());
        numbers.map(Some)
    }

    /// The event hub that flags and environment name.
    pub(crate) fn hub(&mut self) -> Result<&dyn HubData, Failure> {
        if self.hub.is_none() {
            let Some(access) = self.hub_access()? else {
                return Err(Failure::usage(
                    "the event hub cannot be queried: EVENTHUBS_CONNECTION_STRING is not set",
                )
                .with_hint(
                    "Set it, sign in with --auth login, or use --no-hub to show only what the container has.",
                ));
            };
            let endpoint = self.global.hub_endpoint.as_deref();
            self.hub = Some(Arc::new(AmqpHub::new(access, endpoint, self.global.timeout)));
        }
        self.hub.as_deref().ok_or_else(|| Failure::failed("the event hub is not open"))
    }

    /// A sign-in that was asked for comes before the connection string, and that before one that this machine was given.
    fn hub_access(&self) -> Result<Option<HubAccess>, Failure> {
        let set = |name: &str| (self.vars)(name).filter(|value| !value.trim().is_empty());
        let string =
            set("EVENTHUBS_CONNECTION_STRING").or_else(|| set("EVENTHUB_CONNECTION_STRING"));
        let auth = match self.global.auth {
            auth if sign_in::has_tokens(auth) => Some(auth),
            Auth::Auto if string.is_none() => sign_in::given(&*self.vars),
            _ => None,
        };
        Ok(match auth {
            Some(auth) => Some(HubAccess::Credential(sign_in::credential(auth, &*self.vars)?)),
            None => string.map(HubAccess::ConnectionString),
        })
    }

    /// As [`hub_partitions`](Self::hub_partitions), for commands that do without.
    pub(crate) fn hub_partitions_if_known(
        &mut self,
        group: &ConsumerGroup,
    ) -> Result<Option<HubPartitions>, Failure> {
        let is_known =
            self.hub.is_some() || self.global.hub_file.is_some() || self.hub_access()?.is_some();
        if !is_known {
            return Ok(None);
        }
        self.hub_partitions(group)
    }

    /// The records of a group under every spelling that has some.
    pub(crate) fn records(&mut self, group: &ConsumerGroup) -> Result<Vec<GroupRecords>, Failure> {
        let namings = self.global.name_case.namings();
        let storage = self.storage()?;
        let mut found = storage.read(group, namings)?;
        found.retain(|records| !records.is_empty());
        if found.is_empty() {
            return Err(Failure::nothing(format!(
                "container {} has no records of {group}",
                storage.name
            ))
            .with_hint("List what the container has with `eventhub-checkpoints groups`."));
        }
        if let [_, _] = &found[..] {
            self.warn_of_both_spellings(group);
        }
        Ok(found)
    }

    fn warn_of_both_spellings(&mut self, group: &ConsumerGroup) {
        self.console.say(&format!(
            "{group} has records in both spellings, lower case and as given: two fleets that do not see each other. Choose one \
             with --name-case."
        ));
    }

    /// The records of every group that is meant, from one list of the container: each spelling is a group.
    pub(crate) fn all_records(
        &mut self,
        is_meant: impl Fn(&ConsumerGroup) -> bool,
    ) -> Result<Vec<GroupRecords>, Failure> {
        let namings = self.global.name_case.namings();
        let mut found = self.storage()?.read_all()?;
        found.retain(|records| {
            namings.contains(&records.naming) && !records.is_empty() && is_meant(&records.group)
        });
        for twins in found.windows(2) {
            let [one, other] = twins else { continue };
            if one.group.to_string().to_lowercase() == other.group.to_string().to_lowercase() {
                self.warn_of_both_spellings(&other.group);
            }
        }
        Ok(found)
    }

    /// The records that a change is about: of one spelling.
    pub(crate) fn records_to_change(
        &mut self,
        group: &ConsumerGroup,
    ) -> Result<GroupRecords, Failure> {
        let mut found = self.records(group)?;
        match (found.pop(), found.pop()) {
            (Some(records), None) => Ok(records),
            _ => Err(Failure::refused(format!("{group} has records in both spellings"))
                .with_hint("Choose one with --name-case lower or --name-case as-given.")),
        }
    }

    /// Writes a report to stdout.
    pub(crate) fn show(&mut self, report: &Report) -> Result<(), Failure> {
        let text = report.render(self.style()).map_err(Failure::failed)?;
        self.print(&text)
    }

    /// Writes data to stdout. A reader that has gone away has read enough.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), Failure> {
        match self.console.print(text) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    pub(crate) fn style(&self) -> Style {
        let no_color = (self.vars)("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colors = match self.global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => self.console.out_is_terminal && !no_color,
        };
        Style { format: self.global.output, header: !self.global.no_header, colors }
    }

    /// The zone of times in tables: the terminal's, or UTC in a pipe.
    pub(crate) fn zone(&self) -> Option<TimeZone> {
        self.console.out_is_terminal.then(TimeZone::system)
    }
}
