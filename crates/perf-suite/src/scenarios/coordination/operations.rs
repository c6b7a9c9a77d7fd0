//! The four kinds of operations that a running system is asked for, by the commands that people and scripts use: a task is put
//! on hold or goes on; one becomes free, or is to be done again; an agent is drained or goes on; the plan is changed.

use std::sync::atomic::{AtomicUsize, Ordering};

use agent_coordinator::engine::{Command, Pausable, Reach};
use agent_coordinator::executor::{AgentExecutor, InProcess, Job, Outcome};
use parking_lot::Mutex;
use planner_core::random::Random;
use state_store::task::{AgentKey, ProjectKey, TaskKey};

use super::world::{World, plan, task, write};
use crate::scenario::ScenarioFailed;
use crate::timeline::{Operation, OperationKind};

/// How many files there are from the beginning; each piece of work replaces one of them, so that a later commit is no larger.
const FILES: usize = 400;
/// How many commands are asked at once where a plan is made ready.
const ASKING: usize = 8;

/// A project and agents that are asked to change, again and again, without becoming more.
///
/// Task 0 stays on hold. Those of the first tenth are parked: they wait for task 0 whatever else happens to them. The next
/// three twentieths are worked on one after another, and then again from the first. All others wait for task 0 too.
pub(super) struct Operations {
    project: ProjectKey,
    parked: usize,
    worked: usize,
    next: AtomicUsize,
    held: Vec<Mutex<bool>>,
    dependent: Vec<Mutex<bool>>,
    drained: Vec<Mutex<bool>>,
}

/// Returns the files that a repository begins with.
pub(super) fn files() -> Vec<git_ops::Edit> {
    (0..FILES).map(|number| write(&file(number), format!("file {number}\n"))).collect()
}

/// Returns agents that replace the file of their task after a moment.
pub(super) fn agents(moment: std::time::Duration) -> impl AgentExecutor {
    InProcess::new(move |job: Job| async move {
        tokio::time::sleep(moment).await;
        let text = format!("# {}\n\nAttempt {}.\n", job.task().id, job.attempt);
        Outcome::Done(vec![write(&file(job.key.task as usize), text)])
    })
}

impl Operations {
    /// Enters a plan of so many tasks, 40 or more, and registers so many agents; nothing is worked on before it is asked for.
    pub(super) fn enter(world: &World, tasks: usize, agents: usize) -> Result<Self, ScenarioFailed> {
        let (parked, worked) = (tasks / 10, tasks * 3 / 20);
        let is_worked = |number: usize| (parked..parked + worked).contains(&number);
        let after = |number: usize| if number == 0 || is_worked(number) { &[][..] } else { &[0] };
        let made = (0..tasks).map(|number| task(number, after(number))).collect();
        let project = world.enter(plan("operations", made))?;
        let held = [0].into_iter().chain(parked..parked + worked);
        hold_all(world, held.map(|number| TaskKey { project, task: number as u32 }))?;
        world.register(agents)?;
        let switches = |count: usize| (0..count).map(|_| Mutex::new(false)).collect();
        Ok(Self {
            project,
            parked,
            worked,
            next: AtomicUsize::new(0),
            held: switches(parked),
            dependent: switches(parked),
            drained: switches(agents),
        })
    }

    /// Asks for one operation and waits for its answer, or returns why it was refused.
    pub(super) fn ask(&self, world: &World, operation: Operation) -> Result<(), String> {
        let mut random = Random::new(operation.draw);
        let parked = 2 + random.below(self.parked - 2);
        match operation.kind {
            OperationKind::Transition => self.hold_or_resume(world, parked),
            OperationKind::Assignment => self.free(world),
            // The first agent is never drained, so that work goes on.
            OperationKind::AgentStatus => {
                self.drain_or_continue(world, 1 + random.below(self.drained.len() - 1))
            }
            OperationKind::DependencyChange => self.change_plan(world, parked),
        }
    }

    /// Returns how many tasks were set free so far.
    pub(super) fn freed(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    /// Returns how many different tasks are worked on; of more assignments the later ones are of tasks that are done again.
    pub(super) fn worked(&self) -> usize {
        self.worked
    }

    pub(super) fn project(&self) -> ProjectKey {
        self.project
    }

    fn hold_or_resume(&self, world: &World, number: usize) -> Result<(), String> {
        let key = self.key(number);
        switch(world, &self.held[number], Command::Hold(key), Command::Resume(key))
    }

    /// Has the next task worked on: the first time it goes on, later it is done again.
    fn free(&self, world: &World) -> Result<(), String> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let task = self.key(self.parked + next % self.worked);
        let is_first = next < self.worked;
        submit(
            world,
            if is_first { Command::Resume(task) } else { Command::Reopen { task, reach: Reach::Task } },
        )
    }

    fn drain_or_continue(&self, world: &World, agent: usize) -> Result<(), String> {
        let key = Pausable::Agent(AgentKey(agent as u32));
        switch(world, &self.drained[agent], Command::Pause(key), Command::Continue(key))
    }

    /// Lets a parked task depend on the one before it too, or not any more.
    fn change_plan(&self, world: &World, number: usize) -> Result<(), String> {
        let after =
            |after: &[usize]| Command::SetTasks { project: self.project, tasks: vec![task(number, after)] };
        switch(world, &self.dependent[number], after(&[0, number - 1]), after(&[0]))
    }

    fn key(&self, number: usize) -> TaskKey {
        TaskKey { project: self.project, task: number as u32 }
    }
}

/// Asks for the one thing, and the next time for the other. The lock is held until the answer: another client that moves the same
/// thing comes after.
fn switch(world: &World, is_on: &Mutex<bool>, on: Command, off: Command) -> Result<(), String> {
    let mut is_on = is_on.lock();
    submit(world, if *is_on { off } else { on })?;
    *is_on = !*is_on;
    Ok(())
}

fn submit(world: &World, command: Command) -> Result<(), String> {
    world.handle().submit_blocking(command).map(drop).map_err(|error| error.to_string())
}

/// Puts tasks on hold, several at once, because each waits for its flush.
fn hold_all(world: &World, tasks: impl Iterator<Item = TaskKey> + Send) -> Result<(), ScenarioFailed> {
    let (tasks, failed) = (Mutex::new(tasks), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..ASKING {
            scope.spawn(|| {
                loop {
                    let Some(task) = tasks.lock().next() else { return };
                    if let Err(error) = world.handle().submit_blocking(Command::Hold(task)) {
                        failed.lock().get_or_insert(error);
                    }
                }
            });
        }
    });
    failed.into_inner().map_or(Ok(()), Err).map_err(ScenarioFailed::during("putting tasks on hold"))
}

/// Returns the file that a task replaces.
fn file(task: usize) -> String {
    let file = task % FILES;
    format!("dir-{}/file-{file}.md", file % 20)
}
