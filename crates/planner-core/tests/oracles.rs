//! Large real graphs against what others counted in them, where the environment variable `SUPER_PLANNER_CORPUS` names a folder
//! that holds them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to fail")]

#[cfg(test)]
mod loading;

use std::collections::BTreeMap;

use loading::{bytes_of, corpus};
use planner_core::graph::{Digraph, LiveOrder};
use serde_json::Value;

/// Returns the graph of a file whose lines say that one node depends on another.
fn read_edges(bytes: &[u8], nodes: usize) -> Digraph {
    let text = std::str::from_utf8(bytes).unwrap();
    let edges: Vec<(u32, u32)> = text
        .lines()
        .map(|line| {
            let (from, on) = line.split_once(' ').unwrap();
            (on.parse().unwrap(), from.parse().unwrap())
        })
        .collect();
    Digraph::of_edges(nodes, &edges)
}

fn weights(bytes: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().map(|line| line.split(['\t', ' ']).next_back().unwrap().parse().unwrap()).collect()
}

#[test]
fn large_real_graphs_hold_what_was_counted_by_others() {
    let Some(folder) = corpus("graphs") else { return };
    let oracle: BTreeMap<String, Value> = serde_json::from_slice(&bytes_of(&folder, "oracle.json")).unwrap();
    let mut compared = 0;
    for (name, answer) in &oracle {
        if !folder.join(format!("{name}.edges.gz")).exists() {
            continue;
        }
        let number = |key: &str| answer[key].as_u64().unwrap();
        let graph = read_edges(&bytes_of(&folder, &format!("{name}.edges.gz")), number("nodes") as usize);
        assert_eq!(graph.edge_count() as u64, number("edges_raw"), "{name}");
        assert_eq!(graph.topological_order().is_some(), answer["acyclic"].as_bool().unwrap(), "{name}");
        let components = graph.components();
        assert_eq!(components.count as u64, number("sccs"), "{name}");
        let mut sizes = components.sizes();
        assert_eq!(
            sizes.iter().filter(|size| **size > 1).count() as u64,
            number("nontrivial_sccs"),
            "{name}"
        );
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let largest: Vec<u64> =
            answer["largest_sccs"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap()).collect();
        assert_eq!(
            sizes.iter().take(largest.len()).map(|size| *size as u64).collect::<Vec<_>>(),
            largest,
            "{name}"
        );

        let condensed = graph.condensed(&components);
        assert_eq!(condensed.edge_count() as u64, number("cond_edges"), "{name}");
        let order = condensed.topological_order().unwrap();
        let waves = condensed.waves(&order);
        let mut widths = vec![0_u64; 1 + *waves.iter().max().unwrap() as usize];
        waves.iter().for_each(|wave| widths[*wave as usize] += 1);
        assert_eq!(
            (widths.len() as u64, *widths.iter().max().unwrap()),
            (number("waves"), number("max_wave")),
            "{name}"
        );
        let own = match folder.join(format!("{name}.nodes.gz")).exists() {
            true => weights(&bytes_of(&folder, &format!("{name}.nodes.gz"))),
            false => vec![1; graph.node_count()],
        };
        let mut weights = vec![0; components.count];
        components.of.iter().zip(own).for_each(|(component, weight)| weights[*component as usize] += weight);
        assert_eq!(weights.iter().sum::<u64>(), number("work"), "{name}");
        assert_eq!(condensed.times(&order, &weights).critical, number("critical_path"), "{name}");
        assert_eq!(condensed.redundant_edges(&order).len() as u64, number("redundant_edges"), "{name}");
        let live = LiveOrder::of(&condensed).unwrap();
        assert!(condensed.edges().all(|(from, to)| live.is_before(from, to)), "{name}");
        compared += 1;
    }
    assert_eq!(compared, 3);
}
