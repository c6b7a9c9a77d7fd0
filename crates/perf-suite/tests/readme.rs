//! The README says what was measured, and nothing else: its table of figures is a part of the report in the documentation, and
//! that report is about the claims of the ledger.
#![expect(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::BTreeMap;

use perf_suite::claim::ledger;

const README: &str = include_str!("../../../README.md");
const REPORT: &str = include_str!("../../../docs/measured.txt");

/// Returns the rows of the table about claims in the report: by claim the verdict, what was measured and the bound.
fn reported() -> BTreeMap<String, [String; 3]> {
    let (_, claims) = REPORT.split_once("\nClaims\n").unwrap();
    let rows = claims.lines().skip(1).take_while(|line| line.starts_with("  "));
    rows.filter_map(|line| {
        let mut cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned);
        let (verdict, id, measured, bound) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        Some((id, [verdict, measured, bound]))
    })
    .collect()
}

/// Returns the rows of the README's table of figures: claim, statement, bound, what was measured, verdict.
fn told() -> Vec<Vec<String>> {
    let (_, from) = README.split_once("<!-- figures -->").unwrap();
    let (table, _) = from.split_once("<!-- end of figures -->").unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_figure_of_the_readme_is_in_the_report() {
    let (reported, ledger, told) = (reported(), ledger(), told());
    assert!(told.len() >= 5, "{told:?}");
    for row in told {
        let [id, statement, bound, measured, verdict] = row.as_slice() else { panic!("{row:?}") };
        let claim = ledger.measured.iter().find(|claim| claim.id == id.trim_matches('`')).unwrap();
        assert_eq!(*statement, claim.statement, "{id}");
        let expected = &reported[&claim.id];
        assert_eq!([verdict, measured, bound], [&expected[0], &expected[1], &expected[2]], "{id}");
    }
}

#[test]
fn every_claim_of_the_report_is_in_the_ledger() {
    let ledger = ledger();
    for id in reported().keys() {
        assert!(ledger.measured.iter().any(|claim| claim.id == *id), "{id}");
    }
}
