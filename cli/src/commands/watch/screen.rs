//! The full screen: the table, lag and rates over time, who moved, and keys.

use std::cmp::Reverse;
use std::io::{self, Stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState};
use ratatui::{Frame, Terminal};
use serde_json::Value;

use super::{Args, Histories, View, graphs, look_once};
use crate::exit::{Exit, Failure};
use crate::output::{Section, Tint};
use crate::session::Session;

/// The column that the table is sorted by.
const LAG: usize = 2;
const KEPT_MOVES: usize = 4;
const GAP: u16 = 2;
const KEYS: &str =
    " q quit   s sort   g other graph   space pause   ↑ ↓ scroll   tab other spelling";
/// A signal is seen within this time.
const GLANCE: Duration = Duration::from_millis(100);

/// What is on the screen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    views: Vec<View>,
    moves: Vec<String>,
    failure: Option<String>,
    shown: usize,
    /// The first graph.
    graph: usize,
    pub(super) has_colors: bool,
    is_sorted_by_lag: bool,
    is_paused: bool,
    table: TableState,
}

/// What the keys ask for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Quit,
    Sort,
    Graph,
    Pause,
    Up,
    Down,
    Next,
    Redraw,
}

/// Whether the whole terminal is taken.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back as it was, once, if it is taken.
pub(crate) fn give_back() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing is left to be done about a failure.
        let _ = disable_raw_mode();
        // Drawing hides the cursor.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    }
}

/// The whole terminal, until the end of a block.
struct Taken;

impl Taken {
    /// From here on a panic, of any thread, gives the terminal back before it says anything. Not by ratatui's own hook: it
    /// would leave the screen a second time after the message, and put the cursor above it.
    fn take() -> io::Result<(Self, Terminal<CrosstermBackend<Stdout>>)> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            hook(panic);
        }));
        IS_TAKEN.store(true, Ordering::SeqCst);
        let taken = Self;
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok((taken, Terminal::new(CrosstermBackend::new(io::stdout()))?))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

pub(super) fn run(args: &Args, session: &mut Session) -> Result<Exit, Failure> {
    // The first look finds mistakes, before the screen is taken.
    let mut histories = Histories::default();
    let mut screen = Screen { has_colors: session.style().colors, ..Screen::default() };
    screen.take(look_once(args, session, &mut histories)?);
    let (_taken, mut terminal) = Taken::take()?;
    let wishes = listen();
    watch(args, session, &mut screen, &mut histories, &wishes, |screen| {
        terminal.draw(|frame| screen.draw(frame)).map(|_| ())
    })
}

fn watch(
    args: &Args,
    session: &mut Session,
    screen: &mut Screen,
    histories: &mut Histories,
    wishes: &Receiver<Wish>,
    mut draw: impl FnMut(&mut Screen) -> io::Result<()>,
) -> Result<Exit, Failure> {
    let mut looks = 1;
    loop {
        draw(screen)?;
        let next = Instant::now() + args.interval;
        loop {
            if session.is_interrupted() {
                return Ok(Exit::Interrupted);
            }
            let left = next.saturating_duration_since(Instant::now());
            match wishes.recv_timeout(left.min(GLANCE)) {
                Ok(Wish::Quit) => return Ok(Exit::Done),
                Ok(wish) => {
                    screen.obey(&wish);
                    draw(screen)?;
                }
                Err(RecvTimeoutError::Timeout) if left > GLANCE => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Ok(Exit::Interrupted),
            }
        }
        if args.count.is_some_and(|count| looks >= count) {
            return Ok(Exit::Done);
        }
        if !screen.is_paused {
            looks += 1;
            match look_once(args, session, histories) {
                Ok(found) => screen.take(found),
                Err(failure) => screen.failure = Some(failure.to_string()),
            }
        }
    }
}

