//! The Standard Task Graph Set: a number of tasks, then for each its number, its time, and the numbers of those before it.
//!
//! A unit of time is taken as an hour. The first and the last task are dummies without effort and are kept.

use super::native;
use super::node::{Node, Span, SyntaxError};
use super::reader::Reader;
use super::{ReadError, empty_plan};
use crate::Plan;

pub(super) fn is_stg(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).take(3);
    let numbers = |line: Option<&str>| {
        let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        words.iter().all(|word| word.parse::<u64>().is_ok()).then_some(words.len())
    };
    (numbers(lines.next()), numbers(lines.next()), numbers(lines.next())) == (Some(1), Some(3), Some(3))
        || (numbers(text.lines().next()) == Some(1)
            && numbers(text.lines().nth(1)).is_some_and(|words| words >= 3))
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    text: &str,
    offset: usize,
) -> Result<Result<Plan, ReadError>, SyntaxError> {
    let plan = empty_plan(name);
    for (number, line) in text.lines().filter(|line| !line.trim().is_empty()).enumerate() {
        if line.trim_start().starts_with('#') {
            break;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let span = |part: &str| Span::of_part(text, part, offset);
        if let Some(word) = words.iter().find(|word| word.parse::<u64>().is_err()) {
            return Err(SyntaxError::new(span(word), "expected a whole number"));
        }
        if number == 0 {
            continue;
        }
        let [id, time, count, before @ ..] = words.as_slice() else {
            return Err(SyntaxError::new(span(line), "expected a number, a time and a count"));
        };
        if count.parse() != Ok(before.len()) {
            return Err(SyntaxError::new(span(count), "so many numbers do not follow"));
        }
        let before = before.iter().map(|on| Node::text(span(on), *on)).collect();
        let members = vec![
            ("id", Node::text(span(id), *id)),
            ("effort", Node::text(span(time), *time)),
            ("dependencies", Node::list(span(count), before)),
        ];
        if let Err(error) = native::entry(reader, Node::map(span(line), members)) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(plan))
}
