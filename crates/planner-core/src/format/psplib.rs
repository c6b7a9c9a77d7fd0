//! PSPLIB: projects of one mode a task, with successors, times and demands for renewable resources.
//!
//! A unit of time is taken as an hour; demands are kept as `demands` of the tasks, what there is as `resources` of the plan.

use serde_json::Value;

use super::native;
use super::node::{Node, NodeValue, Span, SyntaxError};
use super::reader::Reader;
use super::{ReadError, empty_plan};
use crate::Plan;

const PRECEDENCE: &str = "PRECEDENCE RELATIONS";
const REQUESTS: &str = "REQUESTS/DURATIONS";
const AVAILABLE: &str = "RESOURCEAVAILABILITIES";

pub(super) fn is_psplib(text: &str) -> bool {
    text.contains(PRECEDENCE) && text.contains(REQUESTS)
}

/// A task and its numbers, as they are written.
struct Job<'t> {
    id: &'t str,
    before: Vec<&'t str>,
    time: &'t str,
    demands: Vec<&'t str>,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    text: &str,
    offset: usize,
) -> Result<Result<Plan, ReadError>, SyntaxError> {
    let mut plan = empty_plan(name);
    let span = |part: &str| Span::of_part(text, part, offset);
    let mut jobs: Vec<Job<'_>> = Vec::new();
    for row in rows(text, REQUESTS) {
        let [id, _, time, demands @ ..] = row.as_slice() else {
            return Err(SyntaxError::new(span(row[0]), "expected a job, a mode, a time and demands"));
        };
        jobs.push(Job { id, before: Vec::new(), time, demands: demands.to_vec() });
    }
    for row in rows(text, PRECEDENCE) {
        let [id, _, _, after @ ..] = row.as_slice() else {
            return Err(SyntaxError::new(span(row[0]), "expected a job, modes and successors"));
        };
        for later in after {
            let place = later.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let Some(job) = place.and_then(|place| jobs.get_mut(place)) else {
                return Err(SyntaxError::new(span(later), "there is no such job"));
            };
            job.before.push(id);
        }
    }
    if jobs.is_empty() {
        return Err(SyntaxError::new(Span::default(), "there are no jobs"));
    }
    if let Some(limits) = rows(text, AVAILABLE).first() {
        plan.extra.insert("resources".to_owned(), numbers(limits));
    }
    for job in &jobs {
        let demands = job.demands.iter().map(|demand| number_node(span(demand), demand)).collect();
        let before = job.before.iter().map(|on| Node::text(span(on), *on)).collect();
        let whole = span(job.id);
        let members = vec![
            ("id", Node::text(whole, job.id)),
            ("effort", Node::text(span(job.time), job.time)),
            ("dependencies", Node::list(whole, before)),
            ("demands", Node::list(whole, demands)),
        ];
        if let Err(error) = native::entry(reader, Node::map(whole, members)) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(plan))
}

fn number_node<'t>(span: Span, word: &'t str) -> Node<'t> {
    match word.parse::<u64>() {
        Ok(number) => Node { span, value: NodeValue::Number(number.into()) },
        Err(_) => Node::text(span, word),
    }
}

fn numbers(words: &[&str]) -> Value {
    words.iter().filter_map(|word| word.parse::<u64>().ok()).map(Value::from).collect()
}

/// Returns the rows of a section that begin with a number, each in words.
fn rows<'t>(text: &'t str, section: &str) -> Vec<Vec<&'t str>> {
    let lines = text.lines().skip_while(|line| !line.starts_with(section)).skip(1);
    let rows = lines.take_while(|line| !line.starts_with("****"));
    let words = rows.map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.first().is_some_and(|word| word.parse::<u64>().is_ok())).collect()
}
