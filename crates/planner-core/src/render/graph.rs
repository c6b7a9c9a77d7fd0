//! Pictures of a plan's graph: DOT for Graphviz, Mermaid for Markdown, and an SVG of its own.
//!
//! Tasks and groups are drawn as they are written, an edge for each dependency that no other way makes needless; what never
//! runs is left out. The critical path stands out.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::graph::Digraph;
use crate::{Analysis, Plan, Standing, TaskGraph, TaskIndex};

/// A plan's graph, ready to be drawn.
#[derive(Debug)]
pub struct GraphPicture<'p> {
    plan: &'p Plan,
    graph: &'p TaskGraph,
    /// By position in the picture.
    tasks: Vec<TaskIndex>,
    /// Positions: what comes first and what waits.
    edges: Vec<(u32, u32)>,
    waves: Vec<u32>,
    critical: HashSet<TaskIndex>,
    /// Of which the second waits for the first.
    critical_steps: HashSet<(TaskIndex, TaskIndex)>,
}

impl<'p> GraphPicture<'p> {
    /// Returns the picture of the plan, whose graph and analysis these are.
    pub fn of(plan: &'p Plan, graph: &'p TaskGraph, analysis: &Analysis) -> Self {
        let is_drawn = |task: &TaskIndex| !matches!(plan.tasks[task.index()].standing, Standing::Excluded(_));
        let tasks: Vec<TaskIndex> = graph.tasks().filter(is_drawn).collect();
        let mut positions = vec![None; plan.tasks.len()];
        for (position, task) in tasks.iter().enumerate() {
            positions[task.index()] = Some(position as u32);
        }
        let ignored: HashSet<(TaskIndex, usize)> =
            graph.ignored().iter().map(|ignored| (ignored.task, ignored.position)).collect();
        let mut edges = Vec::new();
        for task in &tasks {
            let dependencies = plan.tasks[task.index()].dependencies.iter().enumerate();
            for (_, dependency) in dependencies.filter(|(position, _)| !ignored.contains(&(*task, *position)))
            {
                let from = graph.task_index(dependency.on.as_str()).and_then(|on| positions[on.index()]);
                edges.extend(from.zip(positions[task.index()]));
            }
        }
        let (edges, waves) = reduced(tasks.len(), &edges);
        let critical = analysis.critical_path.tasks.iter().copied().collect();
        let critical_steps = analysis.critical_path.tasks.windows(2).map(|step| (step[0], step[1])).collect();
        Self { plan, graph, tasks, edges, waves, critical, critical_steps }
    }

    fn id(&self, position: usize) -> &str {
        self.plan.tasks[self.tasks[position].index()].id.as_str()
    }

    fn title(&self, position: usize) -> &str {
        &self.plan.tasks[self.tasks[position].index()].title
    }

    fn is_critical_step(&self, from: u32, to: u32) -> bool {
        self.critical_steps.contains(&(self.tasks[from as usize], self.tasks[to as usize]))
    }

    fn is_critical(&self, position: u32) -> bool {
        self.critical.contains(&self.tasks[position as usize])
    }

    /// Returns the groups' members by position, and what belongs to no group.
    fn members(&self) -> (Vec<Vec<usize>>, Vec<usize>) {
        let mut positions = vec![usize::MAX; self.plan.tasks.len()];
        for (position, task) in self.tasks.iter().enumerate() {
            positions[task.index()] = position;
        }
        let mut members = vec![Vec::new(); self.tasks.len()];
        let mut roots = Vec::new();
        for (position, task) in self.tasks.iter().enumerate() {
            match self.graph.parent_of(*task) {
                Some(group) => members[positions[group.index()]].push(position),
                None => roots.push(position),
            }
        }
        (members, roots)
    }

    /// Calls `open` for each group before its members and `close` after them, and `leaf` for every other task.
    fn walk(&self, mut visit: impl FnMut(Visit, usize)) {
        let (members, roots) = self.members();
        let mut open: Vec<(Visit, usize)> =
            roots.into_iter().rev().map(|position| (Visit::Enter, position)).collect();
        while let Some((kind, position)) = open.pop() {
            if members[position].is_empty() {
                visit(Visit::Leaf, position);
                continue;
            }
            visit(kind, position);
            if kind == Visit::Enter {
                open.push((Visit::Leave, position));
                open.extend(members[position].iter().rev().map(|member| (Visit::Enter, *member)));
            }
        }
    }

