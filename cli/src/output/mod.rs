//! What a command shows, in five forms: every command describes its result once.

mod data;
mod table;

use serde_json::Value;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// One JSON document.
    Json,
    /// One JSON object a row.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

impl Format {
    /// Whether a program is to read it.
    pub fn is_data(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl | Self::Csv)
    }
}

/// When a column is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    Always,
    Wide,
    /// In JSON and CSV only.
    Data,
}

/// A column of the table, and the keys that it has in data.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub title: &'static str,
    pub show: Show,
    pub keys: &'static [&'static str],
}

impl Column {
    pub const fn new(title: &'static str, keys: &'static [&'static str]) -> Self {
        Self { title, show: Show::Always, keys }
    }

    pub const fn wide(title: &'static str, keys: &'static [&'static str]) -> Self {
        Self { title, show: Show::Wide, keys }
    }

    pub const fn data(keys: &'static [&'static str]) -> Self {
        Self { title: "", show: Show::Data, keys }
    }
}

/// How a cell looks on a terminal with colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tint {
    #[default]
    Plain,
    Good,
    Warn,
    Bad,
}

/// A cell: what people read, and a value for each key of its column.
#[derive(Debug, Clone)]
pub struct Cell {
    pub text: String,
    pub tint: Tint,
    pub values: Vec<Value>,
}

impl Cell {
    pub fn new(text: impl Into<String>, values: impl Into<Vec<Value>>) -> Self {
        Self { text: text.into(), tint: Tint::Plain, values: values.into() }
    }

    /// The same for people and programs.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(text.clone(), [Value::from(text)])
    }

    /// A text, or `-` and null.
    pub fn maybe(text: Option<&str>) -> Self {
        Self::new(text.unwrap_or("-"), [Value::from(text)])
    }

    pub fn number(number: i64) -> Self {
        Self::new(crate::core::text::grouped(number), [Value::from(number)])
    }

    pub fn tinted(mut self, tint: Tint) -> Self {
        self.tint = tint;
        self
    }
}

/// A fact of a whole section in data, as the names of a group.
#[derive(Debug, Clone)]
pub struct Fact {
    pub key: &'static str,
    pub value: Value,
    /// It stands in every row of CSV and JSONL, too.
    pub in_rows: bool,
}

/// A table with its heading and its notes.
#[derive(Debug, Clone, Default)]
pub struct Section {
    pub heading: Vec<String>,
    pub facts: Vec<Fact>,
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Cell>>,
    pub notes: Vec<String>,
}

impl Section {
    pub fn fact(&mut self, key: &'static str, value: impl Into<Value>) {
        self.facts.push(Fact { key, value: value.into(), in_rows: false });
    }

    /// A fact that tells the rows of this section from those of others.
    pub fn identity(&mut self, key: &'static str, value: impl Into<Value>) {
        self.facts.push(Fact { key, value: value.into(), in_rows: true });
    }
}

/// Everything that a command shows.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the rows are in JSON.
    pub rows_are: &'static str,
    pub sections: Vec<Section>,
}

/// How the output looks beside its form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    pub format: Format,
    pub header: bool,
    pub colors: bool,
}

impl Report {
    pub fn new(rows_are: &'static str, sections: Vec<Section>) -> Self {
        Self { rows_are, sections }
    }

    pub fn render(&self, style: Style) -> Result<String, String> {
        match style.format {
            Format::Table | Format::Wide => Ok(table::render(&self.sections, style)),
            Format::Json => data::json(self),
            Format::Jsonl => data::jsonl(self),
            Format::Csv => data::csv(self, style.header),
        }
    }
}
