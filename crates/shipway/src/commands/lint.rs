//! `shipway lint`: what is wrong, dangerous or out of date in workflow and action files.
//!
//! The rules are those of `shipway_workflow::lint`; here files are found and read ([`files`]), findings are shown as
//! text, JSON or SARIF ([`wire`]), and fixes are written.

mod files;
mod wire;

use crate::{
    cli::{say, talk},
    environment::Environment,
    exit::{Exit, Failure},
    render::{self, counted},
};
use clap::{Args, ValueEnum};
use files::File;
use shipway_workflow::lint::{self, Finding, Interfaces, Level, difference};
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

/// What to look at, and how to tell.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  shipway lint                                   all workflows and local actions of this repository
  shipway lint .github/workflows/ci.yml          one file
  shipway lint --pedantic --fail-on note         everything, and nothing may be left
  shipway lint --fix --dry-run                   what the fixes would change
  shipway lint --format sarif > lint.sarif       for code scanning

Ignore a finding with a comment on its line or the line before it:
  # shipway-lint: ignore RULE because REASON

Exit codes: 0 nothing at or above the level of --fail-on, 1 there is, 2 a file is no valid workflow
or action. docs/lint.md explains every rule.")]
pub(crate) struct Options {
    /// Workflow and action files, and folders with some; all of the repository when none is given
    files: Vec<PathBuf>,
    /// Let rules of thoroughness and taste speak as well
    #[arg(long)]
    pedantic: bool,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Carry out the fixes that change nothing else
    #[arg(long)]
    fix: bool,
    /// With --fix: print what would change and write nothing
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// The least level that makes the command fail
    #[arg(long, value_enum, default_value_t = FailOn::Warning, value_name = "LEVEL")]
    fail_on: FailOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Note,
    Warning,
    Error,
    Never,
}

/// How often fixes are looked for again: one may make room for another.
const PASSES: usize = 50;

/// Looks at the files and tells.
pub(crate) fn run(environment: &Environment, options: &Options) -> Result<Exit, Failure> {
    let root = files::root(&environment.folder);
    if root.is_none() && options.files.is_empty() {
        return Err(files::no_repository(&environment.folder));
    }
    let base = root.as_deref().unwrap_or(&environment.folder);
    let repository = root.as_deref().map(files::all).transpose()?.unwrap_or_default();
    let mut interfaces = Interfaces::new();
    let readable = repository.iter().filter(|file| file.unread.is_none());
    readable.for_each(|file| interfaces.add(&file.path, &file.source));
    if root.is_some() {
        interfaces = interfaces.whole();
    }
    let chosen = match options.files.is_empty() {
        true => repository,
        false => {
            let mut chosen: Vec<File> = Vec::new();
            for path in &options.files {
                let more = files::named(environment, base, path)?;
                for file in more {
                    if chosen.iter().all(|other| other.at != file.at) {
                        chosen.push(file);
                    }
                }
            }
            chosen
        }
    };
    let rules = lint::Options { pedantic: options.pedantic };
    let mut found = Vec::new();
    let mut fixed = 0;
    for (file, mut now) in chosen.iter().zip(look(&chosen, &interfaces, rules)) {
        if options.fix {
            let (text, count, left) = mend(file, now, &interfaces, rules);
            fixed += count;
            now = left;
            if count > 0 {
                write(file, &text, base, options)?;
            }
        }
        found.extend(now);
    }
    show(environment, options, &found, chosen.len(), fixed);
    Ok(verdict(&found, options.fail_on))
}

/// The findings of each file, in the order of the files; all processors take part.
fn look(files: &[File], interfaces: &Interfaces, rules: lint::Options) -> Vec<Vec<Finding>> {
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = files.len().div_ceil(workers).max(1);
    let one = |file: &File| match &file.unread {
        Some(found) => vec![Finding::of_document(found.clone())],
        None => lint::lint(&file.source, file.kind, interfaces, rules),
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = files
            .chunks(share)
            .map(|part| (part, scope.spawn(move || part.iter().map(one).collect::<Vec<_>>())))
            .collect();
        // Should a worker ever die, its files are looked at here, where the reason shows.
        parts
            .into_iter()
            .flat_map(|(part, worker)| worker.join().unwrap_or_else(|_| part.iter().map(one).collect()))
            .collect()
    })
}

/// Carries out fixes until there are none, or the document would get an error that it had not, such as that it is larger than what is
/// read; the text, how many they were, and what is left.
fn mend(
    file: &File,
    mut found: Vec<Finding>,
    interfaces: &Interfaces,
    rules: lint::Options,
) -> (String, usize, Vec<Finding>) {
    let mut text = file.source.text.to_string();
    let mut all = 0;
    for _ in 0..PASSES {
        let (next, count) = lint::apply(&text, &found);
        if count == 0 {
            break;
        }
        let source = shipway_base::Source::new(file.source.name.clone(), next.as_str());
        let left = lint::lint(&source, file.kind, interfaces, rules);
        if errors(&left).any(|code| errors(&found).all(|known| known != code)) {
            break;
        }
        (text, found) = (next, left);
        all += count;
    }
    (text, all, found)
}

fn write(file: &File, text: &str, base: &Path, options: &Options) -> Result<(), Failure> {
    if options.dry_run {
        let shown = difference(&file.path, &file.source.text, text, 3);
        match options.format {
            Format::Text if !options.json => say(shown.trim_end_matches('\n')),
            Format::Text | Format::Json | Format::Sarif => talk(shown.trim_end_matches('\n')),
        }
        return Ok(());
    }
    files::write(file, text, base)
}

fn show(environment: &Environment, options: &Options, found: &[Finding], files: usize, fixed: usize) {
    let format = if options.json { Format::Json } else { options.format };
    let of = |level: Level| found.iter().filter(|finding| finding.level == level).count();
    match format {
        Format::Json => say(&wire::report(found, files, fixed).to_string()),
        Format::Sarif => say(&wire::sarif(found).to_string()),
        Format::Text => {
            let colour = environment.wants_colour();
            for finding in found {
                say(&render::finding(finding, colour));
                say("");
            }
            let mut summary = format!(
                "{}: {}, {}, {}",
                counted(files, "file"),
                counted(of(Level::Error), "error"),
                counted(of(Level::Warning), "warning"),
                counted(of(Level::Note), "note")
            );
            let fixable = found.iter().filter(|finding| finding.fix.is_some()).count();
            if fixed > 0 {
                let done = if options.dry_run { "could be mended" } else { "mended" };
                summary += &format!("; {fixed} {done}");
            } else if fixable > 0 {
                summary += &format!("; {fixable} can be mended with --fix");
            }
            talk(&summary);
        }
    }
}

/// The codes of what makes the document no valid one.
fn errors(found: &[Finding]) -> impl Iterator<Item = &str> {
    found.iter().filter(|finding| finding.level == Level::Error).filter_map(|finding| finding.code)
}

/// Whether the document is no valid one.
fn invalid(found: &[Finding]) -> bool {
    errors(found).next().is_some()
}

fn verdict(found: &[Finding], fail_on: FailOn) -> Exit {
    if invalid(found) {
        return Exit::Usage;
    }
    let least = match fail_on {
        FailOn::Note => Level::Note,
        FailOn::Warning => Level::Warning,
        FailOn::Error => Level::Error,
        FailOn::Never => return Exit::Ok,
    };
    if found.iter().any(|finding| finding.level >= least) { Exit::Failed } else { Exit::Ok }
}
