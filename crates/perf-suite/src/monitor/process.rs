//! What the kernel tells of this process and its children.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};

use rustix::time::{ClockId, clock_gettime};

use super::Usage;

/// Clock ticks a second in `/proc`: fixed for every architecture that Linux still runs on.
const TICKS: f64 = 100.0;

/// The files about this process that stay open between samples.
pub(super) struct ProcessFiles {
    status: Option<File>,
    stat: Option<File>,
    io: Option<File>,
    net: Option<File>,
    text: String,
    /// How many samples were taken, and what the last walk over the threads found.
    taken: usize,
    walked: Walk,
}

/// What only a walk over all threads tells; it costs more than the rest together.
#[derive(Clone, Copy, Default)]
struct Walk {
    switches_voluntary: u64,
    switches_forced: u64,
    children: u64,
    children_resident: u64,
}

/// How many samples share one walk.
const WALK_EVERY: usize = 10;

impl ProcessFiles {
    pub(super) fn open() -> Self {
        let open = |name: &str| File::open(format!("/proc/self/{name}")).ok();
        Self {
            status: open("status"),
            stat: open("stat"),
            io: open("io"),
            net: open("net/dev"),
            text: String::new(),
            taken: 0,
            walked: Walk::default(),
        }
    }

    /// Returns what is so now; what the system does not tell is zero.
    pub(super) fn sample(&mut self, at: f64) -> Usage {
        let mut usage = Usage { at, cpu: process_cpu(), ..Usage::default() };
        if let Some(status) = read(&mut self.status, &mut self.text) {
            let kibibytes = |name| field(status, name) * 1024;
            usage.resident = kibibytes("VmRSS:");
            usage.virtual_memory = kibibytes("VmSize:");
            usage.anonymous = kibibytes("RssAnon:");
            usage.threads = field(status, "Threads:");
        }
        if let Some(stat) = read(&mut self.stat, &mut self.text) {
            usage.cpu_children = children_cpu(stat);
        }
        if let Some(io) = read(&mut self.io, &mut self.text) {
            usage.read = field(io, "read_bytes:");
            usage.written = field(io, "write_bytes:");
        }
        if let Some(net) = read(&mut self.net, &mut self.text) {
            (usage.received, usage.sent) = network(net);
        }
        // Listing the handles takes one itself.
        usage.files =
            fs::read_dir("/proc/self/fd").map_or(0, |entries| (entries.count() as u64).saturating_sub(1));
        if self.taken.is_multiple_of(WALK_EVERY) {
            self.walked = walk();
        }
        self.taken += 1;
        usage.switches_voluntary = self.walked.switches_voluntary;
        usage.switches_forced = self.walked.switches_forced;
        usage.children = self.walked.children;
        usage.resident += self.walked.children_resident;
        usage
    }
}

fn walk() -> Walk {
    let mut found = Walk::default();
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let folder = thread.path();
        // A thread that has ended since takes its switches with it.
        if let Ok(status) = fs::read_to_string(folder.join("status")) {
            found.switches_voluntary += field(&status, "voluntary_ctxt_switches:");
            found.switches_forced += field(&status, "nonvoluntary_ctxt_switches:");
        }
        let children = fs::read_to_string(folder.join("children")).unwrap_or_default();
        for child in children.split_ascii_whitespace() {
            found.children += 1;
            let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
            found.children_resident += field(&status, "VmRSS:") * 1024;
        }
    }
    found
}

/// Returns the processor's time of this process in seconds.
pub(crate) fn process_cpu() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

/// Returns the processor's time of this thread in seconds.
pub(crate) fn thread_cpu() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Returns what the file holds now.
fn read<'a>(file: &mut Option<File>, text: &'a mut String) -> Option<&'a str> {
    let file = file.as_mut()?;
    text.clear();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(text).ok()?;
    Some(text)
}

/// Returns the number after a name at the beginning of a line, or zero.
fn field(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|value| value.split_ascii_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Returns the time of children that have ended and were waited for.
fn children_cpu(stat: &str) -> f64 {
    // The second field is the name in brackets and may hold anything; the times of children are the 16th and 17th.
    let Some((_, rest)) = stat.rsplit_once(") ") else { return 0.0 };
    let mut fields = rest.split(' ').skip(13);
    let mut ticks = || fields.next().and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks() + ticks()) / TICKS
}

/// Returns the bytes received and sent by all devices.
fn network(text: &str) -> (u64, u64) {
    let devices = text.lines().filter_map(|line| line.split_once(':'));
    devices.fold((0, 0), |(received, sent), (_, counters)| {
        let numbers: Vec<u64> = counters.split_ascii_whitespace().map(|n| n.parse().unwrap_or(0)).collect();
        let of = |index: usize| numbers.get(index).copied().unwrap_or(0);
        (received + of(0), sent + of(8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let status = "Name:\tx\nVmRSS:\t    7 kB\nThreads:\t3\nvoluntary_ctxt_switches:\t11\n";
        assert_eq!((field(status, "VmRSS:"), field(status, "Threads:"), field(status, "VmSwap:")), (7, 3, 0));
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 50 60 150 50 20 0 1";
        assert_eq!(children_cpu(stat), 2.0);
        let net = "Inter-| Receive\n face |bytes\n lo: 100 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0\n eth0: 5 0 0 0 0 0 0 0 6 0\n";
        assert_eq!(network(net), (105, 46));
    }
}
