//! Where the programs of a PostgreSQL server are.

use std::path::PathBuf;
use std::process::Command;

/// Returns the folder that holds all of them: the one that `pg_config` names, else the newest of Debian's.
pub(crate) fn find() -> Option<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let programs = ["initdb", "pg_ctl", "postgres", "psql"];
    told.into_iter()
        .chain(folders.into_iter().rev())
        .find(|folder| programs.iter().all(|program| folder.join(program).exists()))
}
