//! The page of `serve` in a real browser, Chromium.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bed::{GROUP, TARGET};
use crate::reading::fleet;
use crate::serving::serve;
use crate::support::tools;

/// Drives a browser that is there already.
const PLAYWRIGHT: (&str, &str) = ("playwright-core", "1.65.1");
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut files = std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .filter(|file| file.is_file());
    files.next()
}

/// Chromium; root on Debian gets it installed.
fn browser() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| on_path().or_else(install).unwrap_or_else(|| panic!(
        "there is no {} on PATH, and none could be installed. The page of `serve` is tested in a browser. Install Chromium \
         (Debian and Ubuntu: the package chromium).",
        NAMES.join(" or ")
    ))).clone()
}

fn install() -> Option<PathBuf> {
    // One process at a time: apt has no patience.
    std::fs::create_dir_all(tools::root()).ok()?;
    let lock = File::create(tools::root().join("chromium.lock")).ok()?;
    lock.lock().ok()?;
    if let Some(found) = on_path() {
        return Some(found);
    }
    for args in [
        &["update", "-qq"][..],
        &["install", "-qq", "--yes", "--no-install-recommends", "chromium"],
    ] {
        let mut apt = Command::new("apt-get");
        apt.args(args).env("DEBIAN_FRONTEND", "noninteractive").envs(clean_environment::proxies());
        apt.output().ok().filter(|output| output.status.success())?;
    }
    on_path()
}

/// What the browser sees at widths of a desk and of phones; the pictures go into a folder.
fn look(address: &str, pictures: &TempDir) -> Value {
    let (name, version) = PLAYWRIGHT;
    let folder = tools::npm_package(name, version);
    let mut node = Command::new(tools::NODE);
    node.arg(tools::repository_file("cli/tests/commands/browse.js"));
    node.arg(folder.join("node_modules").join(name)).arg(browser());
    node.arg(format!("http://{address}/")).arg(pictures.path());
    let output = node.output().expect("node runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn the_page_is_read_on_a_desk_and_on_a_phone() {
    let bed = fleet();
    let (hub, service) = (bed.hub(), bed.service.clone());
    serve(&bed, &format!("--target {TARGET}"), move |address| {
        // A backlog that grows and is worked off, a minute a step. The consumers renew and store their checkpoint.
        for step in 0..40 {
            service.set_clock_offset(60 * step);
            hub.publish("0", (20 - (step - 20).abs()) * 90_000, service.now());
            for (id, owner) in [("0", "worker-7f3c"), ("1", "worker-7f3c"), ("2", "worker-19aa")] {
                service.put(&format!("{GROUP}/ownership/{id}"), &[("ownerid", owner)]);
            }
            let position = [("offset", "88120400"), ("sequencenumber", "881204")];
            service.put(&format!("{GROUP}/checkpoint/0"), &position);
            thread::sleep(Duration::from_millis(100));
        }
        let pictures = TempDir::new().unwrap();
        let seen = look(address, &pictures);
        assert_eq!(seen["title"], "Event Hubs lag");
        let expected = json!([["0", "behind"], ["1", "stalled"], ["2", "none"], ["3", "lost"]]);
        assert_eq!(seen["rows"], expected, "{seen}");
        // The lag over time: a line with many points, as high as its box, of a color that is seen.
        let graph = &seen["graph"];
        assert!(graph["points"].as_u64().unwrap() >= 10, "{seen}");
        let (width, height) = (graph["width"].as_f64().unwrap(), graph["height"].as_f64().unwrap());
        assert!(width > 300.0 && height > 20.0, "{seen}");
        assert_ne!(graph["stroke"], graph["background"], "{seen}");
        for (view, page) in seen["views"].as_object().unwrap() {
            let (content, window) = (page["content"].as_u64(), page["window"].as_u64());
            assert!(content.unwrap() <= window.unwrap(), "{view} overflows: {seen}");
            assert!(page["text"].as_f64().unwrap() >= 14.0, "{view}: the text is small: {seen}");
        }
        assert_eq!(seen["views"].as_object().unwrap().len(), 3);
        // The page alone is fetched, but for the icon that browsers ask for themselves.
        let own = format!("http://{address}/");
        let others = |url: &&Value| **url != own.as_str() && **url != format!("{own}favicon.ico");
        let fetched: Vec<_> = seen["requests"].as_array().unwrap().iter().filter(others).collect();
        assert!(fetched.is_empty(), "{fetched:?}");
        assert_eq!(seen["errors"], json!([]), "{seen}");
        // For the documentation: `KEEP_PICTURES=FOLDER cargo test the_page_is_read`.
        if let Some(folder) = std::env::var_os("KEEP_PICTURES").map(PathBuf::from) {
            for name in ["desk.png", "phone.png"] {
                std::fs::copy(pictures.path().join(name), folder.join(name)).unwrap();
            }
        }
    });
}
