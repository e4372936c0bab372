//! JSON, JSONL and CSV for programs.

use serde_json::{Map, Value};

use super::{Report, Section};

/// Raised when a key changes its meaning or goes; new keys may come without.
pub const SCHEMA: u32 = 1;

pub(super) fn json(report: &Report) -> Result<String, String> {
    let mut document = Map::from_iter([("schema".to_owned(), Value::from(SCHEMA))]);
    match &report.sections[..] {
        // Without facts the rows are all there is.
        [section] if section.facts.is_empty() => {
            document.insert(report.rows_are.to_owned(), rows(section));
        }
        sections => {
            let groups: Vec<_> = sections
                .iter()
                .map(|section| {
                    let facts =
                        section.facts.iter().map(|fact| (fact.key.to_owned(), fact.value.clone()));
                    let mut group: Map<_, _> = facts.collect();
                    group.insert(report.rows_are.to_owned(), rows(section));
                    Value::Object(group)
                })
                .collect();
            document.insert("groups".to_owned(), Value::Array(groups));
        }
    }
    let text = serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

fn rows(section: &Section) -> Value {
    (0..section.rows.len()).map(|row| Value::Object(pairs(section, row).collect())).collect()
}

fn pairs(section: &Section, row: usize) -> impl Iterator<Item = (String, Value)> {
    section.columns.iter().zip(&section.rows[row]).flat_map(|(column, cell)| {
        column.keys.iter().zip(&cell.values).map(|(key, value)| ((*key).to_owned(), value.clone()))
    })
}

fn identities(section: &Section) -> impl Iterator<Item = (String, Value)> {
    let facts = section.facts.iter().filter(|fact| fact.in_rows);
    facts.map(|fact| (fact.key.to_owned(), fact.value.clone()))
}

pub(super) fn jsonl(report: &Report) -> Result<String, String> {
    let mut text = String::new();
    for section in &report.sections {
        for row in 0..section.rows.len() {
            let mut line = Map::from_iter([("schema".to_owned(), Value::from(SCHEMA))]);
            line.extend(identities(section).chain(pairs(section, row)));
            text += &serde_json::to_string(&line).map_err(|error| error.to_string())?;
            text.push('\n');
        }
    }
    Ok(text)
}

pub(super) fn csv(report: &Report, header: bool) -> Result<String, String> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let failed = |error: csv::Error| error.to_string();
    if let (true, Some(section)) = (header, report.sections.first()) {
        let identities = section.facts.iter().filter(|fact| fact.in_rows).map(|fact| fact.key);
        let keys = section.columns.iter().flat_map(|column| column.keys.iter().copied());
        writer.write_record(identities.chain(keys)).map_err(failed)?;
    }
    for section in &report.sections {
        for row in 0..section.rows.len() {
            let values =
                identities(section).chain(pairs(section, row)).map(|(_, value)| cell(&value));
            writer.write_record(values).map_err(failed)?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
