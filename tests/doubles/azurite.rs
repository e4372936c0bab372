//! Azurite, the Blob Storage emulator, as a child process.
//!
//! Use it for what only an independent service can show: that requests are understood, signatures are right, and stores of
//! other languages meet in one container. It knows no faults, its clock is the machine's, and it differs from Azure in
//! places: for those use [`blob_service`](super::blob_service).

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::loopback::TlsIdentity;
use super::process::LineProcess;
use super::tools;

/// Published with the emulator; it protects nothing.
const ACCOUNT_NAME: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// One running Azurite blob service, which keeps its data in memory and loses them when it stops.
///
/// It closes connections that have been idle for 5 s.
pub struct Azurite {
    process: LineProcess,
    port: u16,
    scheme: &'static str,
}

impl Azurite {
    /// Starts an instance on a port that the system picks.
    pub fn start() -> Self {
        // Port 0, because a port that is found free first can be taken before Azurite listens on it.
        Self::start_on(0)
    }

    /// Starts an instance on a given port: the same service, empty, after [`stop`](Self::stop).
    pub fn start_on(port: u16) -> Self {
        let mut azurite = Self::launch(port, &[]);
        azurite.wait_until_it_responds();
        azurite
    }

    /// Starts an instance that speaks TLS only and takes tokens of Microsoft Entra ID, whoever signed them.
    pub fn start_with_tokens(identity: &TlsIdentity) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(std::process::id().to_string());
        fs::create_dir_all(&folder).expect("the target folder is writable");
        let file = |name: &str, pem: &str| {
            let path = folder.join(name);
            fs::write(&path, pem).expect("the target folder is writable");
            path.into_os_string().into_string().expect("a path in UTF-8")
        };
        let cert = file("certificate.pem", identity.certificate_pem());
        let key = file("key.pem", identity.key_pem());
        let options = ["--oauth", "basic", "--cert", &cert, "--key", &key];
        let azurite = Self { scheme: "https", ..Self::launch(0, &options) };
        fs::remove_dir_all(folder).expect("Azurite has read the files");
        azurite
    }

    fn launch(port: u16, options: &[&str]) -> Self {
        let (name, version) = tools::AZURITE;
        let script = tools::repository_file("tests/doubles/azurite.js");
        let mut command = Command::new(tools::NODE);
        command.arg(script).arg(tools::npm_package(name, version)).arg(port.to_string());
        let mut process = LineProcess::start("Azurite", command.args(options));
        let ready = process.receive(START_TIMEOUT);
        let Some(port) = ready["port"].as_u64().and_then(|port| port.try_into().ok()) else {
            process.fail(&format!("reported no port: {ready}"))
        };
        Self { process, port, scheme: "http" }
    }

    /// The instance that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Azurite> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Kills the service at once, as a crash would.
    pub fn stop(self) {
        drop(self);
    }

    /// The full connection string, in the order in which the Azure portal shows one.
    pub fn connection_string(&self) -> String {
        format!(
            "DefaultEndpointsProtocol={};AccountName={ACCOUNT_NAME};AccountKey={ACCOUNT_KEY};BlobEndpoint={}",
            self.scheme,
            self.blob_endpoint()
        )
    }

    /// The name of a container that no other test uses.
    pub fn new_container_name(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        format!("c{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// The path-style endpoint, without a slash at its end.
    pub fn blob_endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}/{ACCOUNT_NAME}", self.scheme, self.port)
    }

    pub fn account_name(&self) -> &'static str {
        ACCOUNT_NAME
    }

    pub fn account_key(&self) -> &'static str {
        ACCOUNT_KEY
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the emulator.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    fn wait_until_it_responds(&mut self) {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match exchange(self.port) {
                // The server's name, because any process could listen on a port that it was told to.
                Ok(response) if response.contains("Azurite-Blob/") => return,
                Ok(response) => {
                    self.process.fail(&format!("is not what responds on its port: {response}"))
                }
                Err(_) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => self.process.fail(&format!("responds to no request: {error}")),
            }
        }
    }
}

/// Sends an anonymous request, which Azurite refuses with 403.
fn exchange(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET /{ACCOUNT_NAME}?comp=list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
