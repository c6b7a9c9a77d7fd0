//! The DOT language of Graphviz: nodes are tasks, and an edge leads from what comes first to what waits for it.
//!
//! A node's `label` is its title; its other attributes are fields of the native format, or kept. Subgraphs that are clusters
//! group what is first named in them. Edges may be chained and may lead from and to sets in braces.

use std::borrow::Cow;
use std::collections::HashMap;

use super::native;
use super::node::{Node, Span, SyntaxError};
use super::reader::Reader;
use super::{ReadError, empty_plan};
use crate::Plan;

pub(super) fn is_dot(text: &str) -> bool {
    let mut lexer = Lexer { text, at: 0, offset: 0 };
    let mut words = std::iter::from_fn(|| lexer.next().ok().flatten());
    match words.next() {
        Some(Token { kind: Kind::Word(word), .. }) if word.eq_ignore_ascii_case("strict") => {
            matches!(words.next(), Some(Token { kind: Kind::Word(word), .. }) if word.eq_ignore_ascii_case("digraph"))
        }
        Some(Token { kind: Kind::Word(word), .. }) if word.eq_ignore_ascii_case("digraph") => {
            matches!(
                (words.next().map(|token| token.kind), words.next().map(|token| token.kind)),
                (Some(Kind::Open), _) | (Some(Kind::Word(_)), Some(Kind::Open))
            )
        }
        _ => false,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind<'t> {
    Word(Cow<'t, str>),
    Arrow,
    Open,
    Close,
    OpenList,
    CloseList,
    Equals,
    /// A comma or a semicolon.
    End,
    Colon,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token<'t> {
    kind: Kind<'t>,
    span: Span,
}

/// A node of the graph: a task.
struct Vertex<'t> {
    span: Span,
    attributes: Vec<(Cow<'t, str>, Node<'t>)>,
    before: Vec<Node<'t>>,
    parent: Option<Node<'t>>,
}

struct Graph<'t> {
    order: Vec<Cow<'t, str>>,
    vertices: HashMap<Cow<'t, str>, Vertex<'t>>,
    name: Option<Cow<'t, str>>,
    edges: usize,
    limits: (usize, usize),
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    name: &str,
    text: &str,
    offset: usize,
) -> Result<Result<Plan, ReadError>, SyntaxError> {
    let limits = reader.limits();
    let mut graph = Graph {
        order: Vec::new(),
        vertices: HashMap::new(),
        name: None,
        edges: 0,
        limits: (limits.tasks_max, limits.dependencies_max),
    };
    let parser = Parser {
        lexer: Lexer { text, at: 0, offset },
        ahead: None,
        depth_left: limits.depth(),
        depth_max: limits.depth(),
    };
    parser.graph(&mut graph)?;
    let mut plan = empty_plan(name);
    if let Some(name) = graph.name {
        plan.name = crate::diagnostic::quoted(&name).trim_matches('`').to_owned();
    }
    for id in graph.order {
        let Some(vertex) = graph.vertices.remove(&id) else { continue };
        if let Err(error) = native::entry(reader, vertex.into_node(id)) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(plan))
}

