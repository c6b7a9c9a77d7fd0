//! Worktrees for attempts and checks: where the pool is full, whoever wants one waits until another comes back.

use std::time::Duration;

use git_ops::{Worktree, WorktreeError, WorktreePool};

use crate::landing::chain;

/// How long it is waited before a full pool is asked again.
const WAIT: Duration = Duration::from_millis(200);

/// Returns a worktree, or why there is none. That the pool is full is a reason only where nothing of it is lent.
pub(crate) async fn lend(
    pool: &WorktreePool,
    lend: impl Fn(&WorktreePool) -> Result<Worktree, WorktreeError> + Clone + Send + 'static,
) -> Result<Worktree, String> {
    loop {
        let is_all_ours = pool.lent() == 0;
        let (asked, lend) = (pool.clone(), lend.clone());
        let lent =
            tokio::task::spawn_blocking(move || lend(&asked)).await.map_err(|panic| panic.to_string())?;
        match lent {
            Err(WorktreeError::Full { .. }) if !is_all_ours || pool.lent() > 0 => {
                tokio::time::sleep(WAIT).await;
            }
            lent => return lent.map_err(|error| chain(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use git_ops::{Edit, FileMode, RepoPath, Repository, Signature, WorktreeOptions};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_pool_is_waited_for_and_one_that_is_too_small_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = RepoPath::new("a").unwrap();
        let edit = Edit::Write { path, content: b"123456".to_vec(), mode: FileMode::Regular };
        let author = Signature { name: "a".to_owned(), email: "a@example.org".to_owned() };
        let repository = Repository::init(&folder.path().join("repo"), &[edit], &author, 1).unwrap();
        let commit = repository.head().unwrap().unwrap();
        let pool = |bytes_max| {
            let folder = folder.path().join("worktrees");
            WorktreePool::new(WorktreeOptions { folder, bytes_max, ..WorktreeOptions::default() })
        };
        let ask = move |pool: &WorktreePool| pool.lend(&repository, commit, &[]);
        let small = lend(&pool(3), ask.clone()).await;
        assert!(small.is_err_and(|reason| reason.contains("more than 3 bytes")));
        let pool = pool(10);
        let first = lend(&pool, ask.clone()).await.unwrap();
        let mut second = std::pin::pin!(lend(&pool, ask));
        let waited = tokio::time::timeout(Duration::from_secs(1), &mut second).await;
        assert!(waited.is_err(), "there is room only when the first comes back: {waited:?}");
        drop(first);
        second.await.unwrap();
    }
}
