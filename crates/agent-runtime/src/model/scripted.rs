//! A model that answers from a list: for tests.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::BoxFuture;
use crate::model::{LanguageModel, Message, ModelError, Question, Reply};

/// Gives one prepared reply after the other and remembers what it was asked.
#[derive(Debug)]
pub struct Scripted {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    replies: VecDeque<Result<Reply, ModelError>>,
    questions: Vec<Vec<Message>>,
}

impl Scripted {
    /// Returns a model that replies so, in this order, and rejects what it is asked after that.
    pub fn new(replies: impl IntoIterator<Item = Result<Reply, ModelError>>) -> Self {
        let state = State { replies: replies.into_iter().collect(), questions: Vec::new() };
        Self { state: Mutex::new(state) }
    }

    /// Returns the conversations that it was shown, one for each question.
    pub fn questions(&self) -> Vec<Vec<Message>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).questions.clone()
    }
}

impl LanguageModel for Scripted {
    fn respond<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(async move {
            if question.cancel.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.questions.push(question.messages.iter().copied().cloned().collect());
            let exhausted = || ModelError::Rejected { reason: "the script has no further reply".to_owned() };
            let reply = state.replies.pop_front().unwrap_or_else(|| Err(exhausted()))?;
            (question.hear)(&reply.text);
            Ok(reply)
        })
    }
}
