//! `--break-on-failure`: the failed steps that wait, who decides about them, and what is decided.
//!
//! The [`Desk`] holds the queue. At a terminal a person answers with keys ([`keys`]); with `--json` an editor or an agent
//! answers with lines on standard input ([`script`]). What an edited file means for a step is found by [`edit`].

mod edit;
mod editor;
mod keys;
mod queue;
mod script;

use super::{
    Options,
    console::{Console, Manner, Typed},
    documents::Planned,
    ledger::Ledger,
    repository::Here,
    show::Show,
};
use crate::{
    environment::Environment,
    exit::{Exit, Failure},
    output::Output,
};
use keys::{Key, typed};
use queue::Queue;
pub(super) use queue::{Place, Waiting};
use script::{Command, Commands, Wish};
use shipway_runner::{BreakNews, Breaks, Chunk, Decision, Report, Request, Terminal};
use tokio::sync::{mpsc, watch};

/// Pieces of a shell's input and output that may wait.
const PIECES: usize = 16;

/// Where it is decided about failed steps.
pub(super) struct Desk<'a> {
    environment: &'a Environment,
    here: &'a Here,
    planned: &'a [Planned],
    breaks: Vec<Breaks>,
    queue: Queue,
    by: By,
}

/// Who decides.
enum By {
    /// Nobody: failures count at once.
    Nobody,
    /// A person.
    Person(Box<Person>),
    /// A program.
    Program(Commands),
}

/// A person at a terminal.
struct Person {
    /// Whether the person is asked about failed steps, or only looked after for a `t`.
    asked: bool,
    console: Console,
    shell: Option<Shell>,
}

/// A shell that is open.
struct Shell {
    typed: mpsc::Sender<Chunk>,
    shown: mpsc::Receiver<Chunk>,
    size: watch::Sender<(u16, u16)>,
}

/// What came to the desk.
pub(super) enum Came {
    /// A person pressed keys.
    Keys(Vec<u8>),
    /// A shell printed something.
    Shown(Chunk),
    /// The shell's terminal is closed.
    Closed,
    /// A program sent a line, which may not be a command; none at the end of its input.
    Line(Option<Result<Command, String>>),
    /// Nothing that matters here.
    Nothing,
    /// The terminal is gone.
    Gone,
}

/// Whether the runs go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum After {
    /// They do.
    GoOn,
    /// All are to be cancelled.
    Abort,
    /// They do, and somebody wants to see what runs now.
    ShowNow,
}

