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
A target is NAMESPACE/HUB[/GROUP], such as contoso/telemetry/billing. A namespace without a dot
gets .servicebus.windows.net. The group defaults to $Default; in a shell, put it in single quotes.

Secrets are read from the environment only: AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or
AZURE_STORAGE_SAS_TOKEN for the storage account, EVENTHUBS_CONNECTION_STRING for the event hub. To
use no secrets, run `az login` and add --auth login, or use a managed or workload identity.

Exit codes: 0 done, or a dry run that would work · 1 failed · 2 usage · 3 nothing found ·
4 refused, nothing changed · 5 partly changed · 6 threshold or findings · 130 interrupted";

/// Show, watch, reset and move the checkpoints of Azure Event Hubs consumers in any language.
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
    /// Blob container that holds the records [env: AZURE_STORAGE_CONTAINER, AZURE_STORAGE_BLOB_CONTAINER]
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Storage")]
    pub container: Option<String>,
    /// Storage account [env: AZURE_STORAGE_ACCOUNT]
    #[arg(long, global = true, value_name = "NAME", help_heading = "Storage")]
    pub account: Option<String>,
    /// URL of the blob service, for emulators and sovereign clouds
    #[arg(long, global = true, value_name = "URL", help_heading = "Storage")]
    pub storage_url: Option<String>,
    /// Spelling of the names in the blobs; auto reads both
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
    /// How to sign in; login, managed-identity and workload-identity also apply to the event hub
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
    /// Address of the event hub, such as amqp://127.0.0.1:5672, for emulators and private endpoints
    #[arg(long, global = true, value_name = "URL", help_heading = "Event Hubs")]
    pub hub_endpoint: Option<String>,
    /// Do not query the event hub; columns that need it show -
    #[arg(long, global = true, help_heading = "Event Hubs")]
    pub no_hub: bool,
    /// Read the event hub's numbers from a JSON file written by `lag -o json`
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "no_hub",
        help_heading = "Event Hubs"
    )]
    pub hub_file: Option<PathBuf>,
    /// Output format
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
    /// Omit headings and titles
    #[arg(long, global = true, help_heading = "Output")]
    pub no_header: bool,
    /// When to use colors; NO_COLOR turns them off
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
    /// Time limit for each call to the storage account and each request to the event hub
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        default_value = "30s",
        value_parser = parse_duration,
        help_heading = "Other"
    )]
    pub timeout: Duration,
    /// Print only results and errors
    #[arg(short, long, global = true, help_heading = "Other")]
    pub quiet: bool,
    /// Print more: requests with -v, their details with -vv
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Other")]
    pub verbose: u8,
    /// Make changes without asking
    #[arg(short, long, global = true, help_heading = "Other")]
    pub yes: bool,
    /// Never ask; refuse changes that are not confirmed by --yes
    #[arg(long, global = true, help_heading = "Other")]
    pub no_input: bool,
}

/// Which partitions.
#[derive(Debug, Clone, Args)]
pub struct Partitions {
    /// Only these partitions, such as 0,3-5
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
    /// Treat an owner as gone if it has not renewed for this long
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    pub expiration: Duration,
}

/// What every command that writes has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Making the change")]
pub struct Write {
    /// Make the change; without this, only show the plan
    #[arg(long)]
    pub execute: bool,
    /// Wait up to this long for the owners to stop
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub wait: Option<Duration>,
    /// Proceed although owners are live; their next checkpoints overwrite the change
    #[arg(long)]
    pub force: bool,
    /// New file for the backup; by default, one in the current folder
    #[arg(long, value_name = "FILE")]
    pub backup: Option<PathBuf>,
    #[command(flatten)]
    pub expiration: Expiration,
}

/// Which checkpoint takes precedence where there is one already.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub struct Existing {
    /// Write only where there is no checkpoint (default)
    #[arg(long)]
    pub if_missing: bool,
    /// Also replace checkpoints with a lower sequence number
    #[arg(long)]
    pub if_newer: bool,
    /// Replace every checkpoint
    #[arg(long)]
    pub overwrite: bool,
}
