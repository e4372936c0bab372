//! Installs the npm and PyPI packages that the tests run against, once per target directory.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::thread;

/// Azurite, the Blob Storage emulator.
pub const AZURITE: (&str, &str) = ("azurite", "3.37.0");

/// Microsoft's JavaScript checkpoint store.
pub const JAVASCRIPT_STORE: (&str, &str) = ("@azure/eventhubs-checkpointstore-blob", "2.0.0");

/// Microsoft's Python checkpoint stores, with the client library whose load balancer drives them.
pub const PYTHON_REQUIREMENTS: &[&str] = &[
    "azure-eventhub-checkpointstoreblob==1.2.0",
    "azure-eventhub-checkpointstoreblob-aio==1.2.0",
    "azure-eventhub==5.15.1",
    "aiohttp==3.14.5",
];

pub const NODE: &str = "node";
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };
const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };

/// A file of the repository, by its path there. The tests of the nested workspaces mount these modules, too.
pub fn repository_file(path: &str) -> PathBuf {
    let mut folders =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join(path));
    folders.find(|file| file.exists()).unwrap_or_else(|| panic!("{path} is not in the repository"))
}

/// The folder that all tools are installed in: next to the build, so that `cargo clean` removes them too.
pub fn root() -> PathBuf {
    // Cargo gives tests no variable for the target directory itself, only for the `tmp` folder in it.
    let tmpdir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = tmpdir.parent().expect("the folder lies in the target dir");
    target.join("test-tools")
}

/// Returns the folder whose `node_modules` holds the package, installing it first if need be.
pub fn npm_package(name: &str, version: &str) -> PathBuf {
    install_all_of_the_library();
    npm_package_in(&root(), name, version)
}

/// Returns the Python executable of a virtual environment with [`PYTHON_REQUIREMENTS`], creating it first if need be.
pub fn python_venv() -> PathBuf {
    install_all_of_the_library();
    python_venv_in(&root())
}

/// The tests of the library need all of it, and one install keeps one processor busy. So the first test that needs
/// any of it begins all installs. Whoever needs one waits for its lock, and reports its failure.
fn install_all_of_the_library() {
    static BEGUN: Once = Once::new();
    if env!("CARGO_PKG_NAME") != "eventhub-checkpointstore" {
        return;
    }
    BEGUN.call_once(|| {
        for (name, version) in [AZURITE, JAVASCRIPT_STORE] {
            thread::spawn(move || npm_package_in(&root(), name, version));
        }
        thread::spawn(|| python_venv_in(&root()));
    });
}

/// [`npm_package`] in a folder of the caller's choice.
pub fn npm_package_in(root: &Path, name: &str, version: &str) -> PathBuf {
    let requirement = format!("{name}@{version}");
    let folder = root.join(requirement.trim_start_matches('@').replace(['/', '@'], "-"));
    let install = Install {
        requirements: &requirement,
        essential: &folder.join("node_modules").join(name),
        folder: &folder,
    };
    install.ensure(|lock| {
        let mut npm = Command::new(NPM);
        npm.args(["install", "--no-package-lock", "--no-audit", "--no-fund"])
            // Nothing that is tested needs an install script, and none should run unasked on a developer's machine.
            .args(["--ignore-scripts", "--loglevel=error", "--prefix"])
            .arg(&folder)
            .arg(&requirement);
        run(npm, lock);
    });
    folder
}

/// [`python_venv`] in a folder of the caller's choice.
pub fn python_venv_in(root: &Path) -> PathBuf {
    python_venv_with(&root.join("python"), PYTHON_REQUIREMENTS)
}

/// Returns the Python executable of a virtual environment in this folder with these packages, creating it first if need
/// be.
pub fn python_venv_with(folder: &Path, requirements: &[&str]) -> PathBuf {
    let python = if cfg!(windows) {
        folder.join("Scripts").join("python.exe")
    } else {
        folder.join("bin").join("python")
    };
    let install = Install { requirements: &requirements.join(" "), essential: &python, folder };
    install.ensure(|lock| {
        require_venv_module(lock);
        let mut venv = Command::new(PYTHON);
        venv.args(["-m", "venv"]).arg(folder);
        run(venv, lock);
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
            .arg("--disable-pip-version-check")
            .args(requirements);
        run(pip, lock);
    });
    python
}

