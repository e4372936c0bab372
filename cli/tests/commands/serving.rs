//! `serve`: what Prometheus, KEDA, a probe and a browser get, and that no client holds it up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use eventhub_checkpoints::exit::Exit;
use serde_json::{Value, json};

use crate::bed::{Bed, Buffer, GROUP, TARGET};
use crate::reading::fleet;
use crate::support::tools;

/// Where the server listens, once it says so.
fn address(err: &Buffer) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let text = err.text();
        if let Some(rest) = text.split_once("http://") {
            return rest.1.split('/').next().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "it does not listen: {text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn get(address: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

/// Waits for the first look.
fn ready(err: &Buffer) -> String {
    let address = address(err);
    let deadline = Instant::now() + Duration::from_secs(60);
    while get(&address, "/healthz").0 != 200 {
        assert!(Instant::now() < deadline, "no look succeeds: {}", err.text());
        std::thread::sleep(Duration::from_millis(10));
    }
    address
}

pub fn serve(bed: &Bed, flags: &str, client: impl FnOnce(&str) + Send + 'static) {
    let line = format!("serve --listen 127.0.0.1:0 --interval 100ms {flags}");
    bed.run_beside(&line, move |err| client(&ready(&err))).ends(Exit::Interrupted);
}

#[test]
fn metrics_are_in_the_text_format_of_prometheus() {
    let bed = fleet();
    bed.owner("1", "odd \"name\" \\ of\ta worker", 8);
    serve(&bed, &format!("--target {TARGET}"), |address| {
        let (status, head, text) = get(address, "/metrics");
        assert_eq!(status, 200);
        assert!(head.contains("Content-Type: text/plain; version=0.0.4"), "{head}");
        let labels = "namespace=\"contoso.servicebus.windows.net\",eventhub=\"telemetry\",consumer_group=\"billing\",name_case=\"lower\"";
        for line in [
            format!("eventhub_consumer_lag_events{{{labels},partition=\"0\"}} 12"),
            format!("eventhub_consumer_lag_events{{{labels},partition=\"2\"}} 790001"),
            format!("eventhub_consumer_lost_events{{{labels},partition=\"3\"}} 18400"),
            format!("eventhub_consumer_lost_events{{{labels},partition=\"0\"}} 0"),
            format!("eventhub_consumer_status{{{labels},partition=\"1\",status=\"stalled\"}} 1"),
            format!("eventhub_consumer_status{{{labels},partition=\"1\",status=\"ok\"}} 0"),
            format!(
                "eventhub_consumer_partition_owned{{{labels},partition=\"0\",owner=\"worker-7f3c\"}} 1"
            ),
            format!("eventhub_partition_first_sequence_number{{{labels},partition=\"3\"}} 19601"),
            format!("eventhub_consumer_owners{{{labels}}} 3"),
            "eventhub_checkpoints_scrape_success 1".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
        well_formed(&text);
    });
}

/// Prometheus' own parser, in Python.
const PARSER: &str = "prometheus-client==0.26.0";

#[test]
fn the_parser_of_prometheus_reads_the_metrics() {
    let bed = fleet();
    let odd = "odd \"name\" \\ of\ta wörker";
    bed.owner("1", odd, 8);
    serve(&bed, &format!("--target {TARGET}"), move |address| {
        let (_, _, text) = get(address, "/metrics");
        let families = parsed(&text);
        let names: Vec<_> = families.as_object().unwrap().keys().collect();
        assert_eq!(names.len(), 12, "{names:?}");
        for (name, family) in families.as_object().unwrap() {
            assert_eq!(family["type"], "gauge", "{name}");
            assert!(family["help"].as_str().unwrap().ends_with('.'), "{name}");
            assert!(!family["samples"].as_array().unwrap().is_empty(), "{name}");
        }
        let value = |name: &str, label: &str, value: &str| {
            let samples = families[name]["samples"].as_array().unwrap();
            let found = samples.iter().find(|sample| sample[1][label] == value);
            found.unwrap_or_else(|| panic!("{name} {label}={value}: {samples:?}"))[2].clone()
        };
        assert_eq!(value("eventhub_consumer_lag_events", "partition", "1"), 41_298.0);
        assert_eq!(value("eventhub_consumer_lost_events", "partition", "3"), 18_400.0);
        assert_eq!(value("eventhub_partition_last_sequence_number", "partition", "2"), 790_000.0);
        assert_eq!(value("eventhub_consumer_partition_owned", "owner", odd), 1.0);
        let labels = &families["eventhub_consumer_lag_events"]["samples"][0][1];
        let expected = json!({
            "namespace": "contoso.servicebus.windows.net", "eventhub": "telemetry",
            "consumer_group": "billing", "name_case": "lower", "partition": "0",
        });
        assert_eq!(*labels, expected);
        let statuses = families["eventhub_consumer_status"]["samples"].as_array().unwrap();
        let set = statuses.iter().filter(|sample| sample[2] == 1.0);
        assert_eq!(set.count(), 4, "one status a partition");
    });
}

fn parsed(text: &str) -> Value {
    let python = tools::python_venv_with(&tools::root().join("prometheus"), &[PARSER]);
    let mut command = Command::new(python);
    command.arg(tools::repository_file("cli/tests/commands/prometheus.py"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the parser refuses\n{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each family once, with its help and type before its samples; each sample a name, labels and a number.
fn well_formed(text: &str) {
    let mut families = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(kind, "gauge");
            assert!(!families.contains(&name), "{name} twice");
            families.push(name);
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().unwrap();
            assert_eq!(families.last(), Some(&name), "{line}");
            let value = line.rsplit_once(' ').unwrap().1;
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(families.len() >= 11 && text.ends_with('\n'));
}

#[test]
fn keda_gets_the_lag_of_a_group() {
    let bed = fleet();
    serve(&bed, &format!("--target {TARGET}"), |address| {
        for path in [
            "/lag/contoso/telemetry/billing",
            "/lag/contoso.servicebus.windows.net/Telemetry/Billing?x=1",
        ] {
            let (status, _, body) = get(address, path);
            assert_eq!(status, 200, "{path}: {body}");
            let lag: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((&lag["lag"], &lag["max"]), (&json!(832_311), &json!(790_001)));
            assert_eq!((&lag["partitions_with_lag"], &lag["partitions"]), (&json!(4), &json!(4)));
        }
        assert_eq!(get(address, "/lag/contoso/telemetry").0, 404);
        assert_eq!(get(address, "/lag/contoso/telemetry/%24default").0, 404);
        assert_eq!(get(address, "/nothing").0, 404);
    });
}

#[test]
fn the_page_has_every_name_escaped_and_needs_no_other_file() {
    let bed = fleet();
    bed.owner("0", "<script>alert(1)</script>", 8);
    serve(&bed, &format!("--target {TARGET}"), |address| {
        let (status, head, page) = get(address, "/");
        assert_eq!(status, 200);
        assert!(head.contains("default-src 'none'") && head.contains("text/html"), "{head}");
        assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
        assert!(page.contains("<td class=\"bad\">stalled") && page.contains("<polyline"), "{page}");
        assert!(
            page.contains("name=\"viewport\"")
                && !page.contains("http://")
                && !page.contains("https://")
        );
    });
}

#[test]
fn discovery_takes_what_is_included_and_not_excluded() {
    let bed = fleet();
    let other = GROUP.replace("billing", "audit");
    bed.blob(&format!("{other}/checkpoint/0"), &[("offset", "1"), ("sequencenumber", "1")], 60);
    bed.blob(
        "fabrikam.servicebus.windows.net/h/g/checkpoint/0",
        &[("offset", "1"), ("sequencenumber", "1")],
        60,
    );
    serve(&bed, "--discover --include contoso*/telemetry/* --exclude */audit", |address| {
        assert_eq!(get(address, "/lag/contoso/telemetry/billing").0, 200);
        assert_eq!(get(address, "/lag/contoso/telemetry/audit").0, 404);
        assert_eq!(get(address, "/lag/fabrikam/h/g").0, 404);
    });
}

#[test]
fn slow_and_hostile_clients_hold_nobody_up() {
    let bed = fleet();
    serve(&bed, &format!("--target {TARGET}"), |address| {
        // Half a request each, for as long as they are let.
        let idle: Vec<_> = (0..40)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").unwrap();
                stream
            })
            .collect();
        for (bytes, status) in [
            (b"GET /healthz HTTP/1.1\r\n\r\n".to_vec(), "200"),
            (b"HEAD /metrics HTTP/1.1\r\n\r\n".to_vec(), "200"),
            (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_vec(), "405"),
            (b"\x16\x03\x01\x02\x00".to_vec(), "400"),
            ([b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 20_000]].concat(), "400"),
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            // It may close before the last byte of a head that is too long.
            let _ = stream.write_all(&bytes);
            let mut response = Vec::new();
            let _ = stream.read_to_end(&mut response);
            let response = String::from_utf8_lossy(&response).into_owned();
            assert!(
                response.is_empty() || response.starts_with(&format!("HTTP/1.1 {status} ")),
                "{status}: {response}"
            );
            if status == "200" {
                assert!(!response.is_empty());
            }
        }
        drop(idle);
    });
}

#[test]
fn a_failing_look_shows_in_health_and_metrics() {
    let bed = fleet();
    let line = format!("serve --listen 127.0.0.1:0 --interval 50ms --target {TARGET}");
    bed.hub_is_away();
    bed.run_beside(&line, |err| {
        let address = address(&err);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !get(&address, "/metrics").2.contains("scrape_success 0") {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(get(&address, "/healthz").0, 503);
    })
    .ends(Exit::Interrupted)
    .says("the event hub is away");
    bed.run("serve --listen nowhere:x --discover").ends(Exit::Failed).says("nowhere");
    bed.run("serve").ends(Exit::Usage).says("--target");
}
