//! Whole consumers of 200,000 events over AMQP, beside a bare receiver of fe2o3-amqp and the official client.
//!
//! `cargo bench` measures, and fails if a bound is not met; `cargo bench --features official` has the official client in
//! the comparison. Without `--bench`, as under `cargo test --benches`, each client receives a few events, and only what
//! holds on any machine is asserted.
//!
//! The server and each client run in separate processes, so that processor time and memory are those of the client. All
//! clients receive from the same server in turns; the ratios are medians over the rounds.

mod clients;
mod meter;
mod table;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use firehose::Content;
use tokio::net::TcpListener;

use clients::{Endpoint, Kind};
use meter::Measured;
use table::Row;

const FULL: (u32, usize) = (25_000, 7);
const SMOKE: (u32, usize) = (500, 1);
const PARTITIONS: u32 = 8;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => {
            serve(Path::new(&arguments[1]));
            ExitCode::SUCCESS
        }
        Some("client") => {
            println!("{}", client(&arguments[1..]));
            ExitCode::SUCCESS
        }
        _ => compare(arguments.iter().any(|argument| argument == "--bench")),
    }
}

/// Serves plain AMQP and TLS on two ports, which it prints, until its input ends.
fn serve(certificate: &Path) {
    let identity = rcgen::generate_simple_self_signed(["127.0.0.1".to_string()]).unwrap();
    std::fs::write(certificate, identity.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key.into())
        .unwrap();
    // One thread: on a small machine the other processors are the client's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(|| {
        let _ = std::io::stdin().lines().count();
        std::process::exit(0);
    });
    runtime.block_on(async {
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{} {}", plain.local_addr().unwrap().port(), secure.local_addr().unwrap().port());
        std::io::stdout().flush().unwrap();
        let tls = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let served =
            tokio::try_join!(firehose::serve(plain, None), firehose::serve(secure, Some(tls)));
        served.unwrap();
    });
}

fn client(arguments: &[String]) -> Measured {
    let [kind, port, certificate, partitions, events, bytes] = arguments else {
        panic!("client KIND PORT CERTIFICATE PARTITIONS EVENTS BYTES, not {arguments:?}");
    };
    let content = Content {
        partitions: partitions.parse().unwrap(),
        events: events.parse().unwrap(),
        bytes: bytes.parse().unwrap(),
    };
    let pem = (certificate != "-").then(|| std::fs::read_to_string(certificate).unwrap());
    let endpoint = Endpoint { port: port.parse().unwrap(), pem };
    Kind::named(kind).receive(&endpoint, content)
}

/// The process of the server, which ends with its input.
struct Server {
    process: Child,
    plain: String,
    secure: String,
    certificate: PathBuf,
}

impl Server {
    fn start() -> Self {
        let certificate = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("firehose-{}.pem", std::process::id()));
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg("serve")
            .arg(&certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ports = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ports).unwrap();
        let (plain, secure) = ports.trim().split_once(' ').expect("two ports");
        Self { plain: plain.into(), secure: secure.into(), process, certificate }
    }

    fn run(&self, kind: Kind, secure: bool, content: Content) -> Measured {
        let certificate = if secure { self.certificate.to_str().unwrap() } else { "-" };
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["client", kind.name(), if secure { &self.secure } else { &self.plain }])
            .arg(certificate)
            .args([content.partitions.to_string(), content.events.to_string()])
            .arg(content.bytes.to_string())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{kind:?} failed: {}", output.status);
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse().unwrap_or_else(|error| panic!("{kind:?}: {error} in {text:?}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.certificate);
    }
}

fn compare(is_measured: bool) -> ExitCode {
    let (events, rounds) = if is_measured { FULL } else { SMOKE };
    let server = Server::start();
    let mut misses = Vec::new();
    table::print_header(u64::from(PARTITIONS * events), rounds);
    for secure in [false, true] {
        for bytes in [100, 1024] {
            let content = Content { partitions: PARTITIONS, events, bytes };
            let kinds: Vec<Kind> =
                Kind::ALL.iter().copied().filter(|kind| kind.can(secure)).collect();
            let mut row = Row::new(&kinds, secure, bytes);
            for round in 0..rounds {
                // Who begins changes from round to round.
                let mut measured = vec![None; kinds.len()];
                for turn in 0..kinds.len() {
                    let at = (round + turn) % kinds.len();
                    measured[at] = Some(server.run(kinds[at], secure, content));
                }
                row.add(measured.into_iter().flatten().collect());
            }
            row.print();
            misses.extend(row.misses());
        }
    }
    // So few events say nothing about speed; that all came, in order, was seen by each client.
    if !is_measured {
        return ExitCode::SUCCESS;
    }
    for miss in &misses {
        println!("{miss}");
    }
    if misses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
