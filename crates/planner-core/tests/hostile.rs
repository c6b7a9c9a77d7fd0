//! Files that mean harm, hundreds of them: none may cause a panic, hang, or eat memory.

mod harm;

use planner_core::Format;

/// A file and what it is about.
struct Hostile {
    about: String,
    name: &'static str,
    bytes: Vec<u8>,
}

fn hostile(about: impl Into<String>, name: &'static str, bytes: impl Into<Vec<u8>>) -> Hostile {
    Hostile { about: about.into(), name, bytes: bytes.into() }
}

/// Returns the fixtures, each cut off at a dozen places.
fn cut_off(files: &mut Vec<Hostile>) {
    const SOUND: [(&str, &[u8]); 14] = [
        ("x.yaml", include_bytes!("fixtures/bakery.yaml")),
        ("x.toml", include_bytes!("fixtures/bakery.toml")),
        ("x.json", include_bytes!("fixtures/bakery.json")),
        ("x.json", include_bytes!("fixtures/library.project.json")),
        ("x.json", include_bytes!("fixtures/garden.state.json")),
        ("x.jsonl", include_bytes!("fixtures/harbour.jsonl")),
        ("x.json", include_bytes!("fixtures/orchard.taskmaster.json")),
        ("x.md", include_bytes!("fixtures/cinema.tasks.md")),
        ("x.md", include_bytes!("fixtures/parcels.md")),
        ("x.json", include_bytes!("fixtures/weather.wf.json")),
        ("x.dot", include_bytes!("fixtures/bridge.dot")),
        ("x.csv", include_bytes!("fixtures/moving.csv")),
        ("x.stg", include_bytes!("fixtures/five.stg")),
        ("x.sm", include_bytes!("fixtures/tiny.sm")),
    ];
    const PARTS: usize = 12;
    for (name, bytes) in SOUND {
        for part in 1..PARTS {
            let end = bytes.len() * part / PARTS;
            files.push(hostile(format!("cut off at {end}"), name, &bytes[..end]));
        }
    }
}

/// Returns values nested in each other far too deep, with and without their ends.
fn too_deep(files: &mut Vec<Hostile>) {
    for depth in [150, 20_000] {
        for (name, begin, open, close) in [
            ("x.json", "{\"tasks\": ", "[", "]"),
            ("x.json", "{\"tasks\": [{\"id\": 1, \"x\": ", "{\"a\":", "}"),
            ("x.yaml", "tasks: ", "[", "]"),
            ("x.yaml", "tasks: ", "{a: ", "}"),
            ("x.toml", "tasks = ", "[", "]"),
            ("x.jsonl", "{\"id\": \"a\", \"x\": ", "[", "]"),
            ("x.dot", "digraph { ", "subgraph { ", "} "),
            ("x.dot", "digraph { a -> ", "{ ", "} "),
        ] {
            let ends = if begin.contains("[{") {
                "}]}"
            } else if begin.starts_with(['{', 'd']) {
                "}"
            } else {
                ""
            };
            files.push(hostile(
                format!("{depth} times {open}"),
                name,
                format!("{begin}{}1{}{ends}", open.repeat(depth), close.repeat(depth)),
            ));
            files.push(hostile(
                format!("{depth} times {open}, open"),
                name,
                format!("{begin}{}", open.repeat(depth)),
            ));
        }
        let block: String = (0..depth.min(600)).map(|level| format!("{}- \n", " ".repeat(level))).collect();
        files.push(hostile(format!("{depth} levels of blocks"), "x.yaml", format!("tasks:\n{block}")));
        let items: String =
            (0..depth.min(600)).map(|level| format!("{}- [ ] a{level}\n", " ".repeat(level))).collect();
        files.push(hostile(format!("{depth} levels of items"), "x.md", items));
    }
}

