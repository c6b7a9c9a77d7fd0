//! Others who work on the same repository, and merges where guessing would be wrong.

use git_ops::*;

use crate::store::{branch, commit_request, git, land_request, make, pin_request, temporary_folder, write};

pub(crate) fn a_branch_that_git_moved_is_left_alone() {
    let folder = temporary_folder();
    let repository = make(folder.path());
    let base = repository.head().unwrap().unwrap();
    let work = branch("work");
    let mut writer = repository.writer().unwrap();
    let pinned = writer.pin(&[pin_request(base, vec![write("ours", "x")])]).unwrap().remove(0).unwrap();
    let prepared = writer.prepare(&work, &[land_request(pinned.commit)]).unwrap();
    let tree = git(folder.path(), &["rev-parse", "work^{tree}"]).unwrap();
    let options = ["-c", "user.name=T", "-c", "user.email=t@t"];
    let arguments = [&options[..], &["commit-tree", &tree, "-p", "work", "-m", "theirs"]].concat();
    let theirs = git(folder.path(), &arguments).unwrap();
    git(folder.path(), &["update-ref", "refs/heads/work", &theirs]).unwrap();
    let refused = writer.publish(&prepared);
    assert!(matches!(refused, Err(PublishError::TipMoved { .. })), "{refused:?}");
    assert!(repository.contains(&work, theirs.parse().unwrap()).unwrap(), "what git committed is gone");
}

pub(crate) fn a_rename_is_not_guessed() {
    let folder = temporary_folder();
    let repository = make(folder.path());
    let base = repository.head().unwrap().unwrap();
    let work = branch("work");
    let path = |text: &str| RepoPath::new(text).unwrap();
    let moved = commit_request(&work, base, vec![Edit::Rename { from: path("a"), to: path("moved") }]);
    let changed = commit_request(&work, base, vec![write("a", "1\n2\nthree\n")]);
    let answers = repository.writer().unwrap().commit(&[moved, changed]).unwrap();
    let [Ok(Preparation::Commit { .. }), Ok(Preparation::Conflict(conflict))] = &answers[..] else {
        panic!("a change to a file that is gone is for somebody to decide: {answers:?}");
    };
    assert_eq!(conflict.paths.iter().map(|at| &*at.path).collect::<Vec<_>>(), ["a"]);
}
