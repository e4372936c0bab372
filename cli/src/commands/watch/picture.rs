//! The picture of the screen in the documentation, `docs/watch.svg`: this test keeps it as the screen is.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use eventhub_checkpointstore::checkpointstoreblob::BlobCheckpointStore;
use eventhub_checkpointstore::{
    Checkpoint, Clock, ConsumerGroup, MemoryContainer, PartitionOwnership,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::screen::Screen;
use super::{Args, Histories, View, look_once};
use crate::args::{Cli, Command};
use crate::console::Console;
use crate::core::partition::{HubPartition, HubPartitions};
use crate::exit::Failure;
use crate::hub::{EventPlace, HubData, Place};
use crate::progress::Progress;
use crate::session::Session;
use crate::storage::Storage;

const STEP: Duration = Duration::from_secs(5);
const STEPS: i64 = 110;

/// 2026-11-28 21:04:11Z, and what passes from there on.
#[derive(Clone)]
struct ModelClock(Arc<Mutex<Duration>>, Instant);

impl ModelClock {
    fn passed(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

impl Clock for ModelClock {
    fn now(&self) -> Instant {
        self.1 + self.passed()
    }

    fn system_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_899_851) + self.passed()
    }
}

/// The last sequence number of each partition.
struct Hub(ModelClock, Mutex<[i64; 4]>);

impl HubData for Hub {
    fn partitions(&self, _: &str, _: &str, _: &Progress) -> Result<HubPartitions, Failure> {
        let last = *self.1.lock().unwrap();
        let numbers = last.iter().enumerate().map(|(id, last)| {
            let partition = HubPartition {
                first: 0,
                last: *last,
                last_offset: (last * 100).to_string(),
                last_enqueued: Some(self.0.system_time()),
                is_empty: false,
            };
            (id.to_string(), partition)
        });
        Ok(numbers.collect())
    }

    fn event(&self, _: &ConsumerGroup, _: &str, _: &Place) -> Result<Option<EventPlace>, Failure> {
        Err(Failure::failed("nobody reads events here"))
    }
}

/// A fleet works its backlog off; partition 1 hangs, and partition 2 changes its owner.
fn drawn() -> Buffer {
    let clock = ModelClock(Arc::default(), Instant::now());
    let container = MemoryContainer::new().with_clock(clock.clone());
    let store = BlobCheckpointStore::from_container(container.clone());
    let group =
        ConsumerGroup::new("contoso.servicebus.windows.net", "telemetry", "billing").unwrap();
    let hub = Arc::new(Hub(clock.clone(), Mutex::new([880_000, 840_000, 790_000, 912_000])));
    let cli = Cli::try_parse_from(["eventhub-checkpoints", "watch", "contoso/telemetry/billing"])
        .unwrap();
    let Command::Watch(args) = cli.command else { panic!("another command") };
    let mut session = Session::new(
        cli.global,
        silent(),
        Box::new(|_| None),
        Arc::default(),
        SystemTime::now,
        Some(Storage::in_memory(&container).unwrap()),
        Some(Arc::clone(&hub) as Arc<dyn HubData>),
    );
    let (mut screen, mut histories) = (Screen::default(), Histories::default());
    screen.has_colors = true;
    let mut done = [875_000, 802_118, 744_000, 911_990];
    let mut owned: Vec<PartitionOwnership> = Vec::new();
    for step in 0..STEPS {
        let claims: Vec<_> = (0..4_usize)
            .map(|id| {
                let has_moved = id == 2 && step > STEPS - 8;
                let name = if id < 2 || has_moved { "worker-7f3c" } else { "worker-19aa" };
                let claim = PartitionOwnership::new(&group, id.to_string(), name).unwrap();
                match owned.iter().find(|known| known.partition_id() == id.to_string()) {
                    Some(known) => claim.with_etag(known.etag().unwrap().clone()),
                    None => claim,
                }
            })
            .collect();
        owned = store.claim_ownership(&claims).into_claimed();
        let mut last = hub.1.lock().unwrap();
        // A burst in the beginning, then they catch up.
        let burst = if step < 40 { 700 } else { 40 };
        for (id, rates) in [(burst, 420), (30, 0), (60, 900), (25, 25)].into_iter().enumerate() {
            last[id] += rates.0;
            done[id] = last[id].min(done[id] + rates.1);
            if id != 1 || step == 0 {
                let offset = (done[id] * 100).to_string();
                let checkpoint = Checkpoint::new(&group, id.to_string(), offset, done[id]);
                store.update_checkpoint(&checkpoint.unwrap()).unwrap();
            }
        }
        drop(last);
        screen.take(look(&args, &mut session, &mut histories));
        *clock.0.lock().unwrap() += STEP;
    }
    let mut terminal = Terminal::new(TestBackend::new(118, 15)).unwrap();
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    terminal.backend().buffer().clone()
}

fn look(args: &Args, session: &mut Session, histories: &mut Histories) -> Vec<View> {
    look_once(args, session, histories).unwrap_or_else(|failure| panic!("{failure}"))
}

fn silent() -> Console {
    Console {
        out: Box::new(std::io::sink()),
        err: Box::new(std::io::sink()),
        input: Box::new(std::io::empty()),
        out_is_terminal: false,
        err_is_terminal: false,
        can_ask: false,
        is_quiet: true,
    }
}

fn color(color: Color) -> &'static str {
    match color {
        Color::Green => "#8bd48b",
        Color::Yellow => "#e5c07b",
        Color::Red => "#f07178",
        Color::Cyan => "#56b6c2",
        _ => "#d8dee9",
    }
}

