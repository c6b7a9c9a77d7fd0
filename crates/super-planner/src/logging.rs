//! The program's own log: to standard error only, with what others wrote escaped.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::error::{CliError, ErrorKind};

/// Begins to log what the filter (such as `info` or `agent_coordinator=debug`) lets through, to standard error.
pub fn begin(filter: &str) -> Result<(), CliError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        CliError::new(
            ErrorKind::Config,
            format!("`{}` is no filter for the log", crate::escape::escaped(filter)),
        )
        .hint("a level (error, warn, info, debug, trace), or MODULE=LEVEL,...")
        .caused_by(error)
    })?;
    // Only one log a process; whoever set up another one before keeps it.
    let _ = tracing::subscriber::set_global_default(subscriber(filter, io::stderr));
    Ok(())
}

fn subscriber<W>(filter: EnvFilter, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).finish()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber(EnvFilter::new("warn"), move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let title = "a\u{1b}[2Jb\u{9b}c";
            tracing::warn!(title, %title, ?title, "said {title}");
            tracing::info!("not let through");
        });
        let told = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(told.contains("said a\\x1b[2Jb"), "{told:?}");
        assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
        assert!(!told.contains("let through"));
    }
}
