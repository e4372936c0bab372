//! Tables for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Ansi};

use super::{Cell, Format, Section, Show, Style, Tint};

const GAP: &str = "  ";

pub(super) fn render(sections: &[Section], style: Style) -> String {
    let texts: Vec<_> = sections.iter().map(|section| render_one(section, style)).collect();
    texts.join("\n")
}

fn render_one(section: &Section, style: Style) -> String {
    let mut text = String::new();
    if style.header && !section.heading.is_empty() {
        text += &section.heading.join("    ");
        text += "\n\n";
    }
    let is_shown =
        |show| show == Show::Always || show == Show::Wide && style.format == Format::Wide;
    let shown: Vec<_> =
        (0..section.columns.len()).filter(|index| is_shown(section.columns[*index].show)).collect();
    let widths: Vec<_> = shown.iter().map(|index| width(section, *index, style.header)).collect();
    if style.header {
        let titles =
            shown.iter().map(|index| (section.columns[*index].title.to_owned(), Tint::Plain));
        line(&mut text, titles, &widths, style.colors);
    }
    for row in &section.rows {
        let cells = shown.iter().filter_map(|index| row.get(*index));
        line(
            &mut text,
            cells.map(|cell: &Cell| (printable(&cell.text), cell.tint)),
            &widths,
            style.colors,
        );
    }
    if !section.notes.is_empty() {
        text.push('\n');
        for note in &section.notes {
            let _ = writeln!(text, "{}", printable(note));
        }
    }
    text
}

fn width(section: &Section, index: usize, header: bool) -> usize {
    let cells = section.rows.iter().filter_map(|row| row.get(index));
    let widest = cells.map(|cell| printable(&cell.text).chars().count()).max().unwrap_or_default();
    let title = if header { section.columns[index].title.len() } else { 0 };
    widest.max(title)
}

fn line(
    text: &mut String,
    cells: impl Iterator<Item = (String, Tint)>,
    widths: &[usize],
    colors: bool,
) {
    let start = text.len();
    for ((cell, tint), width) in cells.zip(widths) {
        let padding = width.saturating_sub(cell.chars().count());
        let ansi = if colors { ansi(tint) } else { Ansi::new() };
        let _ = write!(text, "{ansi}{cell}{ansi:#}{:padding$}{GAP}", "");
    }
    text.truncate(start + text[start..].trim_end().len());
    text.push('\n');
}

fn ansi(tint: Tint) -> Ansi {
    match tint {
        Tint::Plain => Ansi::new(),
        Tint::Good => AnsiColor::Green.on_default(),
        Tint::Warn => AnsiColor::Yellow.on_default(),
        Tint::Bad => AnsiColor::Red.on_default(),
    }
}

/// Names come from blobs that anybody may have written: a terminal must not obey them.
fn printable(text: &str) -> String {
    if text.chars().any(char::is_control) {
        text.chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Column, Report};
    use super::*;

    fn report() -> Report {
        let columns = vec![
            Column::new("PARTITION", &["partition_id"]),
            Column::new("STATUS", &["status"]),
            Column::wide("ETAG", &["etag"]),
            Column::data(&["secret"]),
        ];
        let row = |id: &str, status: &str, tint| {
            vec![
                Cell::text(id),
                Cell::text(status).tinted(tint),
                Cell::maybe(None),
                Cell::number(7),
            ]
        };
        let mut section = Section {
            heading: vec!["a / b".to_owned(), "2 partitions".to_owned()],
            columns,
            rows: vec![row("0", "ok", Tint::Good), row("10", "bad\x1b[2J", Tint::Bad)],
            notes: vec!["10: bad.".to_owned()],
            ..Section::default()
        };
        section.identity("namespace", "a");
        section.fact("lag", 5);
        Report::new("partitions", vec![section])
    }

    fn shown(format: Format, header: bool, colors: bool) -> String {
        report().render(Style { format, header, colors }).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            shown(Format::Table, true, false),
            "a / b    2 partitions\n\nPARTITION  STATUS\n0          ok\n10         bad\\u{1b}[2J\n\n10: bad.\n"
        );
        assert_eq!(
            shown(Format::Wide, false, false),
            "0   ok            -\n10  bad\\u{1b}[2J  -\n\n10: bad.\n"
        );
    }

    #[test]
    fn only_what_has_a_tint_is_colored() {
        let text = shown(Format::Table, true, true);
        assert!(text.contains("\x1b[32mok\x1b[0m") && text.contains("\x1b[31mbad\\u"), "{text:?}");
        assert_eq!(text.matches('\x1b').count(), 4, "{text:?}");
    }

    #[test]
    fn data_has_all_columns_and_values_of_their_types() {
        let json: serde_json::Value =
            serde_json::from_str(&shown(Format::Json, true, true)).unwrap();
        let expected = serde_json::json!({"schema": 1, "groups": [{"namespace": "a", "lag": 5, "partitions": [
            {"partition_id": "0", "status": "ok", "etag": null, "secret": 7},
            {"partition_id": "10", "status": "bad\u{1b}[2J", "etag": null, "secret": 7},
        ]}]});
        assert_eq!(json, expected);
        let first = shown(Format::Jsonl, true, true).lines().next().unwrap().to_owned();
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        let expected = serde_json::json!(
            {"schema": 1, "namespace": "a", "partition_id": "0", "status": "ok", "etag": null, "secret": 7}
        );
        assert_eq!(first, expected);
        let csv = shown(Format::Csv, true, true);
        assert!(csv.starts_with("namespace,partition_id,status,etag,secret\na,0,ok,,7\n"), "{csv}");
        assert!(shown(Format::Csv, false, true).starts_with("a,0,"));
    }
}
