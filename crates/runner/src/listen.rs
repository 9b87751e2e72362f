//! Listens to the output of one program: lines, commands, masks.

use crate::{
    blocks::{Beginning, beginning},
    error::{ErrorKind, RunnerError},
    executor::Chunk,
    filecommand::{self, CommandFiles},
    lines::{LineSplitter, Piece},
    log::Log,
    mask::PieceMasker,
    matcher::{Matchers, Places, Watch},
    place::PathMap,
    report::{Annotation, Level, ReportKind},
    session::{Action, Heard, Session, disarm},
};
use shipway_workflow::Texts;
use std::path::Path;
use tokio::sync::mpsc;

/// How Shipway's own commands begin the line about what to do, which stands after that about what is wrong.
const HELP: &str = "  help: ";

/// What was heard from one program, by output and by command files together.
#[derive(Debug, Default)]
pub(crate) struct HeardAll {
    /// Outputs.
    pub(crate) outputs: Texts,
    /// State for a post step.
    pub(crate) state: Vec<(String, String)>,
    /// Variables for the steps that follow.
    pub(crate) env: Vec<(String, String)>,
    /// Folders for `PATH`.
    pub(crate) paths: Vec<String>,
    /// Why the step fails whatever its exit code says.
    pub(crate) refusals: Vec<RunnerError>,
    /// The last line it printed but for help, masked: often the reason of a failure.
    pub(crate) last_line: String,
    /// The first lines that a helper printed, masked.
    pub(crate) first_lines: String,
    /// Everything it printed, when that was asked for.
    pub(crate) text: Option<Vec<u8>>,
}

/// So many bytes of what a helper prints are kept, and the line in which they end.
const FIRST: usize = 4 * 1024;

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// A step: commands count, everything is logged.
    Step,
    /// A helper of the runner whose output is logged as it is.
    Plain,
    /// A helper of the runner whose output is kept, not logged.
    Capture,
}

/// What a step's output is taken with.
#[derive(Debug)]
pub(crate) struct Ears {
    /// Its commands.
    pub(crate) session: Session,
    /// Its problem matchers.
    pub(crate) watch: Watch,
    /// Whether lines for those who look for a mistake are shown.
    pub(crate) debug: bool,
}

impl Ears {
    /// For a helper of the runner, whose output is no step's.
    pub(crate) fn deaf() -> Ears {
        let places = Places::new(Path::new("/"), "", PathMap::default());
        Ears { session: Session::default(), watch: Watch::new(&Matchers::default(), places), debug: false }
    }
}

/// Takes output until the sender is gone.
pub(crate) async fn listen(
    log: &mut Log,
    step: Option<usize>,
    ears: Ears,
    hearing: Hearing,
    mut output: mpsc::Receiver<Chunk>,
) -> HeardAll {
    let mut listener = Listener {
        log,
        step,
        ears,
        hearing,
        heard: HeardAll::default(),
        splitter: LineSplitter::new(),
        masker: PieceMasker::new(),
        between_lines: true,
    };
    while let Some(chunk) = output.recv().await {
        if hearing == Hearing::Capture {
            listener.heard.text.get_or_insert_default().extend_from_slice(&chunk);
            continue;
        }
        listener.log.output_arrived(true);
        listener.take(&chunk).await;
        listener.log.output_arrived(false);
    }
    if let Some(piece) = listener.splitter.finish() {
        listener.piece(piece).await;
    }
    listener.heard
}

/// Who listens to one program.
struct Listener<'l> {
    log: &'l mut Log,
    step: Option<usize>,
    ears: Ears,
    hearing: Hearing,
    heard: HeardAll,
    splitter: LineSplitter,
    masker: PieceMasker,
    /// Whether the next piece begins a line.
    between_lines: bool,
}