impl<'t> Vertex<'t> {
    fn into_node(self, id: Cow<'t, str>) -> Node<'t> {
        let mut map = Node::map(self.span, vec![("id", Node::text(self.span, id))]);
        let mut members = vec![("dependencies".into(), Node::list(self.span, self.before))];
        members.extend(self.parent.map(|parent| ("parent".into(), parent)));
        members.extend(self.attributes.into_iter().map(|(key, node)| match key.as_ref() {
            "label" => ("title".into(), node),
            "capabilities" | "writes" => (key, split(node)),
            _ => (key, node),
        }));
        if let super::node::NodeValue::Map(own) = &mut map.value {
            own.extend(members.into_iter().map(|(key, node)| super::node::Member {
                key,
                key_span: node.span,
                node,
            }));
        }
        map
    }
}

fn text_of<'t>(node: &Node<'t>) -> Option<Cow<'t, str>> {
    match &node.value {
        super::node::NodeValue::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn split(node: Node<'_>) -> Node<'_> {
    match node.value {
        super::node::NodeValue::Text(text) => {
            let names = text.split(',').map(|name| Node::text(node.span, name.trim().to_owned()));
            Node::list(node.span, names.collect())
        }
        value => Node { span: node.span, value },
    }
}

impl<'t> Graph<'t> {
    fn vertex(
        &mut self,
        id: &Cow<'t, str>,
        span: Span,
        cluster: Option<&Node<'t>>,
    ) -> Result<&mut Vertex<'t>, SyntaxError> {
        if !self.vertices.contains_key(id) {
            if self.order.len() >= self.limits.0 {
                return Err(SyntaxError::new(
                    span,
                    format!("there are more than the {} tasks allowed", self.limits.0),
                ));
            }
            self.order.push(id.clone());
            let vertex = Vertex { span, attributes: Vec::new(), before: Vec::new(), parent: None };
            self.vertices.insert(id.clone(), vertex);
        }
        let vertex = self.vertices.get_mut(id).expect("it was inserted where it was missing");
        if vertex.parent.is_none() {
            // What was first named elsewhere belongs to the cluster too; the cluster itself, named in it, does not.
            vertex.parent = cluster.filter(|group| text_of(group).as_ref() != Some(id)).cloned();
        }
        Ok(vertex)
    }

    fn edge(&mut self, from: &(Cow<'t, str>, Span), to: &(Cow<'t, str>, Span)) -> Result<(), SyntaxError> {
        self.edges += 1;
        if self.edges > self.limits.1 {
            let message = format!("there are more than the {} dependencies allowed", self.limits.1);
            return Err(SyntaxError::new(to.1, message));
        }
        let vertex = self.vertex(&to.0, to.1, None)?;
        vertex.before.push(Node::text(from.1, from.0.clone()));
        Ok(())
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    ahead: Option<Token<'t>>,
    depth_left: usize,
    depth_max: usize,
}

/// What one end of an edge names: a node, or all that a set holds.
type Ends<'t> = Vec<(Cow<'t, str>, Span)>;

impl<'t> Parser<'t> {
    fn graph(mut self, graph: &mut Graph<'t>) -> Result<(), SyntaxError> {
        let mut word = self.word("`digraph`")?;
        if word.0.eq_ignore_ascii_case("strict") {
            word = self.word("`digraph`")?;
        }
        if !word.0.eq_ignore_ascii_case("digraph") {
            return Err(SyntaxError::new(word.1, "expected `digraph`: only directed graphs have an order"));
        }
        if let Some((name, _)) = self.optional_word()? {
            graph.name = Some(name);
        }
        self.expect(&Kind::Open, "`{`")?;
        self.statements(graph, None)?;
        match self.next()? {
            None => Ok(()),
            Some(token) => Err(SyntaxError::new(token.span, "there is more text after the graph")),
        }
    }

    /// Reads to the closing brace; returns the nodes that were named.
    fn statements(
        &mut self,
        graph: &mut Graph<'t>,
        cluster: Option<&Node<'t>>,
    ) -> Result<Ends<'t>, SyntaxError> {
        let mut named = Ends::new();
        loop {
            let Some(token) = self.next()? else {
                return Err(SyntaxError::new(self.lexer.here(), "the text ends within the graph"));
            };
            match token.kind {
                Kind::Close => return Ok(named),
                Kind::End => {}
                Kind::Open | Kind::Word(_) => {
                    self.ahead = Some(token);
                    self.statement(graph, cluster, &mut named)?;
                }
                _ => return Err(SyntaxError::new(token.span, "expected a node, an edge or `}`")),
            }
        }
    }

    fn statement(
        &mut self,
        graph: &mut Graph<'t>,
        cluster: Option<&Node<'t>>,
        named: &mut Ends<'t>,
    ) -> Result<(), SyntaxError> {
        let is_default = match self.peek()? {
            Some(Token { kind: Kind::Word(word), .. }) => {
                ["graph", "node", "edge"].into_iter().any(|own| word.eq_ignore_ascii_case(own))
            }
            _ => false,
        };
        if is_default {
            self.next()?;
            return self.attributes().map(drop);
        }
        let mut ends = self.ends(graph, cluster)?;
        if self.take(&Kind::Equals)? {
            // `rankdir = LR` and the like: what was taken for a node is a name of the graph's own.
            let value = self.word("a value")?;
            if let ([(name, _)], Some(group)) = (ends.as_slice(), cluster.and_then(text_of))
                && name == "label"
            {
                let group = graph.vertex(&group, value.1, None)?;
                group.attributes.push((name.clone(), Node::text(value.1, value.0)));
            }
            if let [(name, _)] = ends.as_slice()
                && graph.order.last() == Some(name)
                && graph
                    .vertices
                    .get(name)
                    .is_some_and(|vertex| vertex.before.is_empty() && vertex.attributes.is_empty())
            {
                graph.order.pop();
                graph.vertices.remove(name);
            }
            return Ok(());
        }
        named.extend(ends.iter().cloned());
        let mut is_edge = false;
        while self.take(&Kind::Arrow)? {
            is_edge = true;
            let next = self.ends(graph, cluster)?;
            for from in &ends {
                for to in &next {
                    graph.edge(from, to)?;
                }
            }
            named.extend(next.iter().cloned());
            ends = next;
        }
        let attributes = self.attributes()?;
        if let ([(name, span)], false) = (ends.as_slice(), is_edge) {
            graph.vertex(name, *span, cluster)?.attributes.extend(attributes);
        }
        Ok(())
    }

    /// Reads a node, or a set of them.
    fn ends(&mut self, graph: &mut Graph<'t>, cluster: Option<&Node<'t>>) -> Result<Ends<'t>, SyntaxError> {
        if self.take(&Kind::Open)? {
            return self.nested(graph, cluster);
        }
        let (word, span) = self.word("a node")?;
        if word.eq_ignore_ascii_case("subgraph") {
            let name = self.optional_word()?;
            self.expect(&Kind::Open, "`{`")?;
            let group = name.and_then(|(name, span)| {
                let name = name.strip_prefix("cluster_").map(str::to_owned)?;
                Some((Cow::Owned(name), span))
            });
            let Some((id, span)) = group else {
                return self.nested(graph, cluster);
            };
            graph.vertex(&id, span, cluster)?;
            let group = Node::text(span, id);
            return self.nested(graph, Some(&group));
        }
        if self.take(&Kind::Colon)? {
            // Ports are about drawing.
            self.word("a port")?;
            if self.take(&Kind::Colon)? {
                self.word("a side")?;
            }
        }
        graph.vertex(&word, span, cluster)?;
        Ok(vec![(word, span)])
    }

    fn nested(&mut self, graph: &mut Graph<'t>, cluster: Option<&Node<'t>>) -> Result<Ends<'t>, SyntaxError> {
        let Some(below) = self.depth_left.checked_sub(1) else {
            return Err(SyntaxError::too_deep(self.lexer.here(), self.depth_max));
        };
        self.depth_left = below;
        let named = self.statements(graph, cluster)?;
        self.depth_left += 1;
        Ok(named)
    }

    fn attributes(&mut self) -> Result<Vec<(Cow<'t, str>, Node<'t>)>, SyntaxError> {
        let mut attributes = Vec::new();
        while self.take(&Kind::OpenList)? {
            while !self.take(&Kind::CloseList)? {
                if self.take(&Kind::End)? {
                    continue;
                }
                let (key, span) = self.word("the name of an attribute")?;
                let value = match self.take(&Kind::Equals)? {
                    true => self.word("a value")?,
                    false => ("true".into(), span),
                };
                attributes.push((key, Node::text(value.1, value.0)));
            }
        }
        Ok(attributes)
    }

    fn next(&mut self) -> Result<Option<Token<'t>>, SyntaxError> {
        match self.ahead.take() {
            Some(token) => Ok(Some(token)),
            None => self.lexer.next(),
        }
    }

    fn peek(&mut self) -> Result<Option<&Token<'t>>, SyntaxError> {
        if self.ahead.is_none() {
            self.ahead = self.lexer.next()?;
        }
        Ok(self.ahead.as_ref())
    }

    fn take(&mut self, kind: &Kind<'t>) -> Result<bool, SyntaxError> {
        let found = self.peek()?.is_some_and(|token| token.kind == *kind);
        if found {
            self.ahead = None;
        }
        Ok(found)
    }

    fn expect(&mut self, kind: &Kind<'t>, expected: &str) -> Result<(), SyntaxError> {
        match self.take(kind)? {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    fn word(&mut self, expected: &str) -> Result<(Cow<'t, str>, Span), SyntaxError> {
        match self.optional_word()? {
            Some(word) => Ok(word),
            None => Err(self.unexpected(expected)),
        }
    }

    fn optional_word(&mut self) -> Result<Option<(Cow<'t, str>, Span)>, SyntaxError> {
        match self.next()? {
            Some(Token { kind: Kind::Word(word), span }) => Ok(Some((word, span))),
            other => {
                self.ahead = other;
                Ok(None)
            }
        }
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        let span = self.ahead.as_ref().map_or(self.lexer.here(), |token| token.span);
        SyntaxError::new(span, format!("expected {expected}"))
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    offset: usize,
}

impl<'t> Lexer<'t> {
    fn next(&mut self) -> Result<Option<Token<'t>>, SyntaxError> {
        self.skip_space_and_comments();
        let start = self.at;
        let rest = &self.text[start..];
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let kind = match first {
            '{' => Kind::Open,
            '}' => Kind::Close,
            '[' => Kind::OpenList,
            ']' => Kind::CloseList,
            '=' => Kind::Equals,
            ',' | ';' => Kind::End,
            ':' => Kind::Colon,
            '-' if rest.starts_with("->") => {
                self.at += 1;
                Kind::Arrow
            }
            '"' => return self.quoted().map(Some),
            _ => {
                let is_part =
                    |c: char| c.is_alphanumeric() || matches!(c, '_' | '.') || (c == '-' && first == '-');
                let length = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
                if length == 0 {
                    return Err(SyntaxError::new(
                        self.here(),
                        format!("{} means nothing here", crate::diagnostic::quoted(&first.to_string())),
                    ));
                }
                self.at += length;
                return Ok(Some(Token { kind: Kind::Word(rest[..length].into()), span: self.span(start) }));
            }
        };
        self.at += 1;
        Ok(Some(Token { kind, span: self.span(start) }))
    }

    fn quoted(&mut self) -> Result<Token<'t>, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut text: Cow<'t, str> = Cow::Borrowed("");
        let whole = self.text;
        loop {
            let rest = &whole[self.at..];
            let Some(end) = rest.find(['"', '\\']) else {
                return Err(SyntaxError::new(self.span(start), "the text ends within quotes"));
            };
            text += &rest[..end];
            self.at += end + 1;
            if rest.as_bytes()[end] == b'"' {
                return Ok(Token { kind: Kind::Word(text), span: self.span(start) });
            }
            let escaped = self.text[self.at..].chars().next();
            match escaped {
                Some('n' | 'l' | 'r') => text += "\n",
                Some('"') => text += "\"",
                Some('\\') => text += "\\",
                Some(other) => text.to_mut().push(other),
                None => {}
            }
            self.at += escaped.map_or(0, char::len_utf8);
        }
    }

    fn skip_space_and_comments(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let space = rest.len() - rest.trim_start().len();
            let rest = &rest[space..];
            self.at += space;
            let is_line_start = self.at == 0 || self.text[..self.at].ends_with('\n');
            let comment = if rest.starts_with("//") || (rest.starts_with('#') && is_line_start) {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                return;
            };
            self.at += comment;
        }
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.offset + start, self.offset + self.at)
    }

    fn here(&self) -> Span {
        let length = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        Span::new(self.offset + self.at, self.offset + self.at + length)
    }
}
