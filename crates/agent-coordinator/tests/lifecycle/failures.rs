//! A project of which too much fails is paused.

use std::num::NonZeroU32;

use agent_coordinator::engine::{Command, Explanation, Pausable};
use state_store::task::{ProjectRules, StateName};

use crate::bench::{Bench, PROJECT, task};

impl Bench {
    fn allow(&mut self, in_row: u32, total: u32) {
        let (failures_in_row_max, failures_max) = (NonZeroU32::new(in_row), NonZeroU32::new(total));
        let rules = ProjectRules { failures_in_row_max, failures_max, ..ProjectRules::default() };
        self.ask(Command::SetRules { project: PROJECT, rules }).unwrap();
    }
}

#[test]
fn failures_in_a_row_stop_a_project_until_somebody_lets_it_go_on() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut bench = Bench::new(names.map(|name| task(name, &[])).to_vec(), 1);
    bench.allow(2, 0);
    bench.fail("a");
    bench.finish("b");
    bench.fail("c");
    assert_eq!(bench.state("d"), StateName::Assigned, "a completed task came between");
    bench.fail("d");
    assert_eq!(bench.state("e"), StateName::Pending);
    assert_eq!(bench.explain("e"), Explanation::TooManyFailures { in_row: 2, total: 3 });
    assert!(bench.engine.is_settled(PROJECT), "nothing happens unless somebody lets it go on");
    bench.ask(Command::Continue(Pausable::Project(PROJECT))).unwrap();
    bench.fail("e");
    assert_eq!(bench.state("f"), StateName::Assigned, "it is counted anew");
}

#[test]
fn failures_in_all_stop_a_project_whatever_succeeds_between_them() {
    let names = ["a", "b", "c", "d"];
    let mut bench = Bench::new(names.map(|name| task(name, &[])).to_vec(), 1);
    bench.allow(0, 2);
    bench.fail("a");
    bench.finish("b");
    bench.fail("c");
    assert_eq!(bench.explain("d"), Explanation::TooManyFailures { in_row: 1, total: 2 });
    bench.allow(0, 0);
    assert_eq!(bench.explain("d"), Explanation::TooManyFailures { in_row: 1, total: 2 }, "it stays so");
    bench.ask(Command::Continue(Pausable::Project(PROJECT))).unwrap();
    assert_eq!(bench.state("d"), StateName::Assigned);
}