impl<'a> Desk<'a> {
    /// A desk for these runs. Refuses when somebody is wanted who cannot be there.
    pub(super) fn open(
        environment: &'a Environment,
        here: &'a Here,
        options: &Options,
        planned: &'a [Planned],
    ) -> Result<Desk<'a>, Failure> {
        let by = match (options.break_on_failure, options.json) {
            (false, true) => By::Nobody,
            (false, false) => {
                let console = environment.stdout_is_terminal.then(Console::open).flatten();
                console.map_or(By::Nobody, |mut console| {
                    console.set(Manner::Keys);
                    By::Person(Box::new(Person { asked: false, console, shell: None }))
                })
            }
            (true, true) => By::Program(Commands::of_stdin()),
            (true, false) => {
                let console = environment.stdout_is_terminal.then(Console::open).flatten();
                let mut console = console.ok_or_else(no_terminal)?;
                console.set(Manner::Keys);
                By::Person(Box::new(Person { asked: true, console, shell: None }))
            }
        };
        let breaks = planned.iter().map(|_| Breaks::default()).collect();
        Ok(Desk { environment, here, planned, breaks, queue: Queue::default(), by })
    }

    /// Where the jobs of a run put their breaks.
    pub(super) fn breaks(&self, run: usize) -> Option<Breaks> {
        match self.by {
            By::Nobody => None,
            By::Person(ref person) if !person.asked => None,
            By::Person(_) | By::Program(_) => self.breaks.get(run).cloned(),
        }
    }

    /// Waits for what comes next; for ever when nobody is asked anything.
    pub(super) async fn next(&mut self) -> Came {
        match &mut self.by {
            By::Nobody => std::future::pending().await,
            By::Program(commands) => {
                if !self.queue.any_idle() {
                    return std::future::pending().await;
                }
                Came::Line(commands.next().await)
            }
            By::Person(person) => person.next().await,
        }
    }

    /// Takes what came.
    pub(super) async fn take(&mut self, came: Came, show: &mut dyn Show) -> Result<After, Failure> {
        match came {
            Came::Nothing => {}
            Came::Keys(bytes) => {
                for byte in typed(&bytes) {
                    if byte.eq_ignore_ascii_case(&b't') {
                        return Ok(After::ShowNow);
                    }
                    let Some(key) = Key::of(byte) else { continue };
                    if self.key(key, show).await? == After::Abort {
                        return Ok(After::Abort);
                    }
                }
            }
            Came::Shown(chunk) => {
                // A terminal that is gone ends the run by a signal.
                Output.put(&chunk);
            }
            Came::Closed => self.shell_over(show),
            Came::Line(Some(Ok(command))) => return Ok(self.command(command, show)),
            Came::Line(Some(Err(why))) => show.refused(&why),
            Came::Line(None) | Came::Gone => {
                self.by = By::Nobody;
                show.prompt(None);
                for waiting in self.queue.drain() {
                    // A job that is gone needs no decision.
                    let _gone = waiting.requests.try_send(Request::Decide(Decision::GoOn));
                }
            }
        }
        Ok(After::GoOn)
    }

    /// Takes news of a break.
    pub(super) fn report(
        &mut self,
        run: usize,
        report: &Report,
        index: usize,
        news: &BreakNews,
        ledger: &Ledger,
        show: &mut dyn Show,
    ) {
        let place = (run, report.job.clone(), index);
        match news {
            BreakNews::Waits => {
                let taken = self.breaks.get(run).and_then(|all| all.take(&report.job, report.attempt, index));
                // Dropped, the failure counts.
                let Some(taken) = taken.filter(|_| !matches!(self.by, By::Nobody)) else { return };
                let lines = ledger.last(run, &report.job, index, LINES);
                let waiting = self.queue.push(place, taken, lines);
                show.stopped(run, report, waiting);
            }
            BreakNews::Done(_) | BreakNews::Refused(_) => {
                if let Some(id) = self.queue.idle(&place) {
                    show.decided(run, report, index, id, news);
                }
            }
            BreakNews::Again | BreakNews::Skipped | BreakNews::WentOn => {
                if let Some(id) = self.queue.remove(&place) {
                    show.decided(run, report, index, id, news);
                }
            }
        }
        self.prompt(show);
    }

    /// Shows the question to a person, about the first step that waits.
    fn prompt(&self, show: &mut dyn Show) {
        let By::Person(person) = &self.by else { return };
        if person.shell.is_some() {
            return;
        }
        let first = self.queue.front();
        show.prompt(first.map(|waiting| (&waiting.place, keys::question(waiting, self.queue.len()))));
    }

    async fn key(&mut self, key: Key, show: &mut dyn Show) -> Result<After, Failure> {
        let Some(waiting) = self.queue.front() else { return Ok(After::GoOn) };
        if waiting.busy {
            return Ok(After::GoOn);
        }
        let id = waiting.id;
        let request = match key {
            Key::Abort => return Ok(After::Abort),
            Key::Shell => {
                self.shell(id, show);
                return Ok(After::GoOn);
            }
            Key::Edit => {
                self.edit(id, show).await;
                self.prompt(show);
                return Ok(After::GoOn);
            }
            Key::Help => {
                show.tell(keys::HELP);
                return Ok(After::GoOn);
            }
            Key::Retry => match self.again(id, None) {
                Ok(decision) => Request::Decide(decision),
                Err(why) => {
                    show.tell(&why);
                    return Ok(After::GoOn);
                }
            },
            Key::Skip => Request::Decide(Decision::Skip),
            Key::GoOn => Request::Decide(Decision::GoOn),
        };
        self.send(id, request, show);
        Ok(After::GoOn)
    }

    fn command(&mut self, command: Command, show: &mut dyn Show) -> After {
        let Some(id) = command.at.or_else(|| self.queue.first_idle()) else { return After::GoOn };
        match self.queue.get(id) {
            None => {
                show.refused(&format!("there is no break {id}; those that wait are {}", self.queue.ids()));
                return After::GoOn;
            }
            Some(waiting) if waiting.busy => {
                show.refused(&format!(
                    "break {id} is busy with the command before; wait for its command_done"
                ));
                return After::GoOn;
            }
            Some(_) => {}
        }
        let request = match command.wish {
            Wish::Abort => return After::Abort,
            Wish::Exec(run) => Request::Exec(run),
            Wish::Retry(run) => match self.again(id, run.as_deref()) {
                Ok(decision) => Request::Decide(decision),
                Err(why) => {
                    show.refused(&why);
                    return After::GoOn;
                }
            },
            Wish::Skip => Request::Decide(Decision::Skip),
            Wish::GoOn => Request::Decide(Decision::GoOn),
        };
        self.send(id, request, show);
        After::GoOn
    }

    fn send(&mut self, id: u32, request: Request, show: &mut dyn Show) {
        let Some(waiting) = self.queue.get_mut(id) else { return };
        match waiting.requests.try_send(request) {
            Ok(()) => waiting.busy = true,
            // The job is being cancelled; the news of that is on its way.
            Err(_) => show.refused(&format!("break {id} is over")),
        }
        show.prompt(None);
    }

    /// The decision to try a step again as it is written now.
    fn again(&self, id: u32, script: Option<&str>) -> Result<Decision, String> {
        let waiting = self.queue.get(id).ok_or_else(|| format!("break {id} is over"))?;
        let planned = self.planned.get(waiting.place.0).ok_or("the run is over")?;
        edit::again(waiting, &self.here.root, planned, script)
    }

    async fn edit(&mut self, id: u32, show: &mut dyn Show) {
        let (Some(waiting), By::Person(person)) = (self.queue.get(id), &mut self.by) else { return };
        let path = edit::file(waiting, &self.here.root);
        show.prompt(None);
        // Everything that was said before the editor takes the screen.
        let _closed = show.flush();
        show.hold(true);
        person.console.set(Manner::Lines);
        let edited = editor::open(self.environment, &path, waiting.broken.line).await;
        person.console.set(Manner::Keys);
        show.hold(false);
        match edited {
            Ok(()) => match self.again(id, None) {
                Ok(_) => show.tell("Press r to try the step again as it is written now."),
                Err(why) => show.tell(&why),
            },
            Err(why) => show.tell(&why),
        }
    }

    fn shell(&mut self, id: u32, show: &mut dyn Show) {
        let By::Person(person) = &mut self.by else { return };
        let (typed, input) = mpsc::channel(PIECES);
        let (output, shown) = mpsc::channel(PIECES);
        let (size, sizes) = watch::channel(person.console.size());
        person.shell = Some(Shell { typed, shown, size });
        show.tell("A shell where the step ran. Its script is in $SHIPWAY_SCRIPT; leave with exit or Ctrl-D.");
        self.send(id, Request::Shell(Terminal { input, output, size: sizes }), show);
        // Everything that was said before the shell takes the screen.
        let _closed = show.flush();
        show.hold(true);
        if let By::Person(person) = &mut self.by {
            person.console.set(Manner::Bytes);
        }
    }

    fn shell_over(&mut self, show: &mut dyn Show) {
        if let By::Person(person) = &mut self.by {
            person.shell = None;
            person.console.set(Manner::Keys);
        }
        show.hold(false);
        self.prompt(show);
    }
}

