//! One run of the bench: what is asked for, and what came out.

use std::time::Duration;

use support::core::on_one_core;
use support::measure::{self, Bounds, Effort, Row, Side};
use support::server::{Counts, Mode, Place, Server};
use support::target::Endpoint;

pub struct Run {
    effort: Effort,
    only: Option<String>,
    server: Server,
    rows: usize,
    misses: Vec<String>,
}

/// One port for each side, so that what they did can be told apart.
pub struct Ports {
    place: Place,
    pub bare: Endpoint,
    pub store: Endpoint,
}

impl Run {
    pub fn new(effort: Effort, only: Option<String>) -> Self {
        Self { effort, only, server: Server::start(), rows: 0, misses: Vec::new() }
    }

    pub fn effort(&self) -> Effort {
        self.effort
    }

    pub fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    pub fn listen(&mut self, mode: Mode) -> Ports {
        self.listen_in(Place::Anywhere, mode, Duration::ZERO)
    }

    /// Both sides and the server share a core then.
    pub fn listen_on_one_core(&mut self, mode: Mode) -> Ports {
        self.listen_in(Place::OneCore, mode, Duration::ZERO)
    }

    pub fn listen_far(&mut self, delay: Duration) -> Ports {
        self.listen_in(Place::Anywhere, Mode::Plain, delay)
    }

    fn listen_in(&mut self, place: Place, mode: Mode, delay: Duration) -> Ports {
        let mut listen = || self.server.listen(mode, delay, place);
        Ports { bare: listen(), store: listen(), place }
    }

    pub fn counts(&mut self, ports: &Ports) -> [(&'static str, Counts); 2] {
        let bare = self.server.counts(&ports.bare);
        [("bare client", bare), ("store", self.server.counts(&ports.store))]
    }

    /// Compares the sides, which must make the same number of requests.
    pub fn compare(
        &mut self,
        name: &str,
        bounds: Bounds,
        ports: &Ports,
        bare: Side<'_>,
        store: Side<'_>,
    ) {
        if !self.wants(name) {
            return;
        }
        let before = self.requests(ports);
        bare(1);
        store(1);
        let after = self.requests(ports);
        let requests = after[1] - before[1];
        assert_eq!(after[0] - before[0], requests, "{name}: as many requests as the bare client");

        let cpu = self.server.cpu();
        let mut compare = || measure::compare(self.effort, bare, store);
        let [bare, store, ratio] = match ports.place {
            Place::OneCore => on_one_core(compare),
            Place::Anywhere => compare(),
        };
        let cpu = (self.server.cpu() - cpu).as_secs_f64() * 1e6;
        let served = self.requests(ports).iter().sum::<u64>() - after.iter().sum::<u64>();
        let server = cpu / served as f64;
        let name = name.to_owned();
        let row = Row { name, bounds, requests, server, bare, store, ratio };
        row.print();
        self.judge(row.misses());
    }

    fn requests(&mut self, ports: &Ports) -> [u64; 2] {
        self.counts(ports).map(|(_, counts)| counts.requests)
    }

    /// Takes in what a comparison found to be beyond its bounds.
    pub fn judge(&mut self, misses: impl IntoIterator<Item = String>) {
        self.rows += 1;
        self.misses.extend(misses);
    }

    /// How many connections were opened, which tells what the pool is worth.
    pub fn print_connections(&mut self, callers: &str, ports: &Ports) {
        let [(_, bare), (_, store)] = self.counts(ports);
        if bare.requests > 0 {
            println!(
                "{callers}: bare client {} connections for {} requests, store {} for {}",
                bare.connections, bare.requests, store.connections, store.requests
            );
        }
    }

    /// How many new clients show a race.
    pub fn clients(&self) -> u32 {
        if self.effort.samples > 1 { 50 } else { 2 }
    }

    /// What is beyond its bound.
    pub fn finish(self) -> Vec<String> {
        assert!(self.rows > 0, "nothing is called {:?}", self.only);
        self.misses
    }
}
