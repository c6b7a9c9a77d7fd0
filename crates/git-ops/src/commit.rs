//! A commit as git stores it. Pure: the same input gives the same bytes and so the same id.

use git2::Oid;

use crate::id::CommitId;
use crate::message::{Message, Signature};

/// What a new commit is made of.
pub(crate) struct NewCommit<'a> {
    pub(crate) tree: Oid,
    pub(crate) parents: &'a [CommitId],
    pub(crate) author: &'a Signature,
    /// Seconds since 1970; one before that is taken for 1970.
    pub(crate) time: i64,
    pub(crate) message: &'a Message,
}

/// What we need to know of an existing commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitRecord {
    pub(crate) tree: Oid,
    pub(crate) parents: Vec<CommitId>,
}

impl NewCommit<'_> {
    /// Returns the bytes of the commit object. The committer is the author, and times are in UTC.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = format!("tree {}\n", self.tree);
        for parent in self.parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        let who = format!("{} {} +0000", self.author.render(), self.time.max(0));
        text.push_str(&format!("author {who}\ncommitter {who}\n\n{}", self.message.render()));
        text.into_bytes()
    }
}

/// Returns the tree and the parents of a commit object, or what is wrong with it.
pub(crate) fn parse(bytes: &[u8]) -> Result<CommitRecord, &'static str> {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let tree = lines.next().and_then(|line| parse_id(line, b"tree ")).ok_or("it names no tree")?;
    let parents = lines.map_while(|line| parse_id(line, b"parent ")).map(CommitId::from_oid).collect();
    Ok(CommitRecord { tree, parents })
}

fn parse_id(line: &[u8], key: &[u8]) -> Option<Oid> {
    let id: CommitId = std::str::from_utf8(line.strip_prefix(key)?).ok()?.parse().ok()?;
    Some(id.oid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_the_same_every_time() {
        let message = Message { subject: "s".to_owned(), ..Message::default() };
        let author = Signature { name: "A".to_owned(), email: "a@b".to_owned() };
        let parents = [CommitId::from_bytes([1; 20]), CommitId::from_bytes([2; 20])];
        let tree = Oid::from_bytes(&[3; 20]).unwrap();
        let commit = NewCommit { tree, parents: &parents, author: &author, time: -5, message: &message };
        let expected = format!(
            "tree {}\nparent {}\nparent {}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\ns\n",
            "03".repeat(20),
            "01".repeat(20),
            "02".repeat(20),
        );
        assert_eq!(String::from_utf8(commit.encode()).unwrap(), expected);
        assert_eq!(parse(expected.as_bytes()), Ok(CommitRecord { tree, parents: parents.to_vec() }));
    }

    #[test]
    fn damage_is_an_error() {
        for bytes in [&b""[..], b"tree x\n", b"parent 0101010101010101010101010101010101010101\n"] {
            assert!(parse(bytes).is_err());
        }
    }
}
