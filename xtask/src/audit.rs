//! What the dependencies bring along: licences, banned crates, sources, known vulnerabilities.

use crate::step::{Step, StepFailed};

pub(crate) fn run() -> Result<(), StepFailed> {
    if !Step::cargo().words("deny --version").succeeds_silently() {
        println!("cargo-deny is missing; installing it.");
        Step::cargo().words("install cargo-deny --locked").run()?;
    }
    Step::cargo().words("deny --workspace check --hide-inclusion-graph bans licenses sources").run()?;
    // The database is fetched apart from the check, so that a missing network is not taken for a vulnerability.
    if let Err(failure) = Step::cargo().words("deny --workspace fetch db").run() {
        println!("\nThe database of vulnerabilities cannot be reached, so they are NOT checked: {failure}");
        return Ok(());
    }
    Step::cargo().words("deny --workspace check --disable-fetch --hide-inclusion-graph advisories").run()
}
