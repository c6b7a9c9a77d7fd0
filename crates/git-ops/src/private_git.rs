//! A repository of its own for whoever works in a worktree: to look at what was changed, to take it back, to make commits.
//!
//! It is thrown away with what else was put there; what counts is how the files differ in the end. It reads the objects that
//! the files are from and keeps its own beside; nothing that is done in it is done in theirs.

use std::path::Path;

use git2::{IndexEntry, IndexTime, Oid, RepositoryInitOptions, Signature};

use crate::checkout::Checkout;

/// Its branch.
const BRANCH: &str = "work";

/// Makes the repository in a folder that holds just what it was given, with one commit of that. `objects` is the folder of those
/// that the files are from, if there are any.
pub(crate) fn create(checkout: &Checkout, objects: Option<&Path>) -> Result<(), git2::Error> {
    let mut options = RepositoryInitOptions::new();
    // Nothing of the user's templates: no hooks, and nothing to ignore.
    options.no_reinit(true).external_template(false).initial_head(BRANCH);
    let repository = git2::Repository::init_opts(checkout.folder(), &options)?;
    if let Some(objects) = objects {
        let alternates = repository.path().join("objects/info/alternates");
        let listed = [objects.as_os_str().as_encoded_bytes(), b"\n"].concat();
        std::fs::write(&alternates, listed).map_err(|error| git2::Error::from_str(&error.to_string()))?;
    }
    // Opened again, now that it knows where objects are.
    let repository = git2::Repository::open(checkout.folder())?;
    let mut index = repository.index()?;
    for (path, item) in checkout.items() {
        index.add(&entry(path.as_str(), item.mode, item.id))?;
    }
    let tree = repository.find_tree(index.write_tree()?)?;
    index.write()?;
    let author = Signature::now("super-planner", "super-planner@localhost")?;
    repository.commit(Some("HEAD"), &author, &author, "The files to begin from", &tree, &[])?;
    Ok(())
}

/// Returns the entry of a file of which nothing is known but what it holds; git looks at it when it first needs to.
fn entry(path: &str, mode: u32, id: Oid) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use crate::directory::DirectoryChanges;
    use crate::merge_policy::PathPattern;
    use crate::testing::*;
    use crate::worktree_pool::{WorktreeOptions, WorktreePool};

    fn git(folder: &std::path::Path, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new("git");
        command.current_dir(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn its_commits_are_read_back_as_what_differs_and_it_is_thrown_away() {
        let test =
            TestRepository::new(&[(".gitignore", "*.log\n"), ("a", "1"), ("dir/b", "2"), ("other/c", "3")]);
        let folder = test.folder.path().join("worktrees");
        let pool = WorktreePool::new(WorktreeOptions { folder, ..WorktreeOptions::default() });
        let before = git(test.repository.git_dir(), &["count-objects", "-v"]);
        let worktree = pool.lend(&test.repository, test.first, &[]).unwrap();
        worktree.make_git().unwrap();
        let path = worktree.path();
        assert_eq!(git(path, &["status", "--porcelain"]), "");
        assert_eq!(git(path, &["log", "--format=%s"]), "The files to begin from\n");
        assert_eq!(worktree.changes(u64::MAX).unwrap(), DirectoryChanges::default());
        std::fs::write(path.join("a"), "one").unwrap();
        std::fs::write(path.join("made"), "new").unwrap();
        std::fs::write(path.join("noise.log"), "noise").unwrap();
        git(path, &["rm", "-q", "dir/b"]);
        git(path, &["add", "-A"]);
        git(path, &["commit", "-qm", "First"]);
        std::fs::write(path.join("a"), "two").unwrap();
        git(path, &["commit", "-qam", "Second"]);
        git(path, &["checkout", "-q", "-b", "elsewhere"]);
        git(path, &["gc", "-q"]);
        let expected = [delete("dir/b"), write("a", "two"), write("made", "new")];
        assert_eq!(worktree.changes(u64::MAX).unwrap().edits, expected);
        assert_eq!(git(test.repository.git_dir(), &["count-objects", "-v"]), before, "nothing of it is ours");
        drop(worktree);
        let worktree = pool.lend(&test.repository, test.first, &[]).unwrap();
        assert!(!worktree.path().join(".git").exists() && !worktree.path().join("noise.log").exists());
        drop(worktree);
        let pattern = "dir/**".parse::<PathPattern>().unwrap();
        let worktree = pool.lend(&test.repository, test.first, &[pattern]).unwrap();
        worktree.make_git().unwrap();
        assert_eq!(git(worktree.path(), &["ls-files"]), "dir/b\n", "it holds what is shown");
        assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
        let empty = pool.lend_empty().unwrap();
        empty.make_git().unwrap();
        assert_eq!(git(empty.path(), &["ls-files"]), "");
    }
}
