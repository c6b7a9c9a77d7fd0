//! The workflows are YAML of the shape that the forge expects, and name commands that this program has.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use serde_json::Value;

fn workflow(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn workflows_have_jobs_of_steps_and_no_more_rights_than_they_need() {
    let measuring = workflow(include_str!("../../../.github/workflows/performance.yml"));
    let commenting = workflow(include_str!("../../../.github/workflows/performance-comment.yml"));
    for workflow in [&measuring, &commenting] {
        assert!(workflow["name"].is_string() && workflow["on"].is_object(), "{workflow}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            assert!(job["runs-on"].is_string(), "{name}");
            for step in job["steps"].as_array().unwrap() {
                assert!(step["uses"].is_string() != step["run"].is_string(), "{name}: {step}");
            }
        }
    }
    // What runs the code of a pull request can write nothing; what can write runs none of it.
    assert_eq!(measuring["permissions"], serde_json::json!({ "contents": "read" }));
    let steps = commenting["jobs"]["comment"]["steps"].to_string();
    assert!(!steps.contains("checkout") && !steps.contains("cargo"), "{steps}");
    assert_eq!(measuring["on"]["schedule"][0]["cron"], "17 3 * * *");
    let compare = &measuring["jobs"]["compare"]["steps"];
    let timed = compare.as_array().unwrap().iter().find(|step| step["name"] == "Compare, in turn").unwrap();
    assert_eq!(timed["timeout-minutes"], 5, "the part that measures ends within five minutes");
}