/// Reads keys on a thread of its own, so that a look that hangs does not keep the terminal.
fn listen() -> Receiver<Wish> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            let Some(wish) = wish(&event) else { continue };
            let is_end = wish == Wish::Quit;
            if sender.send(wish).is_err() {
                return;
            }
            if is_end {
                leave_after(PATIENCE);
                return;
            }
        }
    });
    receiver
}

/// Ends the program if it does not end by itself, as while a look hangs.
fn leave_after(patience: Duration) {
    thread::sleep(patience);
    give_back();
    std::process::exit(0);
}

fn wish(event: &Event) -> Option<Wish> {
    let key = match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key,
        Event::Resize(..) => return Some(Wish::Redraw),
        _ => return None,
    };
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if is_control => Wish::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Wish::Quit,
        KeyCode::Char('s') => Wish::Sort,
        KeyCode::Char('g') => Wish::Graph,
        KeyCode::Char(' ' | 'p') => Wish::Pause,
        KeyCode::Up | KeyCode::Char('k') => Wish::Up,
        KeyCode::Down | KeyCode::Char('j') => Wish::Down,
        KeyCode::Tab => Wish::Next,
        _ => return None,
    })
}

impl Screen {
    pub(super) fn take(&mut self, found: Vec<View>) {
        self.failure = None;
        for view in &found {
            self.moves.extend(view.section.notes.iter().cloned());
        }
        let old = self.moves.len().saturating_sub(KEPT_MOVES);
        self.moves.drain(..old);
        self.views = found;
        self.sort();
    }

    fn obey(&mut self, wish: &Wish) {
        match wish {
            Wish::Sort => {
                self.is_sorted_by_lag = !self.is_sorted_by_lag;
                self.sort();
            }
            Wish::Graph => self.graph += 1,
            Wish::Pause => self.is_paused = !self.is_paused,
            Wish::Up => self.table.scroll_up_by(1),
            Wish::Down => self.table.scroll_down_by(1),
            Wish::Next => self.shown += 1,
            Wish::Quit | Wish::Redraw => {}
        }
    }

    fn sort(&mut self) {
        for View { section, .. } in &mut self.views {
            if self.is_sorted_by_lag {
                section
                    .rows
                    .sort_by_key(|row| Reverse(row[LAG].values.first().and_then(Value::as_u64)));
            } else {
                section.rows.sort_by(|one, other| {
                    crate::core::partition_set::by_id(&one[0].text, &other[0].text)
                });
            }
        }
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let index = self.shown % self.views.len().max(1);
        let Some(View { section, graphs }) = self.views.get(index) else { return };
        let height = u16::try_from(self.moves.len()).unwrap_or(0);
        let parts = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(graphs::HEIGHT),
            Constraint::Min(3),
            Constraint::Length(height),
            Constraint::Length(1),
            Constraint::Length(1),
        ])
        .split(frame.area());
        let tinted = |color| if self.has_colors { Style::new().fg(color) } else { Style::new() };
        frame.render_widget(
            Line::from(section.heading.join("    ")).style(Modifier::BOLD),
            parts[0],
        );
        graphs.draw(frame, parts[1], self.graph, tinted(Color::Cyan));
        frame.render_stateful_widget(
            table(section, parts[2].width, self.has_colors),
            parts[2],
            &mut self.table,
        );
        let moves = self.moves.iter().map(|text| Line::from(text.as_str())).collect::<Vec<_>>();
        frame.render_widget(Paragraph::new(moves).style(tinted(Color::Yellow)), parts[3]);
        let state = match &self.failure {
            Some(failure) => format!("error: {}", failure.replace('\n', " ")),
            None if self.is_paused => "paused".to_owned(),
            None => String::new(),
        };
        frame.render_widget(Line::from(state).style(tinted(Color::Red)), parts[4]);
        frame.render_widget(Line::from(KEYS).style(Modifier::REVERSED), parts[5]);
    }
}