/// Says what to do about a program that could not be started.
pub fn explain_spawn_error(program: &Path, error: &io::Error) -> String {
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    let (purpose, remedy) = match name.as_ref() {
        "node" => (
            "It runs the Azurite emulator and the JavaScript checkpoint store, which the integration tests talk to \
             over local sockets and pipes.",
            "Install Node.js 20 or later.",
        ),
        "npm" => (
            "It installs Azurite and the JavaScript checkpoint store into `test-tools` of the target directory, with \
             `npm install --prefix`.",
            "Install Node.js 20 or later, which brings npm.",
        ),
        "python3" | "python" => (
            "It runs Microsoft's Python checkpoint stores, from a virtual environment in `test-tools` of the target \
             directory.",
            "Install Python 3.9 or later with its venv module.",
        ),
        _ => ("The integration tests run it.", "Install it."),
    };
    let found = match error.kind() {
        io::ErrorKind::NotFound => "was not found on PATH".to_owned(),
        _ => format!("could not be started: {error}"),
    };
    format!("`{name}` {found}. {purpose} {remedy}")
}

/// One folder that is either wholly installed or not usable.
struct Install<'a> {
    folder: &'a Path,
    requirements: &'a str,
    /// Something the folder is useless without. A virtual environment, for one, breaks when its base Python goes.
    essential: &'a Path,
}

impl Install<'_> {
    /// Runs `install`, unless the folder is whole already, in this process alone.
    fn ensure(&self, install: impl FnOnce(&File)) {
        if self.is_whole() {
            return;
        }
        let lock = self.lock();
        // Another process may have installed it while this one waited for the lock.
        if self.is_whole() {
            return;
        }
        // Before the rest, or a removal that is interrupted would leave a marker on half a folder.
        remove(fs::remove_file(self.marker()), self.folder);
        remove(fs::remove_dir_all(self.folder), self.folder);
        create_folder(self.folder);
        install(&lock);
        fs::write(self.marker(), self.requirements).expect("write the marker of a whole install");
    }

    fn is_whole(&self) -> bool {
        let marker = fs::read_to_string(self.marker());
        marker.is_ok_and(|marker| marker == self.requirements) && self.essential.exists()
    }

    fn marker(&self) -> PathBuf {
        self.folder.join(".installed")
    }

    fn lock(&self) -> File {
        // Not `with_extension`, which would take the version's last number for one.
        let mut path = self.folder.as_os_str().to_owned();
        path.push(".lock");
        create_folder(self.folder.parent().expect("a folder below the root"));
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .expect("open the lock file");
        file.lock().expect("lock the install");
        file
    }
}

fn create_folder(folder: &Path) {
    fs::create_dir_all(folder)
        .unwrap_or_else(|error| panic!("create {}: {error}", folder.display()));
}

fn remove(result: io::Result<()>, folder: &Path) {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            panic!("remove the broken install {}: {error}", folder.display())
        }
        _ => {}
    }
}

/// Debian and Ubuntu ship `venv` without `ensurepip`, and `python3 -m venv` then fails half-way.
fn require_venv_module(lock: &File) {
    let mut probe = Command::new(PYTHON);
    probe.args(["-c", "import venv, ensurepip"]);
    let output = output(&mut probe, lock);
    assert!(
        output.status.success(),
        "`{PYTHON}` lacks the module venv or ensurepip. The integration tests use it to install Microsoft's Python \
         checkpoint stores into `test-tools` of the target directory, with `{PYTHON} -m venv`. Install it (Debian and \
         Ubuntu: the package python3-venv).\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn run(mut command: Command, lock: &File) {
    let output = output(&mut command, lock);
    assert!(
        output.status.success(),
        "an install for the integration tests failed ({}); it needs network access the first time:\n{command:?}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn output(command: &mut Command, lock: &File) -> std::process::Output {
    // The installer inherits the lock as its (empty) stdin: if this process is killed, the lock lasts until the orphan is
    // done, so that nobody installs into the same folder meanwhile.
    let lock = lock.try_clone().expect("duplicate the lock's handle");
    // Tests see no proxy; what downloads may need the caller's.
    command.envs(clean_environment::proxies()).stdin(Stdio::from(lock)).output().unwrap_or_else(
        |error| panic!("{}", explain_spawn_error(Path::new(command.get_program()), &error)),
    )
}
