//! How much agents may use up: for a task, for an agent, for all of a run.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::usage::{Usage, dollars};

/// An amount that may be used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many tokens, read or written.
    Tokens(u64),
    /// So many millionths of a dollar.
    CostMicros(u64),
}

impl Amount {
    fn is_spent(self, usage: &Usage) -> bool {
        match self {
            Self::Tokens(tokens) => usage.tokens() >= tokens,
            Self::CostMicros(micros) => usage.cost_micros >= micros,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokens(tokens) => write!(f, "{tokens} tokens"),
            Self::CostMicros(micros) => write!(f, "{} USD", dollars(*micros)),
        }
    }
}

/// Whose use is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetScope {
    /// That of all attempts at one task.
    Task,
    /// That of one agent.
    Agent,
    /// That of all agents for one project, earlier runs of it included.
    Run,
}

impl fmt::Display for BudgetScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Task => "task",
            Self::Agent => "agent",
            Self::Run => "run",
        })
    }
}

/// A bound on what is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Whose.
    pub scope: BudgetScope,
    /// How much.
    pub amount: Amount,
}

impl Budget {
    /// Returns the budget that a text such as `task=2.50usd` or `run=1000000tokens` names.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || "a budget looks like task=2.50usd, agent=500000tokens or run=40usd".to_owned();
        let (scope, amount) = text.split_once('=').ok_or_else(form)?;
        let scope = match scope {
            "task" => BudgetScope::Task,
            "agent" => BudgetScope::Agent,
            "run" => BudgetScope::Run,
            _ => return Err(form()),
        };
        let amount = if let Some(tokens) = amount.strip_suffix("tokens") {
            Amount::Tokens(tokens.trim().parse().map_err(|_| form())?)
        } else {
            let dollars = amount.strip_suffix("usd").ok_or_else(form)?.trim();
            Amount::CostMicros(micros(dollars.parse().map_err(|_| form())?).ok_or_else(form)?)
        };
        Ok(Self { scope, amount })
    }
}

/// Returns an amount of dollars in millionths; none where it is no amount.
pub(super) fn micros(dollars: f64) -> Option<u64> {
    let is_amount = dollars.is_finite() && (0.0..1e12).contains(&dollars);
    is_amount.then_some((dollars * 1e6).round() as u64)
}

/// A budget that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) scope: BudgetScope,
    amount: Amount,
    used: Usage,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, amount, used } = self;
        write!(f, "the budget of the {scope} is spent: {used} of {amount}")
    }
}

/// Who uses something up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Spender {
    pub(super) project: String,
    pub(super) task: String,
    pub(super) agent: String,
    /// The token of the attempt.
    pub(super) token: u64,
}

/// What all attempts have used up, kept in a file, so that a budget outlives the program. The default one knows no budget and
/// has no file.
#[derive(Debug, Default)]
pub struct Ledger {
    budgets: Vec<Budget>,
    file: Option<PathBuf>,
    spent: Mutex<HashMap<Spender, Usage>>,
}

/// A line of the file: what an attempt has used up so far.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    spender: Spender,
    #[serde(flatten)]
    usage: Usage,
}

impl Ledger {
    /// Returns the ledger of a file, with what is in there already; one without a file forgets when it is dropped.
    pub fn open(budgets: Vec<Budget>, file: Option<PathBuf>) -> std::io::Result<Self> {
        let mut spent: HashMap<Spender, Usage> = HashMap::new();
        if let Some(file) = &file {
            // A line that a crash has cut short says nothing that the one before it did not.
            for line in lines(file)?.iter().filter_map(|line| serde_json::from_slice::<Line>(line).ok()) {
                let known = spent.entry(line.spender).or_default();
                *known = known.at_least(&line.usage);
            }
        }
        Ok(Self { budgets, file, spent: Mutex::new(spent) })
    }

    /// Returns what each agent has used up for a project, by name.
    pub fn by_agent(&self, project: &str) -> Vec<(String, Usage)> {
        let mut sums: std::collections::BTreeMap<String, Usage> = std::collections::BTreeMap::new();
        for (spender, usage) in self.spent.lock().iter().filter(|(spender, _)| spender.project == project) {
            let sum = sums.entry(spender.agent.clone()).or_default();
            *sum = sum.plus(usage);
        }
        sums.into_iter().collect()
    }

