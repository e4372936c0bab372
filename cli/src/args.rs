//! The command line.
#![allow(
    clippy::doc_markdown,
    clippy::struct_excessive_bools,
    reason = "the comments are the help text, and flags are flags"
)]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::core::partition_set::PartitionSet;
use crate::core::records::Naming;
use crate::core::text::parse_duration;
use crate::output::Format;

const AFTER_HELP: &str = "\
Targets: NAMESPACE/HUB[/GROUP], as in contoso/telemetry/billing. A namespace without a dot gets
.servicebus.windows.net; the group defaults to $Default, which a shell wants in single quotes.

Secrets come from the environment only: AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or
AZURE_STORAGE_SAS_TOKEN for the storage account, EVENTHUBS_CONNECTION_STRING for the hub. Without
secrets: --auth login, with `az login`; --auth managed-identity or workload-identity.

Exit codes: 0 done, or a dry run that would work · 1 failed · 2 usage · 3 nothing found ·
4 refused, nothing changed · 5 partly changed · 6 threshold or findings · 130 interrupted";

/// See, mend and move the checkpoints of Azure Event Hubs consumers, in any language.
#[derive(Debug, Parser)]
#[command(name = "eventhub-checkpoints", version, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Groups(commands::groups::Args),
    Show(commands::show::Args),
    Lag(commands::lag::Args),
    Watch(commands::watch::Args),
    Check(commands::check::Args),
    Serve(commands::serve::Args),
    Reset(commands::reset::Args),
    Delete(commands::delete::Args),
    Release(commands::release::Args),
    Export(commands::export::Args),
    Import(commands::import::Args),
    Copy(commands::copy::Args),
    Migrate(commands::migrate::Args),
    Doctor(commands::doctor::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// How the names of a group are written into the names of its blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum NameCase {
    /// Whichever has records.
    #[default]
    Auto,
    /// Lower case: Python, .NET, JavaScript, C++, eventhub-checkpointstore.
    Lower,
    /// As given: Java, Go, azure_messaging_eventhubs up to 0.9.
    AsGiven,
}

impl NameCase {
    pub fn namings(self) -> &'static [Naming] {
        match self {
            Self::Auto => &[Naming::Lower, Naming::AsGiven],
            Self::Lower => &[Naming::Lower],
            Self::AsGiven => &[Naming::AsGiven],
        }
    }
}

/// How the tool signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Auth {
    /// A connection string, a key or a SAS, whichever is set; else the identity of the pod or the app.
    #[default]
    Auto,
    /// AZURE_STORAGE_CONNECTION_STRING.
    ConnectionString,
    /// AZURE_STORAGE_KEY.
    Key,
    /// AZURE_STORAGE_SAS_TOKEN.
    Sas,
    /// Whoever is signed in with `az login` or `azd auth login`.
    Login,
    /// The managed identity of the machine or the app.
    ManagedIdentity,
    /// The identity of the pod's service account.
    WorkloadIdentity,
    /// No credential.
    Anonymous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The blob container [env: AZURE_STORAGE_CONTAINER, AZURE_STORAGE_BLOB_CONTAINER]
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Storage")]
    pub container: Option<String>,
    /// The storage account [env: AZURE_STORAGE_ACCOUNT]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Storage")]
    pub account: Option<String>,
    /// The URL of the blob service, for emulators and sovereign clouds
    #[arg(long, global = true, value_name = "URL", help_heading = "Storage")]
    pub storage_url: Option<String>,
    /// How the names stand in the blobs
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "auto|lower|as-given",
        help_heading = "Storage"
    )]
    pub name_case: NameCase,
    /// How to sign in: login, managed-identity and workload-identity at the event hub, too
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "auto|connection-string|key|sas|login|managed-identity|workload-identity|anonymous",
        help_heading = "Storage"
    )]
    pub auth: Auth,
    /// The address of the hub, as amqp://127.0.0.1:5672, for emulators and private endpoints
    #[arg(long, global = true, value_name = "URL", help_heading = "Event Hubs")]
    pub hub_endpoint: Option<String>,
    /// Do not ask the event hub: what only it knows is shown as -
    #[arg(long, global = true, help_heading = "Event Hubs")]
    pub no_hub: bool,
    /// Take the hub's numbers from a JSON file, as `lag -o json` writes them
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "no_hub",
        help_heading = "Event Hubs"
    )]
    pub hub_file: Option<PathBuf>,
    /// The form of the output
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "table|wide|json|jsonl|csv",
        help_heading = "Output"
    )]
    pub output: Format,
    /// Leave headings and titles out
    #[arg(long, global = true, help_heading = "Output")]
    pub no_header: bool,
    /// Colors; NO_COLOR switches them off
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "auto|always|never",
        help_heading = "Output"
    )]
    pub color: Color,
    /// The limit of each call of the storage account
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: requests with -v, their details with -vv
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Do not ask before a change
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Never ask: what needs an answer is refused
    #[arg(long, global = true)]
    pub no_input: bool,
}

/// Which partitions.
#[derive(Debug, Clone, Args)]
pub struct Partitions {
    /// Only these partitions, as in 0,3-5
    #[arg(short, long, value_name = "LIST", value_parser = PartitionSet::parse)]
    pub partitions: Option<PartitionSet>,
}

impl Partitions {
    pub fn set(&self) -> PartitionSet {
        self.partitions.clone().unwrap_or_default()
    }
}

/// When an owner counts as gone.
#[derive(Debug, Clone, Copy, Args)]
pub struct Expiration {
    /// An owner that has not renewed for this long is gone
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    pub expiration: Duration,
}

/// What every command that writes has.
#[derive(Debug, Clone, Args)]
pub struct Write {
    /// Make the change; without it the plan is only shown
    #[arg(long)]
    pub execute: bool,
    /// Wait so long for the owners to stop
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub wait: Option<Duration>,
    /// Go on although owners are live: their next checkpoints overwrite the change
    #[arg(long)]
    pub force: bool,
    /// Where the backup is written; by default a new file in the current folder
    #[arg(long, value_name = "FILE")]
    pub backup: Option<PathBuf>,
    #[command(flatten)]
    pub expiration: Expiration,
}

/// What wins where there is a checkpoint already.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub struct Existing {
    /// Only where there is no checkpoint (the default)
    #[arg(long)]
    pub if_missing: bool,
    /// Also where the checkpoint has a lower sequence number
    #[arg(long)]
    pub if_newer: bool,
    /// Everywhere
    #[arg(long)]
    pub overwrite: bool,
}
