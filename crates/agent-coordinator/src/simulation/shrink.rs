//! Makes a run in which a promise was not kept smaller, so that somebody can follow it.

use super::{FaultKind, Options, Run, simulate};

/// The smallest run that was found in which a promise is not kept.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// What gives it.
    pub options: Options,
    /// The run.
    pub run: Run,
    /// How many runs were tried for it.
    pub tried: u32,
}

/// Returns a smaller run in which some promise is not kept, given one: fewer steps, fewer kinds of faults, fewer agents and
/// coordinators. Returns the given one where every smaller one keeps its promises.
pub fn shrink(options: &Options, run: Run) -> Shrunk {
    let mut shrunk = Shrunk { options: options.clone(), run, tried: 0 };
    shrunk.options.steps = shrunk.options.steps.min(shrunk.run.steps);
    for kind in FaultKind::ALL {
        let faults = shrunk.options.faults.without(kind);
        if faults != shrunk.options.faults {
            shrunk.attempt(|options| options.faults = faults);
        }
    }
    for count in [1, 2, 3] {
        if shrunk.attempt(|options| options.coordinators = Some(count)) {
            break;
        }
    }
    for count in [1, 2, 3, 4] {
        if shrunk.attempt(|options| options.agents = Some(count)) {
            break;
        }
    }
    for _ in 0..10 {
        let half = shrunk.options.steps / 2;
        if half == 0 || !shrunk.attempt(|options| options.steps = half) {
            break;
        }
    }
    shrunk
}

impl Shrunk {
    /// Tries something smaller, and keeps it where a promise is broken in it too.
    fn attempt(&mut self, change: impl FnOnce(&mut Options)) -> bool {
        let mut options = self.options.clone();
        change(&mut options);
        self.tried += 1;
        let run = simulate(&options);
        let is_broken = run.violation.is_some();
        if is_broken {
            options.steps = options.steps.min(run.steps);
            (self.options, self.run) = (options, run);
        }
        is_broken
    }

    /// Returns the arguments by which `super-planner simulate` repeats it, without the plan.
    pub fn arguments(&self) -> String {
        repeating(&self.options)
    }
}

/// Returns the arguments by which `super-planner simulate` repeats a run, without the plan.
pub(super) fn repeating(options: &Options) -> String {
    let kinds: Vec<_> = options.faults.kinds().iter().map(ToString::to_string).collect();
    let faults = if kinds.is_empty() { "none".to_owned() } else { kinds.join(",") };
    let number = |name: &str, count: Option<usize>| {
        count.map_or_else(String::new, |count| format!(" --{name} {count}"))
    };
    format!(
        "--seed {} --steps {}{}{} --faults {faults}",
        options.seed,
        options.steps,
        number("agents", options.agents),
        number("coordinators", options.coordinators)
    )
}
