//! The program's own log: to standard error only, with what others wrote escaped.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use crate::error::{CliError, ErrorKind};
use crate::escape::Escaped;

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

fn subscriber<W>(
    filter: EnvFilter,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> impl tracing::Subscriber + Send + Sync
where
    W: Write + 'static,
{
    let escaping = move || Escaping(writer());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(escaping).with_ansi(false).finish()
}

/// Writes lines of the log; the subscriber itself escapes messages, but not fields that are shown as they are.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    /// Takes one whole line, which is how the subscriber writes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        writeln!(self.0, "{}", Escaped(text.trim_end_matches('\n')))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
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
            let title = "a\u{1b}[2Jb\u{9b}c\nd\u{202e}";
            tracing::warn!(title, %title, ?title, "said {title}");
            tracing::info!("not let through");
        });
        let told = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(told.contains("said a\\x1b[2Jb"), "{told:?}");
        assert_eq!(told.matches('\n').count(), 1, "{told:?}");
        assert!(!told.chars().any(|c| c != '\n' && crate::escape::is_unprintable(c)), "{told:?}");
        assert!(!told.contains("let through"));
    }
}