/// How many of its last lines a failed step is told with.
const LINES: usize = 30;

impl Person {
    async fn next(&mut self) -> Came {
        let Some(shell) = &mut self.shell else {
            return match self.console.next().await {
                Typed::Bytes(bytes) => Came::Keys(bytes),
                Typed::Resized => Came::Nothing,
                Typed::Gone => Came::Gone,
            };
        };
        tokio::select! {
            chunk = shell.shown.recv() => chunk.map_or(Came::Closed, Came::Shown),
            typed = async {
                // First a place for it, so that nothing is read that cannot be handed on.
                let place = shell.typed.reserve().await;
                (place, self.console.next().await)
            } => {
                match typed {
                    (Ok(place), Typed::Bytes(bytes)) => place.send(bytes),
                    (_, Typed::Resized) => drop(shell.size.send(self.console.size())),
                    (_, Typed::Gone) => return Came::Gone,
                    // The shell is ending.
                    (Err(_), Typed::Bytes(_)) => {}
                }
                Came::Nothing
            }
        }
    }
}

fn no_terminal() -> Failure {
    Failure::new(
        Exit::Usage,
        "--break-on-failure needs somebody to ask: standard input and output are not a terminal in the foreground",
    )
    .with_code("SW1050")
    .with_help("run it on a terminal, or add --json and answer with lines on standard input")
}