    /// Returns the picture in DOT.
    pub fn to_dot(&self) -> String {
        let mut dot = format!(
            "digraph {} {{\n  rankdir=LR; compound=true; node [shape=box];\n",
            quoted(&self.plan.name)
        );
        let mut indent = 1;
        self.walk(|visit, position| {
            let id = self.id(position);
            if visit == Visit::Leave {
                indent -= 1;
                let _ = writeln!(dot, "{}}}", "  ".repeat(indent));
                return;
            }
            let space = "  ".repeat(indent);
            if visit == Visit::Enter {
                let _ = writeln!(dot, "{space}subgraph {} {{", quoted(&format!("cluster_{id}")));
                indent += 1;
            }
            let colour = if self.is_critical(position as u32) { ", color=red, penwidth=2" } else { "" };
            let shape = if visit == Visit::Enter { ", shape=folder" } else { "" };
            let space = "  ".repeat(indent);
            let _ = writeln!(
                dot,
                "{space}{} [label={}{shape}{colour}];",
                quoted(id),
                quoted(self.title(position))
            );
        });
        for (from, to) in &self.edges {
            let critical = self.is_critical_step(*from, *to);
            let colour = if critical { " [color=red, penwidth=2]" } else { "" };
            let _ = writeln!(
                dot,
                "  {} -> {}{colour};",
                quoted(self.id(*from as usize)),
                quoted(self.id(*to as usize))
            );
        }
        dot + "}\n"
    }

