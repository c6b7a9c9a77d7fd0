//! What somebody said who was asked to agree.

use std::fmt;

/// What somebody said about a task that waits for approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Who, as they call themselves; empty where nobody is named.
    pub by: String,
    /// In which words; may be empty.
    pub comment: String,
}

impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.by.as_str(), self.comment.as_str()) {
            ("", "") => f.write_str("no reason given"),
            ("", comment) => f.write_str(comment),
            (by, "") => write!(f, "by {by}"),
            (by, comment) => write!(f, "by {by}: {comment}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_says_who_and_why_as_far_as_it_was_told() {
        let told =
            |by: &str, comment: &str| Review { by: by.to_owned(), comment: comment.to_owned() }.to_string();
        assert_eq!(told("ann", "too big"), "by ann: too big");
        assert_eq!(told("ann", ""), "by ann");
        assert_eq!(told("", "too big"), "too big");
        assert_eq!(told("", ""), "no reason given");
    }
}
