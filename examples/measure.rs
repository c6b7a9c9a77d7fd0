//! Measures a service that is not ours: a server on a socket that turns text upside down, asked at a steady rate.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use perf_suite::load::{Done, OpenLoad};
use perf_suite::{Profile, Recorder, RunRefused, Scenario, ScenarioFailed, Unit, measure, report};

/// What is measured: answers to single requests, at 500 a second.
struct Reverser(SocketAddr);

impl Scenario for Reverser {
    fn id(&self) -> &str {
        "REVERSER"
    }

    fn statement(&self) -> &str {
        "a server on a socket, asked 500 times a second"
    }

    fn run(&self, _: Profile, recorder: &mut Recorder) -> Result<(), ScenarioFailed> {
        let load = OpenLoad { rate: 500.0, length: Duration::from_secs(2), workers: 4 };
        let ask = |_, number: u64| ask(self.0, &number.to_string()).map_err(|error| error.to_string());
        let outcome = load.run(&recorder.gauge(), ask);
        let answers = outcome.done.iter().map(Done::response).collect();
        recorder.record("answer", "one answer, from when it was due", Unit::Seconds, answers);
        recorder.record("errors", "the share that failed", Unit::Ratio, vec![outcome.error_rate()]);
        Ok(())
    }
}

fn ask(address: SocketAddr, text: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    writeln!(stream, "{text}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    let is_right = answer.trim() == text.chars().rev().collect::<String>();
    is_right.then_some(()).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let scenario = Reverser(listener.local_addr()?);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            // A client that has gone needs no answer.
            let _ = writeln!(stream, "{}", line.trim().chars().rev().collect::<String>());
        }
    });
    match measure(Profile::Quick, &[&scenario], &perf_suite::nobody()) {
        Ok(measured) => Ok(report::write_text(&measured, &mut std::io::stdout())?),
        Err(RunRefused::DebugBuild) => Ok(writeln!(std::io::stdout(), "build it with --release")?),
        Err(refused) => Err(refused.into()),
    }
}