    /// Returns the picture as a flow chart of Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut chart = "flowchart LR\n".to_owned();
        let mut indent = 1;
        self.walk(|visit, position| {
            let label = mermaid_text(&format!("{}: {}", self.id(position), self.title(position)));
            match visit {
                Visit::Enter => {
                    let _ = writeln!(chart, "{}subgraph t{position}[\"{label}\"]", "  ".repeat(indent));
                    indent += 1;
                }
                Visit::Leave => {
                    indent -= 1;
                    let _ = writeln!(chart, "{}end", "  ".repeat(indent));
                }
                Visit::Leaf => {
                    let class = if self.is_critical(position as u32) { ":::critical" } else { "" };
                    let _ = writeln!(chart, "{}t{position}[\"{label}\"]{class}", "  ".repeat(indent));
                }
            }
        });
        for (from, to) in &self.edges {
            let _ = writeln!(chart, "  t{from} --> t{to}");
        }
        chart + "  classDef critical stroke:#cf222e,stroke-width:3px\n"
    }

    /// Returns the picture as a self-contained SVG: a column a wave, those that belong together near each other.
    pub fn to_svg(&self) -> String {
        const COLUMN: f64 = 230.0;
        const ROW: f64 = 34.0;
        const BOX: (f64, f64) = (180.0, 26.0);
        const MARGIN: f64 = 20.0;
        const TITLE_CHARS: usize = 25;
        let columns = self.columns();
        let mut place = vec![(0.0, 0.0); self.tasks.len()];
        for (column, positions) in columns.iter().enumerate() {
            for (row, position) in positions.iter().enumerate() {
                place[*position] = (MARGIN + column as f64 * COLUMN, 50.0 + row as f64 * ROW);
            }
        }
        let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
        let (width, height) = (2.0 * MARGIN + columns.len() as f64 * COLUMN, 70.0 + rows as f64 * ROW);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plan\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{0}</title><style>{STYLE}</style>\
             <rect class=\"ground\" width=\"100%\" height=\"100%\"/><text class=\"title\" x=\"{MARGIN}\" y=\"28\">{0}</text>\n",
            xml(&self.plan.name)
        );
        for (from, to) in &self.edges {
            let ((x, y), (to_x, to_y)) = (place[*from as usize], place[*to as usize]);
            let (x, y, to_y) = (x + BOX.0, y + BOX.1 / 2.0, to_y + BOX.1 / 2.0);
            let class = if self.is_critical_step(*from, *to) { "edge critical" } else { "edge" };
            let bend = ((to_x - x) / 2.0).max(20.0);
            let _ = writeln!(
                svg,
                "<path class=\"{class}\" d=\"M{x:.0} {y:.0}C{:.0} {y:.0} {:.0} {to_y:.0} {to_x:.0} {to_y:.0}\"/>",
                x + bend,
                to_x - bend
            );
        }
        for (position, (x, y)) in place.iter().enumerate() {
            let task = self.tasks[position];
            let kind = match (
                self.is_critical(position as u32),
                self.plan.tasks[task.index()].standing == Standing::Completed,
            ) {
                (true, _) => "critical",
                (false, true) => "done",
                (false, false) if self.graph.is_group(task) => "group",
                (false, false) => "task",
            };
            let (id, title) = (self.id(position), self.title(position));
            let label = if id == title { id.to_owned() } else { format!("{id} {title}") };
            let shown: String = if label.chars().count() > TITLE_CHARS {
                label.chars().take(TITLE_CHARS - 1).chain(['…']).collect()
            } else {
                label.clone()
            };
            let _ = writeln!(
                svg,
                "<g class=\"{kind}\"><title>{}</title><rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{}\" height=\"{}\" rx=\"4\"/>\
                 <text x=\"{:.0}\" y=\"{:.0}\">{}</text></g>",
                xml(&label),
                BOX.0,
                BOX.1,
                x + 8.0,
                y + 17.0,
                xml(&shown)
            );
        }
        svg + "</svg>\n"
    }

    /// Returns the positions in each wave, ordered so that edges cross little: each task near the middle of its neighbours
    /// (K. Sugiyama, S. Tagawa, M. Toda, IEEE Transactions on Systems, Man, and Cybernetics 11(2), 1981).
    fn columns(&self) -> Vec<Vec<usize>> {
        const SWEEPS: usize = 4;
        let count = self.waves.iter().max().map_or(0, |last| *last as usize + 1);
        let mut columns = vec![Vec::new(); count];
        for (position, wave) in self.waves.iter().enumerate() {
            columns[*wave as usize].push(position);
        }
        let forward = Digraph::of_edges(self.tasks.len(), &self.edges);
        let backward = forward.reversed();
        let mut row = vec![0.0_f64; self.tasks.len()];
        for sweep in 0..SWEEPS {
            let (neighbours, order): (&Digraph, Vec<usize>) = match sweep % 2 {
                0 => (&backward, (0..count).collect()),
                _ => (&forward, (0..count).rev().collect()),
            };
            for column in order {
                let middle = |position: &usize| {
                    let near = neighbours.successors(*position as u32);
                    match near.len() {
                        0 => row[*position],
                        count => near.iter().map(|other| row[*other as usize]).sum::<f64>() / count as f64,
                    }
                };
                let mut keyed: Vec<(f64, usize)> =
                    columns[column].iter().map(|position| (middle(position), *position)).collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                columns[column] = keyed.into_iter().map(|(_, position)| position).collect();
                for (place, position) in columns[column].iter().enumerate() {
                    row[*position] = place as f64;
                }
            }
        }
        columns
    }
}

/// Where a walk through the groups is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    Enter,
    Leave,
    Leaf,
}

const STYLE: &str = "
.plan { --ink: #1f2328; --line: #8c959f; --ground: #ffffff; --box: #f6f8fa; }
@media (prefers-color-scheme: dark) { .plan { --ink: #e6edf3; --line: #6e7681; --ground: #0d1117; --box: #161b22; } }
.plan text { font: 11px ui-sans-serif, system-ui, sans-serif; fill: var(--ink); } .plan .title { font-size: 16px; font-weight: 600; }
.plan .ground { fill: var(--ground); } .plan rect { fill: var(--box); stroke: var(--line); }
.plan .ground { stroke: none; } .plan .group rect { stroke-dasharray: 4 2; } .plan .done rect { stroke: #1a7f37; }
.plan .critical rect { stroke: #cf222e; stroke-width: 2; } .plan .edge { fill: none; stroke: var(--line); stroke-opacity: 0.6; }
.plan .edge.critical { stroke: #cf222e; stroke-width: 2; stroke-opacity: 1; }
";

/// Returns the edges that no other way makes needless, and the wave of each node. Dependencies between groups may look like a
/// circle where their tasks have none; then all edges are kept, and tasks stand in the order of the file.
fn reduced(count: usize, edges: &[(u32, u32)]) -> (Vec<(u32, u32)>, Vec<u32>) {
    const EDGES_REDUCED_MAX: usize = 20_000;
    let graph = Digraph::of_edges(count, edges).without_repeats();
    let Some(order) = graph.topological_order() else {
        return (graph.edges().collect(), (0..count as u32).collect());
    };
    let waves = graph.waves(&order);
    if graph.edge_count() > EDGES_REDUCED_MAX {
        return (graph.edges().collect(), waves);
    }
    let needless: HashSet<(u32, u32)> = graph.redundant_edges(&order).into_iter().collect();
    (graph.edges().filter(|edge| !needless.contains(edge)).collect(), waves)
}

/// Returns a text in the quotes of DOT.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            _ if character.is_control() => quoted.push(' '),
            _ => quoted.push(character),
        }
    }
    quoted + "\""
}

fn mermaid_text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '<' | '>' | '#' | '&' | '`' => {
                let _ = write!(safe, "#{};", character as u32);
            }
            _ if character.is_control() => safe.push(' '),
            _ => safe.push(character),
        }
    }
    safe
}

fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ if character.is_control() => safe.push(' '),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Limits, read, validate};

    const PLAN: &str = "\
name: Pictures & co
tasks:
  - {id: a, title: 'The \"first\" <one>'}
  - {id: g, title: Group, children: [{id: b, depends_on: [a]}, {id: c, depends_on: [b, a], effort: 3h}]}
  - {id: d, depends_on: [g, a]}
  - {id: x, status: cancelled}
";

    fn with_picture<T>(text: &str, look: impl FnOnce(GraphPicture<'_>) -> T) -> T {
        let reading = read("x.yaml", text.as_bytes(), None, &Limits::default()).unwrap();
        let graph = validate(&reading).graph.unwrap();
        let analysis = Analysis::of(&reading.plan, &graph);
        look(GraphPicture::of(&reading.plan, &graph, &analysis))
    }

    #[test]
    fn dot_can_be_read_as_a_plan_again() {
        let dot = with_picture(PLAN, |picture| picture.to_dot());
        let reading = read("x.dot", dot.as_bytes(), Some(Format::Dot), &Limits::default()).unwrap();
        assert!(validate(&reading).graph.is_some(), "{dot}");
        let told: Vec<String> = reading
            .plan
            .tasks
            .iter()
            .map(|task| {
                let before: Vec<&str> = task.dependencies.iter().map(|on| on.on.as_str()).collect();
                format!(
                    "{} {} {:?} {}",
                    task.id,
                    task.title,
                    task.parent.as_ref().map(crate::TaskId::as_str),
                    before.join(",")
                )
            })
            .collect();
        let expected = [
            "a The \"first\" <one> None ",
            "g Group None ",
            "b b Some(\"g\") a",
            "c c Some(\"g\") b",
            "d d None a,g",
        ];
        assert_eq!(told, expected, "{dot}");
    }

    #[test]
    fn mermaid_nests_groups_and_escapes_titles() {
        let expected = "\
flowchart LR
  t0[\"a: The #34;first#34; #60;one#62;\"]:::critical
  subgraph t1[\"g: Group\"]
    t2[\"b: b\"]:::critical
    t3[\"c: c\"]:::critical
  end
  t4[\"d: d\"]:::critical
  t0 --> t2
  t0 --> t4
  t1 --> t4
  t2 --> t3
  classDef critical stroke:#cf222e,stroke-width:3px
";
        assert_eq!(with_picture(PLAN, |picture| picture.to_mermaid()), expected);
    }

    #[test]
    fn an_svg_of_a_thousand_tasks_has_a_place_for_each() {
        let plan = crate::generate::complex(1_000, 7);
        let graph = TaskGraph::new(&plan).unwrap();
        let picture = GraphPicture::of(&plan, &graph, &Analysis::of(&plan, &graph));
        let svg = picture.to_svg();
        assert_eq!(svg.matches("<g class").count(), 1_000);
        let boxes: HashSet<&str> = svg
            .lines()
            .filter_map(|line| line.split_once("<rect x=")?.1.split_once(" width"))
            .map(|(at, _)| at)
            .collect();
        assert_eq!(boxes.len(), 1_000, "no two boxes at one place");
        let columns = picture.columns();
        assert_eq!(columns.iter().map(Vec::len).sum::<usize>(), 1_000);
        assert!(with_picture(PLAN, |picture| picture.to_svg()).contains("Pictures &amp; co"));
    }
}
