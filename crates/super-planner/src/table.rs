//! Aligned columns.

use std::fmt::Write;

use anstyle::Style;

use crate::terminal::{DIM, PLAIN};

/// Rows of cells in columns, two spaces apart. Texts must be printable already; see [`crate::escape`].
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

/// One text of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
    is_number: bool,
}

impl Cell {
    /// Returns an ordinary text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::styled(text, PLAIN)
    }

    /// Returns a text that matters less.
    pub fn dim(text: impl Into<String>) -> Self {
        Self::styled(text, DIM)
    }

    /// Returns a text in a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, is_number: false }
    }

    /// Returns a number, which is aligned to the right.
    pub fn number(number: impl std::fmt::Display) -> Self {
        Self { text: number.to_string(), style: PLAIN, is_number: true }
    }
}

impl Table {
    /// Returns a table whose first row is `header`.
    pub fn new(header: impl Into<Vec<Cell>>) -> Self {
        Self { rows: vec![header.into()] }
    }

    /// Adds a row; it may be shorter than others.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Returns whether there is nothing in it but the header.
    pub fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }

    /// Returns the lines; the last cell of a row is cut where it would go beyond `width`.
    pub fn draw(&self, width: usize) -> String {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (column, cell) in row.iter().enumerate() {
                widths[column] = widths[column].max(columns_of(&cell.text));
            }
        }
        let mut drawn = String::new();
        for row in &self.rows {
            draw_row(&mut drawn, row, &widths, width);
        }
        drawn
    }
}

fn draw_row(drawn: &mut String, row: &[Cell], widths: &[usize], width: usize) {
    // What is empty at the end leaves no spaces behind.
    let filled = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
    let row = &row[..filled];
    let mut at = 0;
    for (column, cell) in row.iter().enumerate() {
        let style = cell.style;
        let is_last = column + 1 == row.len();
        let room = width.saturating_sub(at).max(20);
        let text = if is_last { cut(&cell.text, room) } else { cell.text.clone() };
        let padding = " ".repeat(widths[column].saturating_sub(columns_of(&text)));
        // Writing to a string does not fail.
        let _ = match (cell.is_number, is_last) {
            (true, _) => write!(drawn, "{padding}{style}{text}{style:#}"),
            (false, true) => write!(drawn, "{style}{text}{style:#}"),
            (false, false) => write!(drawn, "{style}{text}{style:#}{padding}"),
        };
        if !is_last {
            drawn.push_str("  ");
        }
        at += widths[column] + 2;
    }
    drawn.push('\n');
}

fn cut(text: &str, columns_max: usize) -> String {
    if columns_of(text) <= columns_max {
        return text.to_owned();
    }
    let mut columns = 1;
    let fits = |character: &char| {
        columns += columns_of_char(*character);
        columns <= columns_max
    };
    let kept: String = text.chars().take_while(fits).collect();
    kept + "…"
}

/// Returns how many columns of a terminal the text takes.
pub fn columns_of(text: &str) -> usize {
    text.chars().map(columns_of_char).sum()
}

fn columns_of_char(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_last_is_cut() {
        let mut table = Table::new(["task", "h", "title"].map(Cell::plain));
        table.row([Cell::plain("größe"), Cell::number(12), Cell::plain("x".repeat(40))]);
        table.row([Cell::plain("計画"), Cell::number(5), Cell::plain("short")]);
        table.row([Cell::plain("a"), Cell::dim(""), Cell::dim("")]);
        assert_eq!(
            table.draw(40),
            format!("task   h   title\ngröße  12  {}…\n計画    5  short\na\n", "x".repeat(28))
        );
    }
}
