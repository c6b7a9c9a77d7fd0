//! Recommendations in the words of a language model: an addition to them, marked as such, and never in their place.

use std::collections::BTreeSet;

use agent_runtime::model::{LanguageModel, Message, ModelError, Question};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::advice::Advice;

const INSTRUCTIONS: &str = "You are shown recommendations that follow from a measurement, each with the figure that it rests on. \
    Say in plain words, in a hundred at the most, what to do first and why. Recommend nothing else, and name no figure \
    that is not there.";
/// How much is kept of what a model says, in characters.
const LENGTH_MAX: usize = 4_000;

/// What a language model makes of the recommendations of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// The name of the model.
    pub model: String,
    /// What it says.
    pub text: String,
    /// Numbers in it that stand in no recommendation: nobody has measured them.
    pub unmeasured: Vec<String>,
}

impl Words {
    /// Asks a model of that name once; returns nothing where there is nothing to recommend.
    pub async fn of(
        advice: &[Advice],
        name: &str,
        model: &dyn LanguageModel,
    ) -> Result<Option<Self>, ModelError> {
        if advice.is_empty() {
            return Ok(None);
        }
        let told = advice
            .iter()
            .map(|advice| format!("{}: {} ({})\n", advice.scenario, advice.what, advice.evidence))
            .collect::<String>();
        let messages = [Message::System(INSTRUCTIONS.to_owned()), Message::User(told.clone())];
        let messages: Vec<&Message> = messages.iter().collect();
        let (hear, cancel) = (|_: &str| {}, CancellationToken::new());
        let question = Question { messages: &messages, tools: &[], hear: &hear, cancel: &cancel };
        let reply = model.respond(question).await?;
        let text: String = reply.text.trim().chars().take(LENGTH_MAX).collect();
        if text.is_empty() {
            return Err(ModelError::Rejected { reason: "it says nothing".to_owned() });
        }
        let known = numbers(&told);
        let unmeasured = numbers(&text).into_iter().filter(|number| !known.contains(number)).collect();
        Ok(Some(Self { model: name.to_owned(), text, unmeasured }))
    }

    /// Returns what stands above the words wherever they are shown: whose they are, and what of them nobody has measured.
    pub fn heading(&self) -> String {
        let more = if self.unmeasured.is_empty() {
            String::new()
        } else {
            format!("; nobody has measured what it says of {}", self.unmeasured.join(", "))
        };
        format!(
            "In the words of the language model {}, which has seen only these recommendations{more}",
            self.model
        )
    }
}

/// Returns the numbers in a text, as they are written.
fn numbers(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map(|number| number.trim_matches('.').to_owned())
        .filter(|number| !number.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use agent_runtime::model::{Reply, Scripted};

    use super::*;

    fn advice() -> Advice {
        Advice {
            scenario: "BENCH-001".to_owned(),
            what: "it is bound by the processors".to_owned(),
            evidence: "95 % of 2 processors in use, for 1.5 s".to_owned(),
        }
    }

    fn asked(advice: &[Advice], reply: Result<Reply, ModelError>) -> Result<Option<Words>, ModelError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a thread is enough");
        let model = Scripted::new([reply]);
        let words = runtime.block_on(Words::of(advice, "scripted", &model));
        if words.as_ref().is_ok_and(Option::is_some) {
            let shown = &model.questions()[0];
            assert!(
                shown.iter().any(|message| message.texts().any(|text| text.contains("95 % of 2 processors")))
            );
        }
        words
    }

    #[test]
    fn a_model_is_shown_the_evidence_and_what_it_adds_is_named() {
        let words =
            asked(&[advice()], Ok(Reply::answer(" Both processors are 95 % busy. "))).unwrap().unwrap();
        assert_eq!(words.text, "Both processors are 95 % busy.");
        assert_eq!(words.unmeasured, Vec::<String>::new());
        assert!(words.heading().contains("the language model scripted"), "{}", words.heading());
        let invented =
            asked(&[advice()], Ok(Reply::answer("It is 40 % slower than in 2.1."))).unwrap().unwrap();
        assert_eq!(invented.unmeasured, ["2.1", "40"]);
        assert!(invented.heading().contains("nobody has measured what it says of 2.1, 40"));
    }

    #[test]
    fn where_nothing_follows_or_nothing_is_said_there_are_no_words() {
        assert_eq!(asked(&[], Ok(Reply::answer("Never asked."))), Ok(None));
        assert!(asked(&[advice()], Ok(Reply::answer("  "))).is_err());
        let long = asked(&[advice()], Ok(Reply::answer("a".repeat(5_000)))).unwrap().unwrap();
        assert_eq!(long.text.len(), LENGTH_MAX);
        let away = || ModelError::Unavailable { reason: "it is away".to_owned() };
        assert_eq!(asked(&[advice()], Err(away())), Err(away()));
    }
}
