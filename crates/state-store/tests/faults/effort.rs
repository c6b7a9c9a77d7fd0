//! How much a harness does, and what it draws its choices from.

/// The seed and the size of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) seed: u64,
    /// 1 is the ordinary size.
    pub(crate) scale: f64,
}

impl Effort {
    /// Returns what the environment asks for; prints it, so that a failure can be repeated.
    pub(crate) fn from_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<f64>().unwrap());
        let seed = number("SUPER_PLANNER_TEST_SEED").unwrap_or(1.0) as u64;
        let scale = number("SUPER_PLANNER_TEST_SCALE").unwrap_or(1.0);
        println!("SUPER_PLANNER_TEST_SEED={seed} SUPER_PLANNER_TEST_SCALE={scale} repeat this");
        Self { seed, scale }
    }

    /// Returns how many of something there are at this size, at least one.
    pub(crate) fn of(self, ordinary: usize) -> usize {
        ((ordinary as f64 * self.scale) as usize).max(1)
    }
}

/// Does numbered pieces of work on all processors; returns the first failure, that of the lowest number.
pub(crate) fn share<T: Send>(
    pieces: usize,
    work: impl Fn(usize) -> Result<T, String> + Sync,
) -> Result<Vec<T>, String> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from).min(pieces.max(1));
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut done: Vec<(usize, Result<T, String>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..processors)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    loop {
                        let piece = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if piece >= pieces {
                            return done;
                        }
                        let outcome = work(piece);
                        let is_over = outcome.is_err();
                        done.push((piece, outcome));
                        if is_over {
                            next.store(pieces, std::sync::atomic::Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    done.sort_by_key(|(piece, _)| *piece);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}