impl Listener<'_> {
    async fn take(&mut self, output: &[u8]) {
        let mut rest = output;
        if !self.splitter.is_between_lines() {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            self.line_by_line(&rest[..end]).await;
            rest = &rest[end..];
        }
        // A matcher wants to see each line, and it may have been added by one.
        while self.hearing == Hearing::Step
            && self.ears.watch.is_empty()
            && self.splitter.is_between_lines()
            && let Some((found, behind)) = beginning(rest, &self.log.masker)
        {
            match found {
                Beginning::Lines(text) => self.show(text.to_owned()).await,
                Beginning::Odd(bytes) => self.line_by_line(bytes).await,
            }
            rest = behind;
        }
        self.line_by_line(rest).await;
    }

    async fn line_by_line(&mut self, bytes: &[u8]) {
        let mut pieces = Vec::new();
        self.splitter.push(bytes, |piece| pieces.push(piece));
        for piece in pieces {
            self.piece(piece).await;
        }
    }

    async fn piece(&mut self, piece: Piece) {
        let whole = self.between_lines && piece.ends;
        self.between_lines = piece.ends;
        let text = if whole && self.hearing == Hearing::Step {
            let line = String::from_utf8(piece.bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
            command(self.log, self.step, &mut self.ears, &mut self.heard, line).await
        } else {
            self.masker.push(piece, &self.log.masker)
        };
        if let Some(text) = text {
            self.show(text).await;
        }
    }

    /// Shows lines that are masked.
    async fn show(&mut self, text: String) {
        let is_reason = |line: &&str| !line.trim().is_empty() && !line.starts_with(HELP);
        if let Some(last) = text.rsplit('\n').find(is_reason) {
            last.clone_into(&mut self.heard.last_line);
        }
        if self.hearing == Hearing::Plain && self.heard.first_lines.len() < FIRST {
            self.heard.first_lines += &text;
            self.heard.first_lines.push('\n');
        }
        self.log.masked_lines(self.step, text).await;
    }
}

/// Carries out the command in a line; gives the masked line when it is to be shown as plain output.
async fn command(
    log: &mut Log,
    step: Option<usize>,
    ears: &mut Ears,
    heard: &mut HeardAll,
    line: String,
) -> Option<String> {
    let (action, echo, warning) = match ears.session.hear(&line) {
        Heard::Plain => return problem(log, step, ears, line).await,
        Heard::Command { action, echo, warning } => (action, echo, warning),
    };
    if let Some(warning) = warning {
        log.annotate(Annotation { step, ..Annotation::new(Level::Warning, warning) }).await;
    }
    // The mask first, so that an echo of the very command does not show it.
    if let Action::Mask(value) = &action {
        if !log.masker.has_room_for(value) {
            let why = "::add-mask:: is refused: the texts to mask of this job take more than 64 MiB with all their forms";
            heard.refusals.push(RunnerError::new(ErrorKind::CommandRefused, why));
            return None;
        }
        log.masker.add(value);
    }
    if echo {
        log.line(step, &line).await;
    }
    match action {
        Action::Nothing | Action::Mask(_) => {}
        Action::SetOutput { name, value } => {
            heard.outputs.insert(name, value);
        }
        Action::SaveState { name, value } => {
            heard.state.push((name, value));
        }
        Action::SetEnv { name, value } => set_env(log, step, heard, (name, value), "::set-env::").await,
        Action::AddPath(folder) => heard.paths.push(folder),
        Action::AddMatcher(file) => match ears.watch.add_file(&file) {
            Ok((owners, left_out)) => {
                let names = owners.join("', '");
                debug(log, step, ears, &format!("Added matchers: '{names}'")).await;
                for why in left_out {
                    log.annotate(Annotation { step, ..Annotation::new(Level::Warning, why) }).await;
                }
            }
            Err(why) => heard.refusals.push(RunnerError::new(ErrorKind::CommandRefused, why)),
        },
        Action::RemoveMatcher { owner, file } => match ears.watch.remove_named(owner.as_deref(), &file) {
            Ok(owners) => {
                let names = owners.join("', '");
                debug(log, step, ears, &format!("Removed matchers: '{names}'")).await;
            }
            Err(why) => heard.refusals.push(RunnerError::new(ErrorKind::CommandRefused, why)),
        },
        Action::Annotate(mut annotation) => {
            annotation.file = annotation.file.take().map(|file| ears.watch.named(file));
            log.annotate(Annotation { step, ..*annotation }).await;
        }
        Action::Group(title) => log.line(step, &format!("##[group]{title}")).await,
        Action::EndGroup => log.line(step, "##[endgroup]").await,
        Action::Debug(text) => debug(log, step, ears, &text).await,
        Action::Refuse(why) => heard.refusals.push(RunnerError::new(ErrorKind::CommandRefused, why)),
    }
    None
}

/// Shows a plain line to the problem matchers; gives it masked when it is still plain.
async fn problem(log: &mut Log, step: Option<usize>, ears: &mut Ears, line: String) -> Option<String> {
    let found = ears.watch.take(&line);
    for text in found.debug {
        debug(log, step, ears, &text).await;
    }
    for text in found.warnings {
        log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
    }
    match found.problem {
        None => Some(log.masker.masked(disarm(line))),
        Some(annotation) => {
            log.annotate(Annotation { step, ..annotation }).await;
            None
        }
    }
}