/// Returns graphs in the shapes that break naive algorithms.
fn shapes(files: &mut Vec<Hostile>) {
    const MANY: usize = 10_000;
    let plan = |task: &dyn Fn(usize) -> String, count: usize| {
        let tasks: Vec<String> = (0..count).map(task).collect();
        format!("{{\"tasks\": [{}]}}", tasks.join(","))
    };
    let depends = |from: usize, on: usize| format!("{{\"id\": \"t{from}\", \"dependencies\": [\"t{on}\"]}}");
    let belongs = |child: usize, to: usize| format!("{{\"id\": \"t{child}\", \"parent\": \"t{to}\"}}");
    let all = |count: usize| (0..count).map(|on| format!("\"t{on}\"")).collect::<Vec<_>>().join(",");
    for (about, text) in [
        ("a chain", plan(&|n| depends(n, n.saturating_sub(1).max(usize::from(n == 0))), MANY)),
        ("a ring", plan(&|n| depends(n, (n + 1) % MANY), MANY)),
        ("rings of two", plan(&|n| depends(n, n ^ 1), MANY)),
        ("a ladder of groups", plan(&|n| belongs(n, n + 1), MANY)),
        ("a ring of groups", plan(&|n| belongs(n, (n + 1) % MANY), MANY)),
        ("one group of all", plan(&|n| belongs(n, 0), MANY)),
        ("all wait for themselves", plan(&|n| depends(n, n), MANY)),
        (
            "all wait for what is not there",
            plan(&|n| format!("{{\"id\": \"t{n}\", \"dependencies\": [\"u{n}\"]}}"), MANY),
        ),
        ("all are the same", plan(&|_| "{\"id\": \"same\"}".to_owned(), MANY)),
        (
            "all differ in case",
            plan(
                &|n| {
                    format!(
                        "{{\"id\": \"{}\"}}",
                        if n % 2 == 0 { format!("a{}", n / 2) } else { format!("A{}", n / 2) }
                    )
                },
                MANY,
            ),
        ),
        (
            "each waits for each",
            plan(&|n| format!("{{\"id\": \"t{n}\", \"dependencies\": [{}]}}", all(150)), 150),
        ),
        (
            "each waits for those before",
            plan(&|n| format!("{{\"id\": \"t{n}\", \"dependencies\": [{}]}}", all(n)), 150),
        ),
        (
            "one waits for one thousands of times",
            plan(
                &|n| {
                    if n == 0 {
                        format!("{{\"id\": \"a\", \"dependencies\": [{}]}}", vec!["\"b\""; MANY].join(","))
                    } else {
                        "{\"id\": \"b\"}".to_owned()
                    }
                },
                2,
            ),
        ),
        (
            "each has a capability of its own",
            plan(&|n| format!("{{\"id\": \"t{n}\", \"capabilities\": [\"c{n}\"]}}"), MANY / 4),
        ),
        (
            "one has every capability",
            plan(&|n| format!("{{\"id\": \"t{n}\", \"capabilities\": [{}]}}", all(MANY)), 1),
        ),
        (
            "groups that wait for their own",
            plan(
                &|n| {
                    format!(
                        "{{\"id\": \"t{n}\", \"parent\": \"t{}\", \"dependencies\": [\"t{}\", \"t{}\"]}}",
                        n / 2,
                        n / 2,
                        2 * n + 1
                    )
                },
                4_000,
            ),
        ),
        (
            "a field given thousands of times",
            format!("{{\"tasks\": [{{\"id\": 1{}}}]}}", ", \"id\": 2".repeat(MANY)),
        ),
        (
            "thousands of fields",
            format!(
                "{{\"tasks\": [{{\"id\": 1{}}}]}}",
                (0..MANY).map(|n| format!(", \"efort{n}\": 2")).collect::<String>()
            ),
        ),
        (
            "thousands of fields of the plan",
            format!("{{\"tasks\": []{}}}", (0..MANY).map(|n| format!(", \"x{n}\": 2")).collect::<String>()),
        ),
    ] {
        files.push(hostile(about, "x.json", text));
    }
    let edges: String = (0..MANY).map(|n| format!("t{n} -> t{};", (n + 1) % MANY)).collect();
    files.push(hostile("a ring", "x.dot", format!("digraph {{{edges}}}")));
    files.push(hostile(
        "sets of sets",
        "x.dot",
        format!(
            "digraph {{ {0} -> {0} }}",
            format!("{{{}}}", (0..300).map(|n| format!("a{n} ")).collect::<String>())
        ),
    ));
    files.push(hostile(
        "a chain",
        "x.csv",
        (1..MANY).fold("id,dependencies\n0,\n".to_owned(), |text, n| text + &format!("{n},{}\n", n - 1)),
    ));
    files.push(hostile("a row without end", "x.csv", format!("id,title\n\"{}", "x,\n".repeat(MANY))));
    files.push(hostile("cells without names", "x.csv", format!("id,title\n{}\n", "x,".repeat(MANY))));
    files.push(hostile("quotes", "x.csv", format!("id,title\n{}", "\"".repeat(MANY))));
    files.push(hostile(
        "a chain",
        "x.stg",
        (1..MANY).fold(format!("{MANY}\n0 1 0\n"), |text, n| text + &format!("{n} 1 1 {}\n", n - 1)),
    ));
    files.push(hostile("brackets", "x.md", format!("- [ ] a {}\n", "(after: ".repeat(MANY))));
    files.push(hostile("closing brackets", "x.md", format!("- [ ] a {}\n", "(after: a)".repeat(2_000))));
    files.push(hostile("marks", "x.md", format!("- [ ] T001 {}\n", "[P]".repeat(MANY))));
    files.push(hostile(
        "parallel tasks",
        "x.md",
        (10..2_000)
            .map(|n| format!("- [ ] T{n:05} {}x\n", if n % 2 == 0 { "[P] " } else { "" }))
            .collect::<String>(),
    ));
    files.push(hostile("fences", "x.md", "```\n".repeat(MANY)));
    files.push(hostile("front matter without end", "x.md", format!("---\nid: a\n{}", "x: y\n".repeat(MANY))));
}