    /// Records what an attempt has used up so far.
    pub(super) fn record(&self, spender: &Spender, usage: Usage) {
        self.spent.lock().insert(spender.clone(), usage);
        let Some(file) = &self.file else { return };
        let line = Line { spender: spender.clone(), usage };
        let mut text = serde_json::to_string(&line).expect("texts and numbers have a JSON form");
        text.push('\n');
        let opened = std::fs::File::options().create(true).append(true).open(file);
        // One write, so that lines of several processes do not mix.
        if let Err(error) = opened.and_then(|mut file| file.write_all(text.as_bytes())) {
            tracing::warn!(%error, file = %file.display(), "what an agent has used up could not be kept");
        }
    }

    /// Returns the first budget that is spent for whoever this is, if one is.
    pub(super) fn spent_for(&self, who: &Spender) -> Option<Spent> {
        if self.budgets.is_empty() {
            return None;
        }
        let spent = self.spent.lock();
        self.budgets.iter().find_map(|Budget { scope, amount }| {
            let counts = |spender: &Spender| {
                spender.project == who.project
                    && match scope {
                        BudgetScope::Task => spender.task == who.task,
                        BudgetScope::Agent => spender.agent == who.agent,
                        BudgetScope::Run => true,
                    }
            };
            let used = spent.iter().filter(|(spender, _)| counts(spender));
            let used = used.fold(Usage::default(), |sum, (_, usage)| sum.plus(usage));
            amount.is_spent(&used).then_some(Spent { scope: *scope, amount: *amount, used })
        })
    }
}

fn lines(file: &Path) -> std::io::Result<Vec<Vec<u8>>> {
    match std::fs::File::open(file) {
        Ok(file) => BufReader::new(file).split(b'\n').collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spender(task: &str, agent: &str, token: u64) -> Spender {
        Spender { project: "p".to_owned(), task: task.to_owned(), agent: agent.to_owned(), token }
    }

    fn cost(cost_micros: u64) -> Usage {
        Usage { tokens_input: 10, tokens_output: 5, cost_micros }
    }

    #[test]
    fn budgets_are_read_and_what_is_none_is_refused() {
        let parse = |text: &str| Budget::parse(text).map(|budget| (budget.scope, budget.amount));
        assert_eq!(parse("task=2.50usd"), Ok((BudgetScope::Task, Amount::CostMicros(2_500_000))));
        assert_eq!(parse("run=1000tokens"), Ok((BudgetScope::Run, Amount::Tokens(1000))));
        for wrong in ["", "task", "task=", "task=2", "task=-1usd", "task=nanusd", "all=1usd", "run=1.5tokens"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_spent_counts_for_task_agent_and_run_and_outlives_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("usage.jsonl");
        let open =
            |budget: &str| Ledger::open(vec![Budget::parse(budget).unwrap()], Some(file.clone())).unwrap();
        let ledger = open("task=1usd");
        ledger.record(&spender("A", "ann", 1), cost(400_000));
        ledger.record(&spender("A", "ann", 1), cost(600_000));
        ledger.record(&spender("B", "bob", 1), cost(500_000));
        assert_eq!(ledger.spent_for(&spender("A", "ann", 1)), None);
        ledger.record(&spender("A", "bob", 2), cost(400_000));
        let spent = ledger.spent_for(&spender("A", "eve", 3)).expect("both attempts count");
        assert_eq!(spent.to_string(), "the budget of the task is spent: 30 tokens, 1.00 USD of 1.00 USD");
        assert_eq!(ledger.spent_for(&spender("B", "bob", 1)), None);
        std::fs::File::options()
            .append(true)
            .open(&file)
            .unwrap()
            .write_all(b"{\"project\":\"p\",\"ta")
            .unwrap();
        assert!(open("agent=0.9usd").spent_for(&spender("C", "bob", 1)).is_some());
        assert!(open("agent=0.9usd").spent_for(&spender("C", "ann", 1)).is_none());
        assert!(open("run=45tokens").spent_for(&spender("C", "ann", 1)).is_some());
        assert!(open("run=46tokens").spent_for(&spender("C", "ann", 1)).is_none());
        let other = Spender { project: "q".to_owned(), ..spender("A", "ann", 1) };
        assert!(open("run=45tokens").spent_for(&other).is_none(), "another project");
        assert_eq!(open("run=1usd").by_agent("p")[1].1.cost_micros, 900_000);
    }
}
