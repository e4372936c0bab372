//! A whole process that makes one checkpoint and ends.

use std::process::Command;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

use crate::measure::{Cost, Effort, middle_of};
use crate::support::server::Server;
use crate::support::target::SHORT;
use crate::support::{aio, blocking};

/// The argument with which the bench starts itself as such a process.
pub const ONCE: &str = "--once";
const BOUND: f64 = 1.2;

/// Makes one checkpoint and prints the CPU time of the process in nanoseconds.
pub fn once(who: &str, port: &str) {
    let port = port.parse().expect("a port");
    match who {
        "ureq" => blocking::Bare::new(port).checkpoints(1),
        "blocking" => blocking::checkpoints(&blocking::store(port, SHORT), 1),
        "reqwest" => runtime().block_on(async { aio::Bare::new(port).checkpoints(1).await }),
        "aio" => runtime().block_on(async { aio::checkpoints(&aio::store(port, SHORT), 1).await }),
        _ => panic!("who is {who}?"),
    }
    println!("{}", ProcessTime::now().as_duration().as_nanos());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

pub fn compare(effort: Effort, server: &mut Server, wants: &dyn Fn(&str) -> bool) -> Vec<String> {
    let port = server.listen(Duration::ZERO);
    let mut misses = Vec::new();
    for (surface, bare) in [("blocking", "ureq"), ("aio", "reqwest")] {
        let name = format!("{surface}: start-up");
        if !wants(&name) {
            continue;
        }
        let pair = |sample| {
            if sample % 2 == 0 {
                let bare = process(bare, port);
                vec![bare, process(surface, port)]
            } else {
                let store = process(surface, port);
                vec![process(bare, port), store]
            }
        };
        let costs: Vec<_> = (0..effort.samples).map(pair).collect();
        let wall = middle_of(&costs, |costs| costs[1].wall / costs[0].wall);
        let cpu = middle_of(&costs, |costs| costs[1].cpu / costs[0].cpu);
        println!(
            "{name}: bare {bare} {:.2} ms, CPU {:.2} ms; store {:.2} ms, CPU {:.2} ms; ratio {wall:.2}, CPU {cpu:.2}, bound {BOUND:.2}",
            middle_of(&costs, |costs| costs[0].wall) / 1e3,
            middle_of(&costs, |costs| costs[0].cpu) / 1e3,
            middle_of(&costs, |costs| costs[1].wall) / 1e3,
            middle_of(&costs, |costs| costs[1].cpu) / 1e3,
        );
        if wall.max(cpu) > BOUND {
            misses.push(format!("{name}: {wall:.2}, CPU {cpu:.2} > {BOUND:.2}"));
        }
    }
    misses
}

fn process(who: &str, port: u16) -> Cost {
    let this = std::env::current_exe().expect("the path of the bench");
    let started = Instant::now();
    let output = Command::new(this).args([ONCE, who, &port.to_string()]).output();
    let wall = started.elapsed().as_secs_f64() * 1e6;
    let output = output.expect("a process");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cpu: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("nanoseconds");
    Cost { wall, cpu: cpu / 1e3 }
}
