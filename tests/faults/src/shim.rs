//! The shim, built when it is first needed.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the path of the shim. Builds it, once a process, into the build folder of the running test.
///
/// It is a package that nothing depends on, so that its functions are in no program that does not ask for them.
pub(crate) fn path() -> io::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build).clone().map_err(io::Error::other)
}

fn build() -> Result<PathBuf, String> {
    // A folder of its own, so that it does not wait for a cargo that is building something else.
    let folder = build_folder().map_err(|error| format!("the build folder is unknown: {error}"))?;
    let folder = folder.join("fault-shim");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--offline", "--package", "fault-shim", "--target-dir"])
        .arg(&folder)
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../fault-shim/Cargo.toml")])
        .env_remove("LD_PRELOAD")
        .output()
        .map_err(|error| format!("cargo cannot be started to build the fault shim: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "the fault shim cannot be built; `cargo build -p fault-shim` shows the same:\n{said}"
        ));
    }
    Ok(folder.join("release/libfault_shim.so"))
}

/// Returns the folder that the running program was built into: the one that cargo has tagged.
fn build_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let tagged = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    tagged.map(Path::to_owned).ok_or_else(|| io::Error::other("the test was not built by cargo"))
}