/// Columns that do not fit are left out, from the right: a number that is cut is another number.
fn table(section: &Section, width: u16, has_colors: bool) -> Table<'_> {
    let widths = section.columns.iter().enumerate().map(|(index, column)| {
        let cells = section.rows.iter().filter_map(|row| row.get(index));
        let widest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or_default();
        u16::try_from(widest.max(column.title.len())).unwrap_or(u16::MAX)
    });
    let widths: Vec<_> = widths
        .scan(0_u16, |used, column| {
            *used = used.saturating_add(column).saturating_add(GAP);
            (*used <= width.saturating_add(GAP)).then_some(column)
        })
        .collect();
    let shown = widths.len();
    let titles = section.columns.iter().take(shown).map(|column| column.title);
    let style = |tint| if has_colors { color(tint) } else { Style::new() };
    let rows = section.rows.iter().map(|row| {
        let cells = row.iter().take(shown);
        Row::new(cells.map(|cell| Cell::from(cell.text.as_str()).style(style(cell.tint))))
    });
    Table::new(rows, widths.into_iter().map(Constraint::Length))
        .header(Row::new(titles).style(Modifier::BOLD))
        .column_spacing(GAP)
        .row_highlight_style(Modifier::REVERSED)
}

fn color(tint: Tint) -> Style {
    match tint {
        Tint::Plain => Style::new(),
        Tint::Good => Style::new().fg(Color::Green),
        Tint::Warn => Style::new().fg(Color::Yellow),
        Tint::Bad => Style::new().fg(Color::Red),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::KeyEvent;

    use super::super::graphs::Graphs;
    use super::*;
    use crate::core::samples::History;
    use crate::output::Cell as Shown;

    fn screen() -> Screen {
        let row = |id: &str, lag: i64| {
            vec![Shown::text(id), Shown::text("stalled").tinted(Tint::Bad), Shown::number(lag)]
        };
        let column = crate::output::Column::new;
        let section = Section {
            heading: vec!["ns / hub / group".to_owned(), "2 partitions".to_owned()],
            columns: vec![column("PARTITION", &[]), column("STATUS", &[]), column("LAG", &[])],
            rows: vec![row("0", 5), row("1", 41_298)],
            notes: vec!["0: moved from a to b.".to_owned()],
            ..Section::default()
        };
        let mut screen = Screen::default();
        screen.take(vec![View { section, graphs: Graphs::of(&History::default()) }]);
        screen
    }

    fn shown(screen: &mut Screen, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn it_has_the_table_the_moves_and_the_keys() {
        let mut screen = screen();
        let text = shown(&mut screen, 70, 12);
        for part in ["ns / hub / group", "PARTITION", "41,298", "0: moved from a to b.", "q quit"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let narrow = shown(&mut screen, 20, 12);
        assert!(narrow.contains("stalled") && !narrow.contains("41,298"), "{narrow}");
        // It fits into any size without a panic.
        for (width, height) in [(1, 1), (20, 3), (300, 2), (5, 80)] {
            shown(&mut screen, width, height);
        }
    }

    #[test]
    fn keys_sort_pause_and_quit() {
        let key = |code| wish(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        assert_eq!(key(KeyCode::Char('q')), Some(Wish::Quit));
        assert_eq!(key(KeyCode::Char('x')), None);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(wish(&Event::Key(control_c)), Some(Wish::Quit));
        let mut screen = screen();
        screen.obey(&Wish::Sort);
        assert_eq!(screen.views[0].section.rows[0][0].text, "1");
        screen.obey(&Wish::Sort);
        assert_eq!(screen.views[0].section.rows[0][0].text, "0");
        assert!(shown(&mut screen, 40, 12).contains("LAG -"));
        screen.obey(&Wish::Graph);
        assert!(shown(&mut screen, 40, 12).contains("IN/S -"));
        screen.obey(&Wish::Pause);
        assert!(screen.is_paused);
        screen.failure = Some("the hub is away".to_owned());
        assert!(shown(&mut screen, 70, 12).contains("error: the hub is away"));
    }
}
