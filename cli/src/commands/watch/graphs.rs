//! The lag and the rates of a group over time, as sparklines.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Sparkline;

use crate::core::samples::History;
use crate::core::text::grouped;

/// A caption, and three lines of bars.
pub(super) const HEIGHT: u16 = 4;
/// So many columns show something of a history.
const LEAST_WIDTH: u16 = 36;
const GAP: u16 = 2;

/// A number of the group over time; `None` where it is not known.
#[derive(Debug, Clone, PartialEq)]
struct Graph {
    name: &'static str,
    points: Vec<Option<f64>>,
    decimals: usize,
}

/// The lag and both rates.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Graphs(Vec<Graph>);

impl Graphs {
    pub(super) fn of(history: &History) -> Self {
        let graph = |name, decimals, point: &dyn Fn(usize) -> Option<f64>| Graph {
            name,
            points: (0..history.totals().len()).map(point).collect(),
            decimals,
        };
        let totals: Vec<_> = history.totals().collect();
        Self(vec![
            graph("LAG", 0, &|index| Some(whole(totals[index].lag))),
            graph("IN/S", 1, &|index| totals[index].incoming),
            graph("OUT/S", 1, &|index| totals[index].outgoing),
        ])
    }

    /// Draws as many as fit side by side, from the one that is chosen on.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, chosen: usize, style: Style) {
        let fitting = usize::from(area.width.saturating_add(GAP) / (LEAST_WIDTH + GAP)).clamp(1, 3);
        let shown = self.0.iter().cycle().skip(chosen % self.0.len().max(1));
        let places = Layout::horizontal(vec![Constraint::Fill(1); fitting.min(self.0.len())])
            .spacing(GAP)
            .split(area);
        for (graph, place) in shown.zip(places.iter()) {
            graph.draw(frame, *place, style);
        }
    }
}

impl Graph {
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, style: Style) {
        let [caption, bars] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        let points = condensed(&self.points, usize::from(area.width));
        frame.render_widget(Line::from(self.caption()).style(Modifier::BOLD), caption);
        let line = Sparkline::default().data(points.iter().map(|point| point.map(thousandths)));
        frame.render_widget(line.absent_value_symbol(" ").style(style), bars);
    }

    /// The number now, and the highest of all looks.
    fn caption(&self) -> String {
        let most = self.points.iter().flatten().copied().reduce(f64::max);
        match self.points.last().copied().flatten().zip(most) {
            Some((now, most)) => {
                format!("{} {}  max {}", self.name, self.text(now), self.text(most))
            }
            None => format!("{} -", self.name),
        }
    }

    fn text(&self, number: f64) -> String {
        match self.decimals {
            0 => grouped(thousandths(number) / 1_000),
            decimals => format!("{number:.decimals$}"),
        }
    }
}

/// Condenses the whole history into at most `width` points, each the mean of equally many samples. That number is a power of
/// two, so a new sample does not move the older bars.
fn condensed(points: &[Option<f64>], width: usize) -> Vec<Option<f64>> {
    let mut looks = 1;
    while points.len().div_ceil(looks) > width.max(1) {
        looks *= 2;
    }
    points.chunks(looks).map(mean).collect()
}

fn mean(points: &[Option<f64>]) -> Option<f64> {
    let known: Vec<_> = points.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / whole(known.len() as u64))
}

/// Bars have whole heights, and rates may be below one event a second.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bar is rough, and the cast saturates"
)]
fn thousandths(number: f64) -> u64 {
    (number * 1_000.0).round() as u64
}

#[allow(clippy::cast_precision_loss, reason = "a bar is rough")]
fn whole(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn shown(width: u16, chosen: usize) -> String {
        let graph = |name, decimals, points: &[Option<f64>]| Graph {
            name,
            points: points.to_vec(),
            decimals,
        };
        let graphs = Graphs(vec![
            graph("LAG", 0, &[Some(90_000.0), Some(41_298.0)]),
            graph("IN/S", 1, &[None, Some(0.5)]),
            graph("OUT/S", 1, &[None, None]),
        ]);
        let mut terminal = Terminal::new(TestBackend::new(width, HEIGHT)).unwrap();
        terminal.draw(|frame| graphs.draw(frame, frame.area(), chosen, Style::new())).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_wide_screen_has_the_lag_and_both_rates() {
        let text = shown(120, 0);
        for caption in ["LAG 41,298  max 90,000", "IN/S 0.5  max 0.5", "OUT/S -"] {
            assert!(text.contains(caption), "{caption}: {text}");
        }
        let lines: Vec<_> = text.lines().collect();
        let bars = |line: &str| line.trim_matches('"').trim_end().replace(' ', "_");
        // The highest point fills all three lines, and what is not known has no bar.
        assert_eq!(bars(lines[1])[..3].to_owned(), "█".to_owned(), "{text}");
        assert!(lines[1..].iter().all(|line| line.matches('█').count() >= 2), "{text}");
    }

    #[test]
    fn a_narrow_screen_has_one_after_the_other() {
        for (width, chosen, names) in [
            (40, 0, &["LAG"][..]),
            (40, 1, &["IN/S"]),
            (40, 2, &["OUT/S"]),
            (40, 3, &["LAG"]),
            (80, 0, &["LAG", "IN/S"]),
            (80, 2, &["OUT/S", "LAG"]),
        ] {
            let text = shown(width, chosen);
            let line = text.lines().next().unwrap_or_default();
            let found: Vec<_> = line
                .split([' ', '"'])
                .filter(|word| ["LAG", "IN/S", "OUT/S"].contains(word))
                .collect();
            assert_eq!(found, names, "{text}");
        }
    }

    #[test]
    fn a_long_history_is_condensed_and_keeps_its_bars() {
        let points =
            |count: u32| (0..count).map(|point| Some(f64::from(point))).collect::<Vec<_>>();
        assert_eq!(condensed(&points(4), 4), points(4));
        assert_eq!(condensed(&points(5), 4), [Some(0.5), Some(2.5), Some(4.0)]);
        assert_eq!(condensed(&points(8), 4), [Some(0.5), Some(2.5), Some(4.5), Some(6.5)]);
        assert_eq!(
            condensed(&[None, Some(2.0), None, None, Some(1.0)], 3),
            [Some(2.0), None, Some(1.0)]
        );
        assert_eq!(condensed(&points(1_500), 38).len(), 24);
        assert_eq!(condensed(&points(3), 0).len(), 1);
    }

    #[test]
    fn it_fits_into_any_width() {
        for width in [1, 5, 37, 300] {
            shown(width, 1);
        }
        let empty = Graphs::default();
        let mut terminal = Terminal::new(TestBackend::new(50, HEIGHT)).unwrap();
        terminal.draw(|frame| empty.draw(frame, frame.area(), 1, Style::new())).unwrap();
        assert_eq!(terminal.backend().to_string().trim_matches(['"', ' ', '\n']), "");
    }
}