/// The cells of the terminal as a picture: runs of one style are one text.
fn svg(buffer: &Buffer) -> String {
    const WIDTH: f64 = 8.4;
    const HEIGHT: f64 = 18.0;
    let (columns, rows) = (f64::from(buffer.area.width), f64::from(buffer.area.height));
    let (width, height) = (columns * WIDTH + 16.0, rows * HEIGHT + 16.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" font-family=\"ui-monospace, \
         'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"6\" \
         fill=\"#1e222a\"/>\n"
    );
    for y in 0..buffer.area.height {
        let cells: Vec<_> = (0..buffer.area.width).map(|x| &buffer[(x, y)]).collect();
        for run in cells.chunk_by(|one, other| same(one, other)).scan(0, |column, run| {
            *column += run.len();
            Some((*column - run.len(), run))
        }) {
            let ((column, cells), first) = (run, run.1[0]);
            let text: String = cells.iter().map(|cell| cell.symbol()).collect();
            let is_reversed = first.modifier.contains(Modifier::REVERSED);
            if text.trim().is_empty() && !is_reversed {
                continue;
            }
            #[allow(clippy::cast_precision_loss, reason = "columns of a terminal")]
            let (x, length) = (8.0 + column as f64 * WIDTH, cells.len() as f64 * WIDTH);
            let top = 8.0 + f64::from(y) * HEIGHT;
            let mut fill = color(first.fg);
            if is_reversed {
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{HEIGHT:.1}\" fill=\"{fill}\"/>"
                );
                fill = "#1e222a";
            }
            let weight =
                if first.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
                 fill=\"{fill}\"{weight} xml:space=\"preserve\">{text}</text>",
                top + 13.5
            );
        }
    }
    svg + "</svg>\n"
}

fn same(one: &Cell, other: &Cell) -> bool {
    (one.fg, one.modifier) == (other.fg, other.modifier)
}

#[test]
fn the_picture_in_the_documentation_is_the_screen() {
    let drawn = svg(&drawn());
    for part in ["stalled", "moved from worker-19aa to worker-7f3c", "OUT/S 25.0", "q quit"] {
        assert!(drawn.contains(part), "no {part}: {drawn}");
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/watch.svg");
    if std::env::var_os("KEEP_PICTURES").is_some() {
        std::fs::write(&path, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == drawn,
        "docs/watch.svg is not what the screen shows: look at it, and renew it with KEEP_PICTURES=1 cargo test picture"
    );
}
