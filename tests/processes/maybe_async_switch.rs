//! Both surfaces are in one build, even if another crate in it has switched on `maybe-async/is_sync`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `maybe_async::maybe_async` would become blocking in such a build, and the async surface with it
/// (<https://github.com/fMeow/maybe-async-rs/issues/6>).
#[test]
fn both_surfaces_are_in_a_build_that_switches_to_blocking() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("is_sync");
    // The same versions as in this build: most of it is there already, and no index is asked.
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock"), package.join("Cargo.lock"))
        .expect("copy Cargo.lock");
    let output = test(&package.join("Cargo.toml"));
    assert!(output.contains("test the_switch_is_on ... ok"), "{output}");
    assert!(output.contains("test the_blocking_surface_blocks ... ok"), "{output}");
    assert!(output.contains("test the_async_surface_is_async ... ok"), "{output}");
}

/// Runs the tests of a package in the target folder of this build, and returns what they printed. The build takes the
/// processor only when no test needs it.
fn test(manifest: &Path) -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().map(PathBuf::from).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = if cfg!(unix) {
        let mut nice = Command::new("nice");
        nice.args(["-n", "10"]).arg(cargo);
        nice
    } else {
        Command::new(cargo)
    };
    command
        .args(["test", "--lib", "--manifest-path"])
        .arg(manifest)
        .envs(clean_environment::proxies())
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null());
    let output = command.output().expect("cargo runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}\n{printed}");
    printed
}
