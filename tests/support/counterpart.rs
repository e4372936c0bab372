//! Microsoft's own checkpoint stores, each in a process of its own language.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::LineProcess;
use super::tools;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// More than the 84 s that the Python client spends on its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// Which checkpoint store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `azure.eventhub.extensions.checkpointstoreblob.BlobCheckpointStore`
    PythonSync,
    /// `azure.eventhub.extensions.checkpointstoreblobaio.BlobCheckpointStore`
    PythonAio,
    /// `BlobCheckpointStore` of `@azure/eventhubs-checkpointstore-blob`
    JavaScript,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::PythonSync, Self::PythonAio, Self::JavaScript];

    fn command(self) -> Command {
        match self {
            Self::PythonSync => python_script("driver.py", &["sync"]),
            Self::PythonAio => python_script("driver.py", &["aio"]),
            Self::JavaScript => javascript_script("driver.js"),
        }
    }
}

/// A checkpoint store in another language, on one container.
///
/// Ownerships and checkpoints have one shape for all kinds, that of Python's dictionaries:
/// `fully_qualified_namespace`, `eventhub_name`, `consumer_group` and `partition_id`, with `owner_id`, `etag` and
/// `last_modified_time` (seconds since the epoch) or with `offset` and `sequence_number`. Values pass through as they are: an
/// ETag is quoted or not as the store gave it, a listed ownership that was relinquished has the `owner_id` `null` in Python
/// and `""` in JavaScript, and an argument may be `null` or of a wrong type.
///
/// JavaScript's numbers are exact up to 2^53; a `sequence_number` beyond goes in as a string, and comes out rounded.
///
/// An `Err` holds the exception's class and message; the store lives on.
pub struct Counterpart {
    process: LineProcess,
    kind: Kind,
    calls: u64,
}

impl Counterpart {
    /// Starts the store on a container, which may not exist yet.
    pub fn start(kind: Kind, connection_string: &str, container: &str) -> Self {
        let name = format!("the {kind:?} checkpoint store");
        let mut process = LineProcess::start(name, &mut kind.command());
        process.send(&json!({ "connection_string": connection_string, "container": container }));
        let ready = process.receive(START_TIMEOUT);
        if ready != json!({ "ready": true }) {
            process.fail(&format!("did not get ready: {ready}"));
        }
        Self { process, kind, calls: 0 }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The process id of the driver.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Creates the container, with the storage client that the store works on.
    pub fn create_container(&mut self) -> Result<(), String> {
        self.call("create_container", json!([])).map(drop)
    }

    pub fn list_ownership(
        &mut self,
        fully_qualified_namespace: &str,
        eventhub_name: &str,
        consumer_group: &str,
    ) -> Result<Vec<Value>, String> {
        let scope = json!([fully_qualified_namespace, eventhub_name, consumer_group]);
        self.call_for_list("list_ownership", scope)
    }

    /// Claims, renews, steals and relinquishes: what the store says it owns afterwards.
    pub fn claim_ownership(&mut self, ownerships: &[Value]) -> Result<Vec<Value>, String> {
        self.call_for_list("claim_ownership", json!([ownerships]))
    }

    pub fn list_checkpoints(
        &mut self,
        fully_qualified_namespace: &str,
        eventhub_name: &str,
        consumer_group: &str,
    ) -> Result<Vec<Value>, String> {
        let scope = json!([fully_qualified_namespace, eventhub_name, consumer_group]);
        self.call_for_list("list_checkpoints", scope)
    }

    pub fn update_checkpoint(&mut self, checkpoint: &Value) -> Result<(), String> {
        self.call("update_checkpoint", json!([checkpoint])).map(drop)
    }

    fn call_for_list(&mut self, name: &str, arguments: Value) -> Result<Vec<Value>, String> {
        match self.call(name, arguments)? {
            Value::Array(mut list) => {
                list.iter_mut().for_each(make_time_a_float);
                Ok(list)
            }
            other => self.process.fail(&format!("answered {name} with no list: {other}")),
        }
    }

    fn call(&mut self, name: &str, arguments: Value) -> Result<Value, String> {
        self.calls += 1;
        self.process.send(&json!({ "id": self.calls, "call": name, "arguments": arguments }));
        let mut answer = self.process.receive(CALL_TIMEOUT);
        if answer["id"] != self.calls {
            self.process.fail(&format!("answered another call than {name}: {answer}"));
        }
        match answer["error"].take() {
            Value::Null => Ok(answer["result"].take()),
            Value::String(error) => Err(error),
            other => self.process.fail(&format!("failed in {name} with no text: {other}")),
        }
    }
}

/// JavaScript prints a whole number of seconds as an integer, which would not equal Python's float.
fn make_time_a_float(item: &mut Value) {
    if let Some(seconds) = item["last_modified_time"].as_f64() {
        item["last_modified_time"] = json!(seconds);
    }
}

/// The command for one of the scripts in `tests/support/python`.
pub fn python_script(script: &str, arguments: &[&str]) -> Command {
    let folder = tools::repository_file("tests/support/python");
    let mut command = Command::new(tools::python_venv());
    command
        // Byte code would be written into the source tree.
        .arg("-B")
        .arg(folder.join(script))
        .args(arguments)
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env("PYTHONIOENCODING", "utf-8");
    command
}

/// The command for one of the scripts in `tests/support/javascript`.
pub fn javascript_script(script: &str) -> Command {
    let (name, version) = tools::JAVASCRIPT_STORE;
    let folder = tools::repository_file("tests/support/javascript");
    let mut command = Command::new(tools::NODE);
    command.arg(folder.join(script)).arg(tools::npm_package(name, version));
    command
}
