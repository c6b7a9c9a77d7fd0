//! What is asked of an agent, made ready for the conversation.

use crate::model::Message;
use crate::react::RunError;

/// What is asked of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// What the model must keep to throughout; goes into a session that is empty, and is ignored by one that is not.
    pub instructions: String,
    /// Facts that the model is to see for as long as the session lasts; those that it sees already are not repeated.
    pub facts: Vec<String>,
    /// What it is to do.
    pub text: String,
}

impl Request {
    /// Returns the messages that it adds to a conversation.
    pub(super) fn opening(&self, messages: &[Message]) -> Result<Vec<Message>, RunError> {
        let (instructions, text) = (tidy(&self.instructions), tidy(&self.text));
        if text.is_empty() {
            return Err(RunError::EmptyRequest);
        }
        let mut opening = Vec::new();
        if messages.is_empty() && !instructions.is_empty() {
            opening.push(Message::System(instructions));
        }
        for fact in self.facts.iter().map(|fact| tidy(fact)).filter(|fact| !fact.is_empty()) {
            let fact = Message::Fact(fact);
            if !messages.contains(&fact) && !opening.contains(&fact) {
                opening.push(fact);
            }
        }
        opening.push(Message::User(text));
        Ok(opening)
    }
}

/// Returns the text without space around it, and with the ends of lines of one kind.
fn tidy(text: &str) -> String {
    text.trim().replace("\r\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_made_ready_once() {
        let request = Request {
            instructions: " be brief\r\n".to_owned(),
            facts: ["it is 7", "", "it is 7 "].map(str::to_owned).to_vec(),
            text: "\ndo\r\nit ".to_owned(),
        };
        let opening = request.opening(&[]).unwrap();
        let expected = [
            Message::System("be brief".to_owned()),
            Message::Fact("it is 7".to_owned()),
            Message::User("do\nit".to_owned()),
        ];
        assert_eq!(opening, expected);
        assert_eq!(request.opening(&opening).unwrap(), expected[2..]);
        assert!(matches!(Request::default().opening(&[]), Err(RunError::EmptyRequest)));
    }
}
