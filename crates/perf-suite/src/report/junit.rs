//! A report as JUnit's XML, for build servers: a claim is a test case. One that fails is a failure, one that is not decided is
//! skipped with its reason, and a scenario without figures is an error.

use std::io;

use crate::advice::{Advice, advise};
use crate::claim::Outcome;
use crate::report::Report;
use crate::report::chart::escaped;
use crate::report::text::verdict_row;

/// Writes the report as XML.
pub fn write_junit(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let broken: Vec<_> = report
        .scenarios
        .iter()
        .filter_map(|scenario| Some((&scenario.id, scenario.failure.as_ref()?)))
        .collect();
    let count =
        |word: &str| report.verdicts.iter().filter(|verdict| verdict.outcome.as_str() == word).count();
    writeln!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"perf-suite\" tests=\"{}\" \
         failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
        report.verdicts.len() + broken.len(),
        count("fails"),
        broken.len(),
        count("inconclusive")
    )?;
    for verdict in &report.verdicts {
        let [_, id, measured, bound, statement] = verdict_row(verdict).map(|cell| escaped(&cell));
        let scenario = escaped(&verdict.claim.scenario);
        write!(out, "<testcase classname=\"{scenario}\" name=\"{id}\">")?;
        match &verdict.outcome {
            Outcome::Holds => write!(out, "<system-out>{measured}, bound {bound}</system-out>"),
            Outcome::Fails => {
                write!(out, "<failure message=\"{measured}, bound {bound}\">{statement}</failure>")
            }
            Outcome::Inconclusive { why } => write!(out, "<skipped message=\"{}\"/>", escaped(why)),
        }?;
        writeln!(out, "</testcase>")?;
    }
    for (id, failure) in broken {
        let (id, failure) = (escaped(id), escaped(failure));
        writeln!(
            out,
            "<testcase classname=\"{id}\" name=\"{id}\"><error message=\"{failure}\"/></testcase>"
        )?;
    }
    write_advice(report, out)?;
    writeln!(out, "</testsuite>\n</testsuites>")
}

fn write_advice(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let advice = advise(report).into_iter();
    let mut lines: Vec<String> = advice
        .map(|Advice { scenario, what, evidence }| format!("{scenario}: {what} ({evidence})"))
        .collect();
    if let Some(words) = &report.words {
        lines.push(format!("{}: {}", words.heading(), words.text));
    }
    if lines.is_empty() {
        Ok(())
    } else {
        writeln!(out, "<system-out>{}</system-out>", escaped(&lines.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn each_claim_is_a_case() {
        let mut report = example::report_with_words("Buy <another> one.");
        report.scenarios[0].failure = Some("the <disk> is full".to_owned());
        let mut out = Vec::new();
        write_junit(&report, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\""), "{text}");
        assert!(text.contains("<error message=\"the &lt;disk&gt; is full\"/>"));
        assert!(
            text.contains("<system-out>all: measure again") && text.contains("Buy &lt;another&gt; one."),
            "{text}"
        );
        assert_eq!(text.matches("<testcase").count(), text.matches("</testcase>").count());
    }
}