/// Returns bytes that are no text, texts that are no plan, and values that are none.
fn oddities(files: &mut Vec<Hostile>) {
    for (about, bytes) in [
        ("nothing", &b""[..]),
        ("white space", b" \n\t\r\n"),
        ("a byte order mark", "\u{feff}".as_bytes()),
        ("no UTF-8", b"tasks: [\xff]"),
        ("UTF-16", b"\xff\xfet\0a\0s\0k\0s\0"),
        ("zeros", &[0; 4_096]),
        ("escapes of a terminal", b"tasks: [{id: \"a\\e[31m\", title: \"\\e]0;x\\a\"}]"),
        ("text in the other direction", "tasks: [{id: \"a\u{202e}b\"}]".as_bytes()),
        ("a comment", b"# nothing else\n"),
    ] {
        for name in ["x.yaml", "x.json", "x.toml", "x.md", "x.csv", "x.dot"] {
            files.push(hostile(about, name, bytes));
        }
    }
    for value in [
        "1e999",
        "-1",
        "99999999999999999999",
        "1e-400",
        "\"NaN\"",
        "\"∞h\"",
        "[]",
        "{}",
        "null",
        "true",
        "\"\"",
        "\"1h 1h 1h\"",
        "\"../../x\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "[[[]]]",
        "{\"on\": {\"on\": 1}}",
    ] {
        for field in [
            "id",
            "effort",
            "dependencies",
            "parent",
            "priority",
            "check",
            "standing",
            "capabilities",
            "title",
        ] {
            files.push(hostile(
                format!("{field} is {value}"),
                "x.json",
                format!("{{\"tasks\": [{{\"id\": \"a\"}}, {{\"id\": \"b\", \"{field}\": {value}}}]}}"),
            ));
        }
    }
    let bomb = (1..10).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        text + &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))
    });
    files.push(hostile("aliases of aliases", "x.yaml", format!("{bomb}tasks: *a9\n")));
    files.push(hostile("an alias of itself", "x.yaml", "tasks: &a [*a]\n"));
    files.push(hostile(
        "merges of merges",
        "x.yaml",
        (1..40).fold("m0: &m0 {a: 1}\n".to_owned(), |text, n| {
            text + &format!("m{n}: &m{n} {{<<: [*m{0}, *m{0}], k{n}: 1}}\n", n - 1)
        }) + "tasks: [*m39]\n",
    ));
    files.push(hostile(
        "anchors",
        "x.yaml",
        (0..5_000).map(|n| format!("k{n}: &a{n} x\n")).collect::<String>() + "tasks: []\n",
    ));
    for name in ["x.yaml", "x.json", "x.jsonl", "x.toml", "x.csv", "x.md", "x.dot"] {
        files.push(hostile("a line without end", name, "x".repeat(200_000)));
        files.push(hostile("quotes", name, "\"".repeat(100_001)));
        files.push(hostile("backslashes", name, format!("\"{}", "\\".repeat(100_001))));
    }
    files.push(hostile(
        "a title without end",
        "x.json",
        format!(
            "{{\"tasks\": [{{\"id\": \"a\", \"title\": \"{}\"}}]}}",
            "ä\u{1b}".repeat(100_000).replace('\u{1b}', "\\u001b")
        ),
    ));
    files.push(hostile(
        "an id without end",
        "x.json",
        format!("{{\"tasks\": [{{\"id\": \"{}\"}}]}}", "a".repeat(200_000)),
    ));
}

#[test]
fn hostile_files_do_no_harm() {
    let mut files = Vec::new();
    cut_off(&mut files);
    too_deep(&mut files);
    shapes(&mut files);
    oddities(&mut files);
    assert!(files.len() >= 400, "{}", files.len());
    for file in &files {
        harm::use_within_bounds(file.name, &file.bytes, None, &file.about);
    }
    // Read as what they are not, small ones do no harm either.
    for file in files.iter().filter(|file| file.bytes.len() < 10_000) {
        for format in Format::ALL {
            harm::use_it(file.name, &file.bytes, Some(format));
        }
    }
}