async fn debug(log: &mut Log, step: Option<usize>, ears: &Ears, text: &str) {
    if ears.debug {
        log.line(step, &format!("##[debug]{text}")).await;
    }
}

/// Takes a variable for the steps that follow, unless it is one that nobody may set.
async fn set_env(
    log: &mut Log,
    step: Option<usize>,
    heard: &mut HeardAll,
    (key, value): (String, String),
    from: &str,
) {
    if filecommand::is_refused_env(&key) {
        let text = format!("{key} is not taken from {from}, since every later Node program would obey it");
        log.annotate(Annotation { step, ..Annotation::new(Level::Error, text) }).await;
    } else {
        heard.env.push((key, value));
    }
}

/// Adds what a step left in its command files.
pub(crate) async fn take_files(
    log: &mut Log,
    step: Option<usize>,
    files: &CommandFiles,
    heard: &mut HeardAll,
) {
    for (name, bytes) in
        [("GITHUB_ENV", &files.env), ("GITHUB_OUTPUT", &files.output), ("GITHUB_STATE", &files.state)]
    {
        let (pairs, ended) = filecommand::pairs(bytes);
        if let Err(error) = ended {
            let text = format!("the file {name} is not in order, {error}");
            heard.refusals.push(RunnerError::new(ErrorKind::CommandFile, text));
        }
        match name {
            "GITHUB_OUTPUT" => heard.outputs.extend(pairs),
            "GITHUB_STATE" => heard.state.extend(pairs),
            _ => {
                for pair in pairs {
                    set_env(log, step, heard, pair, name).await;
                }
            }
        }
    }
    heard.paths.extend(filecommand::paths(&files.path));
    match (filecommand::summary(&files.summary), step) {
        (Ok(Some(markdown)), Some(step)) => {
            let markdown = log.masker.mask(&markdown);
            log.send(ReportKind::Summary { step, markdown }).await;
        }
        (Ok(_), _) => {}
        (Err(why), _) => log.annotate(Annotation { step, ..Annotation::new(Level::Error, why) }).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{matcher::config, report::Report};
    use proptest::prelude::*;
    use shipway_base::{Clock, Timestamp};
    use shipway_workflow::run::JobKey;

    /// What comes of output that arrives in these chunks: the reports, each line by itself, and the last line.
    fn hear(chunks: Vec<Vec<u8>>, with_matcher: bool) -> (Vec<String>, String) {
        let (reports, mut told) = mpsc::channel::<Report>(10_000);
        let clock = Clock::new(|| Timestamp::from_micros(0));
        let mut log = Log::new(JobKey("a".to_owned()), 1, clock, reports);
        log.masker.add("hunter2");
        let mut ears = Ears::deaf();
        if with_matcher {
            let text = r#"{"problemMatcher": [{"owner": "x", "pattern": [{"regexp": "^never(at all)$", "message": 1}]}]}"#;
            for config in config::parse(text).expect("matchers").matchers {
                ears.watch.add(config).expect("room");
            }
        }
        let (sender, output) = mpsc::channel(chunks.len().max(1));
        for chunk in chunks {
            sender.try_send(chunk).expect("room");
        }
        drop(sender);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let heard = runtime.block_on(listen(&mut log, Some(0), ears, Hearing::Step, output));
        drop(log);
        let mut lines = Vec::new();
        while let Ok(report) = told.try_recv() {
            if let ReportKind::Lines { text, .. } = &report.kind {
                lines.extend(text.split('\n').map(str::to_owned));
            } else {
                lines.push(format!("{:?}", report.kind));
            }
        }
        (lines, heard.last_line)
    }

    #[test]
    fn help_is_not_the_reason() {
        let said = b"::debug::x\nerror: no such key\n  help: mend it\n\n".to_vec();
        assert_eq!(hear(vec![said], false).1, "error: no such key");
    }

    proptest! {
        #[test]
        fn lines_that_go_together_come_out_as_those_that_are_looked_at(
            parts in prop::collection::vec(prop::sample::select(vec![
                "a", " ", "\n", "\n", "\n", "\r", "::", "::notice::x", "##[group]g", "::add-mask::bb", "b", "bb",
                "::stop-commands::t-o-k-e-n", "::t-o-k-e-n::", "hunter2", "hunt", "er2", "\x1b[1m", "é", "\u{85}", "\t",
            ]), 0..40),
            cuts in prop::collection::vec(0_usize..200, 0..6),
        ) {
            let output = parts.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(output.len())).collect();
            cuts.extend([0, output.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|pair| output[pair[0]..pair[1]].to_vec()).collect();
            prop_assert_eq!(hear(chunks, false), hear(vec![output], true));
        }
    }
}
