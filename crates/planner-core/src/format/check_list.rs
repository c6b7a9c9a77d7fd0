//! The lines of a Markdown text that make a plan: headings and the items of check lists.

/// A line that says something about the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line<'t> {
    Heading {
        level: usize,
        text: &'t str,
    },
    Item {
        indent: usize,
        is_checked: bool,
        text: &'t str,
    },
    /// Anything else that is not blank.
    Prose(&'t str),
}

/// Returns the lines that are not blank, without those within fences of code.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut fence: Option<&str> = None;
    text.lines().filter_map(move |line| {
        let trimmed = line.trim();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return line_of(line),
            (Some(_), _) => {}
        }
        None
    })
}

/// Returns whether the text has an item of a check list.
pub(super) fn has_items(text: &str) -> bool {
    lines(text).any(|line| matches!(line, Line::Item { .. }))
}

fn line_of(line: &str) -> Option<Line<'_>> {
    const TAB_WIDTH: usize = 4;
    let trimmed = line.trim();
    if trimmed.is_empty() {
        return None;
    }
    let level = trimmed.bytes().take_while(|byte| *byte == b'#').count();
    if (1..=6).contains(&level) && line.starts_with('#') && trimmed[level..].starts_with(' ') {
        return Some(Line::Heading { level, text: trimmed[level..].trim() });
    }
    let space = line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t'));
    let indent = space.map(|byte| if byte == b'\t' { TAB_WIDTH } else { 1 }).sum();
    let item = ["- [", "* [", "+ ["].into_iter().find_map(|mark| trimmed.strip_prefix(mark));
    let mark = item.and_then(|item| item.chars().next().filter(|mark| matches!(mark, ' ' | 'x' | 'X')));
    match (item, mark) {
        (Some(item), Some(mark)) if item[1..].starts_with(']') => {
            Some(Line::Item { indent, is_checked: mark != ' ', text: item[2..].trim() })
        }
        _ => Some(Line::Prose(trimmed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let text = "# Plan\n\n- [ ] one\n  * [X] two\n\t- [x] three\nprose\n```\n- [ ] code\n```\n#no heading\n- [y] none\n";
        let item = |indent, is_checked, text| Line::Item { indent, is_checked, text };
        let expected = [
            Line::Heading { level: 1, text: "Plan" },
            item(0, false, "one"),
            item(2, true, "two"),
            item(4, true, "three"),
            Line::Prose("prose"),
            Line::Prose("#no heading"),
            Line::Prose("- [y] none"),
        ];
        assert_eq!(lines(text).collect::<Vec<_>>(), expected);
        assert!(has_items(text) && !has_items("- a\n- b: [x]\n"));
    }
}
