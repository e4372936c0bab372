//! A whole process that makes one checkpoint and ends.

use std::process::Command;
use std::time::Instant;

use cpu_time::ProcessTime;

use crate::run::{Ports, Run};
use support::measure::{Cost, middle_of, miss};
use support::server::Mode;
use support::target::{Endpoint, Work};
use support::{aio, blocking};

/// The argument with which the bench starts itself as such a process.
pub const ONCE: &str = "--once";
const BOUND: Option<f64> = Some(1.2);

/// Makes one checkpoint and prints the CPU time of the process in nanoseconds.
pub fn once(who: &str, endpoint: &[String]) {
    let endpoint = Endpoint::from_arguments(endpoint);
    let work = Work::Checkpoint;
    match who {
        "ureq" => blocking::Bare::new(&endpoint).repeat(work, 1),
        "blocking" => blocking::Store::new(&endpoint).repeat(work, 1),
        "reqwest" => runtime().block_on(async { aio::Bare::new(&endpoint).repeat(work, 1).await }),
        "aio" => runtime().block_on(async { aio::Store::new(&endpoint).repeat(work, 1).await }),
        _ => panic!("who is {who}?"),
    }
    println!("{}", ProcessTime::now().as_duration().as_nanos());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

pub fn compare(run: &mut Run) {
    let (plain, tls) = (run.listen(Mode::Plain), run.listen(Mode::Tls));
    for (surface, bare) in [("blocking", "ureq"), ("aio", "reqwest")] {
        for (over, ports) in [("", &plain), (", TLS", &tls)] {
            let name = format!("{surface}{over}: start-up");
            if run.wants(&name) {
                compare_one(run, &name, [bare, surface], ports);
            }
        }
    }
}

fn compare_one(run: &mut Run, name: &str, [bare, surface]: [&str; 2], ports: &Ports) {
    let (of_bare, of_store) = (|| process(bare, &ports.bare), || process(surface, &ports.store));
    let pair = |sample| {
        if sample % 2 == 0 {
            let bare = of_bare();
            vec![bare, of_store()]
        } else {
            let store = of_store();
            vec![of_bare(), store]
        }
    };
    let costs: Vec<_> = (0..run.effort().samples).map(pair).collect();
    let wall = middle_of(&costs, |costs| costs[1].wall / costs[0].wall);
    let cpu = middle_of(&costs, |costs| costs[1].cpu / costs[0].cpu);
    println!(
        "{name}: bare {bare} {:.2} ms, CPU {:.2} ms; store {:.2} ms, CPU {:.2} ms; ratio {wall:.2}, CPU {cpu:.2}, bound {:.2}",
        middle_of(&costs, |costs| costs[0].wall) / 1e3,
        middle_of(&costs, |costs| costs[0].cpu) / 1e3,
        middle_of(&costs, |costs| costs[1].wall) / 1e3,
        middle_of(&costs, |costs| costs[1].cpu) / 1e3,
        BOUND.unwrap_or_default(),
    );
    let misses = [("wall", wall), ("CPU", cpu)];
    run.judge(
        misses
            .into_iter()
            .filter_map(|(what, ratio)| miss(&format!("{name}: {what}"), ratio, BOUND)),
    );
}

fn process(who: &str, endpoint: &Endpoint) -> Cost {
    let this = std::env::current_exe().expect("the path of the bench");
    let started = Instant::now();
    let output = Command::new(this).args([ONCE, who]).args(endpoint.arguments()).output();
    let wall = started.elapsed().as_secs_f64() * 1e6;
    let output = output.expect("a process");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cpu: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("nanoseconds");
    Cost { wall, cpu: cpu / 1e3 }
}
