//! Listens to the output of one program: lines, commands, masks.

use crate::{
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
use std::{collections::BTreeMap, path::Path};
use tokio::sync::mpsc;

/// What was heard from one program, by output and by command files together.
#[derive(Debug, Default)]
pub(crate) struct HeardAll {
    /// Outputs.
    pub(crate) outputs: Texts,
    /// State for a post step.
    pub(crate) state: BTreeMap<String, String>,
    /// Variables for the steps that follow.
    pub(crate) env: Vec<(String, String)>,
    /// Folders for `PATH`.
    pub(crate) paths: Vec<String>,
    /// Why the step fails whatever its exit code says.
    pub(crate) refusals: Vec<RunnerError>,
    /// The last line it printed, masked: often the reason of a failure.
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
    mut ears: Ears,
    hearing: Hearing,
    mut output: mpsc::Receiver<Chunk>,
) -> HeardAll {
    let mut heard = HeardAll::default();
    let (mut splitter, mut masker) = (LineSplitter::new(), PieceMasker::new());
    let mut pieces = Vec::new();
    let mut line_start = true;
    loop {
        let chunk = output.recv().await;
        match (&chunk, hearing) {
            (Some(chunk), Hearing::Capture) => {
                heard.text.get_or_insert_default().extend_from_slice(chunk);
                continue;
            }
            (Some(chunk), Hearing::Step | Hearing::Plain) => splitter.push(chunk, |piece| pieces.push(piece)),
            (None, _) => pieces.extend(splitter.finish()),
        }
        log.output_arrived(true);
        for piece in pieces.drain(..) {
            let whole = line_start && piece.ends;
            line_start = piece.ends;
            let text = if whole && hearing == Hearing::Step {
                let line = String::from_utf8(piece.bytes)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
                if let Some(shown) = command(log, step, &mut ears, &mut heard, line).await {
                    Some(shown)
                } else {
                    continue;
                }
            } else {
                masker.push(Piece { bytes: piece.bytes, ends: piece.ends }, &log.masker)
            };
            if let Some(text) = text {
                if !text.trim().is_empty() {
                    heard.last_line.clone_from(&text);
                }
                if hearing == Hearing::Plain && heard.first_lines.len() < FIRST {
                    heard.first_lines += &text;
                    heard.first_lines.push('\n');
                }
                log.masked_line(step, text).await;
            }
        }
        log.output_arrived(false);
        if chunk.is_none() {
            return heard;
        }
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
            heard.state.insert(name, value);
        }
        Action::AddMatcher(file) => match ears.watch.add_file(&file) {
            Ok(owners) => {
                let names = owners.join("', '");
                debug(log, step, ears, &format!("Added matchers: '{names}'")).await;
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
        Action::Annotate(annotation) => log.annotate(Annotation { step, ..annotation }).await,
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
        Some((annotation, shown)) => {
            log.annotate_as(Annotation { step, ..annotation }, &shown).await;
            None
        }
    }
}

async fn debug(log: &mut Log, step: Option<usize>, ears: &Ears, text: &str) {
    if ears.debug {
        log.line(step, &format!("##[debug]{text}")).await;
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
        let pairs = match filecommand::pairs(bytes) {
            Ok(pairs) => pairs,
            Err(error) => {
                let text = format!("the file {name} is not in order, {error}");
                heard.refusals.push(RunnerError::new(ErrorKind::CommandFile, text));
                continue;
            }
        };
        match name {
            "GITHUB_OUTPUT" => heard.outputs.extend(pairs),
            "GITHUB_STATE" => heard.state.extend(pairs),
            _ => {
                for (key, value) in pairs {
                    if filecommand::is_refused_env(&key) {
                        let text = format!(
                            "{key} is not taken from GITHUB_ENV, since every later Node program would obey it"
                        );
                        log.annotate(Annotation { step, ..Annotation::new(Level::Error, text) }).await;
                    } else {
                        heard.env.push((key, value));
                    }
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
