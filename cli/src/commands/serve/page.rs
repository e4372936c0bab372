//! The page: the table and the lag over time, in one document without scripts or other files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use crate::commands::lag::{Seen, behind_cell, lag_cell};
use crate::commands::watch::Histories;
use crate::core::assess::{Status, total};
use crate::core::notes::notes;
use crate::core::text::{age, ago, counted, grouped, moment, rough};

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem}\
h1{font-size:1.2rem}h2{font-size:1rem;margin:1.5rem 0 .25rem;overflow-wrap:anywhere}p{margin:.25rem 0}\
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884;white-space:nowrap}\
svg{display:block;width:100%;height:4rem;margin:.5rem 0}polyline{fill:none;stroke:currentColor;stroke-width:1.5;\
vector-effect:non-scaling-stroke}.small{font-size:.9375rem;opacity:.75}.bad{color:#c62828;font-weight:600}.warn{color:#b26a00}.good{color:#2e7d32}\
@media(prefers-color-scheme:dark){.bad{color:#ff8a80}.warn{color:#ffcc80}.good{color:#a5d6a7}}";

pub(super) fn html(
    groups: &[Seen],
    histories: &BTreeMap<String, Histories>,
    interval: Duration,
) -> String {
    let mut body = String::new();
    for seen in groups {
        of_group(&mut body, seen, histories.get(&seen.records.group.to_string()));
    }
    if groups.is_empty() {
        body.push_str("<p>No group has been read yet.</p>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"{}\"><title>Event Hubs lag</title><style>{STYLE}</style></head>\
         <body><h1>Event Hubs consumer lag</h1>{body}</body></html>\n",
        interval.as_secs().max(2)
    )
}

fn of_group(body: &mut String, seen: &Seen, histories: Option<&Histories>) {
    let now = seen.records.server_time();
    let sum = total(seen.rows.iter().map(|(_, assessment)| assessment));
    let lag = sum.map_or("-".to_owned(), |sum| {
        format!("{}{}", if sum.is_bound { "at most " } else { "" }, grouped(sum.value))
    });
    let _ = write!(
        body,
        "<section><h2>{}</h2><p>{}, {}, lag {lag}, {}</p>",
        escaped(&seen.records.group.to_string()),
        counted(seen.rows.len(), "partition"),
        counted(seen.owners, "owner"),
        moment(now, None)
    );
    if let Some(points) = histories
        .and_then(|histories| histories.get(seen))
        .map(crate::core::samples::History::totals)
    {
        body.push_str(&graph(&points.map(|total| (total.at, total.lag)).collect::<Vec<_>>()));
    }
    body.push_str(
        "<div class=\"scroll\"><table><thead><tr><th>Partition<th>Status<th>Lag<th>Behind<th>Checkpoint<th>Last\
         <th>Written<th>Owner</tr></thead><tbody>",
    );
    for (partition, assessment) in &seen.rows {
        let stored = partition.checkpoint.as_ref();
        let number = |number: Option<i64>| number.map_or("-".to_owned(), grouped);
        let owner = partition.owner.as_ref().filter(|_| assessment.has_live_owner());
        let written =
            stored.and_then(|stored| stored.written).map(|written| ago(age(written, now)));
        let _ = write!(
            body,
            "<tr><td>{}<td class=\"{}\">{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
            escaped(&partition.id),
            class(assessment.status),
            assessment.status.map_or("-", Status::word),
            escaped(&lag_cell(assessment.lag).text),
            escaped(&behind_cell(assessment.behind).text),
            number(stored.and_then(|stored| stored.position.sequence_number)),
            number(partition.hub.as_ref().map(|hub| hub.last)),
            written.as_deref().unwrap_or("-"),
            escaped(owner.and_then(|owner| owner.id.as_deref()).unwrap_or("-")),
        );
    }
    body.push_str("</tbody></table></div>");
    for note in notes(seen.rows.iter().map(|(partition, assessment)| (partition, assessment))) {
        let _ = write!(body, "<p>{}</p>", escaped(&note));
    }
    body.push_str("</section>");
}

fn class(status: Option<Status>) -> &'static str {
    match status {
        Some(Status::Ok | Status::Empty) => "good",
        Some(Status::Ahead | Status::Lost | Status::Stalled) => "bad",
        Some(_) => "warn",
        None => "",
    }
}

/// The lag over time as a line.
fn graph(points: &[(SystemTime, u64)]) -> String {
    let (Some((from, _)), Some((to, _))) = (points.first(), points.last()) else {
        return String::new();
    };
    let span = age(*from, *to).as_secs_f64().max(1.0);
    let most = points.iter().map(|(_, lag)| *lag).max().unwrap_or_default().max(1);
    let line: Vec<_> = points
        .iter()
        .map(|(at, lag)| {
            let x = age(*from, *at).as_secs_f64() / span * 1_000.0;
            format!("{x:.1},{:.1}", 100.0 - share(*lag, most) * 100.0)
        })
        .collect();
    format!(
        "<svg viewBox=\"0 -2 1000 104\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Lag over {}, up to {}\">\
         <polyline points=\"{}\"/></svg><p class=\"small\">Lag over {}, up to {}</p>",
        rough(age(*from, *to)),
        grouped(most),
        line.join(" "),
        rough(age(*from, *to)),
        grouped(most)
    )
}

#[allow(clippy::cast_precision_loss, reason = "a pixel is rough")]
fn share(lag: u64, most: u64) -> f64 {
    lag as f64 / most as f64
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
