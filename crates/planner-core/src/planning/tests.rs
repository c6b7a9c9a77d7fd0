//! Proposals of the shipped methods, and of answers good and bad.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::{Analysis, TaskGraph};

fn by_methods(goal: &str) -> crate::Plan {
    propose(goal, &mut Methods::shipped(), Bounds::default()).unwrap().approve()
}

#[test]
fn a_large_goal_becomes_hundreds_of_tasks_with_real_structure() {
    let plan = by_methods("A web shop with payments, shipping and reviews");
    let graph = TaskGraph::new(&plan).unwrap();
    assert_eq!(graph.ignored(), []);
    let analysis = Analysis::of(&plan, &graph);
    let leaves: Vec<_> = graph.tasks().filter(|task| !graph.is_group(*task)).collect();
    println!(
        "{} tasks, {} waves, the widest {:?}",
        leaves.len(),
        analysis.waves.len(),
        analysis.waves.widest()
    );
    assert!(leaves.len() >= 500, "{}", leaves.len());
    let titles: HashSet<String> = plan.tasks.iter().map(|task| task.title.to_lowercase()).collect();
    assert_eq!(titles.len(), plan.tasks.len());
    // No chain: much can be done side by side, and yet there is an order of many steps.
    assert!(analysis.waves.len() >= 15 && analysis.waves.len() * 10 < leaves.len());
    assert!(analysis.waves.widest().unwrap().1 >= 20);
    for task in &leaves {
        let task = &plan.tasks[task.index()];
        assert!(!task.extra["acceptance"].as_array().unwrap().is_empty(), "{}", task.id);
        assert!(task.effort.is_some() && !task.capabilities.is_empty(), "{}", task.id);
    }
    let ids: HashSet<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert!(
        ids.contains("shipping.logic") && ids.contains("checkout.pages"),
        "the goal's own features are there"
    );
    let shipping = plan.tasks.iter().find(|task| task.id.as_str() == "shipping").unwrap();
    assert!(shipping.dependencies.iter().any(|before| before.on.as_str() == "orders"));
}

#[test]
fn other_kinds_of_goals_have_other_methods() {
    let keys =
        |goal: &str| by_methods(goal).tasks.iter().map(|task| task.id.to_string()).collect::<HashSet<_>>();
    let tool = keys("A command line tool that searches logs");
    assert!(
        tool.contains("skeleton.arguments") && tool.contains("search.core") && !tool.contains("search.pages")
    );
    assert!(keys("A service for webhooks").contains("webhooks.contract"));
    assert_eq!(propose(" ", &mut Methods::shipped(), Bounds::default()), Err(PlanningError::NoGoal));
}

#[test]
fn methods_that_name_what_is_not_there_are_refused() {
    let text =
        "kinds: [{method: a, features: []}]\nmethods: {a: [{key: x, title: X, method: b}]}\nfeatures: {}\n";
    let error = Methods::parse(text).unwrap_err().to_string();
    assert_eq!(error, "the step `x` of `a` names `b`, which is not there");
    assert!(Methods::parse("kinds: 7").is_err());
}

/// Gives the replies in order, as if somebody outside had sent them.
struct Replies {
    left: Vec<&'static str>,
    prompts: Vec<String>,
}

impl Decomposer for Replies {
    fn parts(&mut self, ask: &Ask<'_>) -> Result<Vec<Part>, String> {
        self.prompts.push(prompt(ask));
        if self.left.is_empty() {
            return Ok(Vec::new());
        }
        parse_reply(self.left.remove(0))
    }
}

#[test]
fn bad_replies_are_asked_again_with_what_was_wrong() {
    let replies = vec![
        "I cannot help with that.",
        "```json\n[{\"key\": \"a\", \"title\": \"A\", \"after\": [\"b\"]}, {\"key\": \"b\", \"title\": \"B\", \"after\": [\"a\"]}]\n```",
        "Sure! Here you are:\n{\"parts\": [{\"id\": 1, \"name\": \"Build it\", \"compound\": true, \"effort\": \"2h\",}, \
         {\"key\": \"t\", \"title\": \"Test it\", \"after\": 1, \"acceptance\": \"it passes, [really],\"},]}",
        "[{\"title\": \"test IT\"}, {\"title\": \"Write it\", \"after\": [\"nothing\"]}]",
    ];
    let mut outside = Replies { left: replies, prompts: Vec::new() };
    let proposal = propose("A thing", &mut outside, Bounds::default()).unwrap();
    assert!(outside.prompts[1].contains("not usable: it holds no JSON"), "{}", outside.prompts[1]);
    assert!(outside.prompts[2].contains("wait for each other: a, b"), "{}", outside.prompts[2]);
    assert!(outside.prompts[3].contains("A thing > Build it"), "{}", outside.prompts[3]);
    let told: Vec<String> = proposal
        .plan()
        .tasks
        .iter()
        .map(|task| {
            let after: Vec<&str> = task.dependencies.iter().map(|on| on.on.as_str()).collect();
            format!("{} {:?} {} {}", task.id, task.title, after.join(","), task.extra["acceptance"][0])
        })
        .collect();
    let build = &proposal.plan().tasks[0];
    assert_eq!((build.id.as_str(), build.effort), ("1", None), "what was broken down is no work of its own");
    assert_eq!(
        told,
        [
            "1 \"Build it\"  \"Build it: somebody else has looked at it and found it done\"",
            "t \"Test it\" 1 \"it passes, [really],\"",
            "1.test-it \"test IT (Build it)\"  \"test IT (Build it): somebody else has looked at it and found it done\"",
            "1.write-it \"Write it\"  \"Write it: somebody else has looked at it and found it done\"",
        ]
    );
    assert!(proposal.repairs.iter().any(|repair| repair.contains("no longer comes after `nothing`")));
}

#[test]
fn replies_that_stay_bad_and_breakdowns_without_end_are_given_up() {
    let mut outside = Replies { left: vec!["no"; 9], prompts: Vec::new() };
    let error = propose("x", &mut outside, Bounds::default()).unwrap_err();
    assert_eq!(error.to_string(), "`x` was not broken down after 3 attempts: it holds no JSON");

    struct Endless;
    impl Decomposer for Endless {
        fn parts(&mut self, _: &Ask<'_>) -> Result<Vec<Part>, String> {
            let part = |key: &str| Part {
                key: key.to_owned(),
                title: key.to_owned(),
                compound: true,
                ..Part::default()
            };
            Ok(["a", "b", "c", "d", "e", "f", "g", "h"].map(part).into())
        }
    }
    let bounds = Bounds { depth_max: 50, tasks_max: 1_000, retries_max: 0 };
    assert_eq!(propose("x", &mut Endless, bounds), Err(PlanningError::TooMany(1_000)));
    let shallow = propose("x", &mut Endless, Bounds { depth_max: 2, ..bounds }).unwrap();
    assert_eq!(shallow.plan().tasks.len(), 8 + 64);
    assert!(TaskGraph::new(shallow.plan()).is_ok());
}

proptest! {
    #[test]
    fn any_reply_is_parts_or_a_reason(reply in "[\\[\\]{},:\"a-z0-9 \\\\]{0,60}") {
        if let Ok(parts) = parse_reply(&reply) {
            prop_assert!(parts.iter().all(|part| !part.title.is_empty()));
        }
    }
}
