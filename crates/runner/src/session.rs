//! What the workflow commands in the output of one step mean, line by line.

use crate::{
    command::Command,
    report::{Annotation, Level},
};

/// So many characters has the word of `::stop-commands::` at least to be masked.
const MASKED_TOKEN: usize = 7;

/// The commands there are. Anything else that looks like one is plain output.
const COMMANDS: [&str; 16] = [
    "set-env",
    "set-output",
    "save-state",
    "add-path",
    "add-mask",
    "add-matcher",
    "remove-matcher",
    "debug",
    "warning",
    "error",
    "notice",
    "group",
    "endgroup",
    "echo",
    "stop-commands",
    "internal-set-repo-path",
];

/// Listens to the output of one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    stopped_until: Option<String>,
    echo: bool,
    any_stop_token: bool,
    trusts_output: bool,
    warned_output: bool,
    warned_state: bool,
}

/// What a line of output was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Heard {
    /// No command: it belongs into the log as it is.
    Plain,
    /// A command.
    Command {
        /// What it wants.
        action: Action,
        /// Whether the line itself goes into the log as well.
        echo: bool,
        /// A word of warning about its use, the first time in a step.
        warning: Option<String>,
    },
}

/// What a command wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing beyond what the session itself remembers.
    Nothing,
    /// An output of the step.
    SetOutput {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// State for the post part of an action.
    SaveState {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A variable for the steps that follow.
    SetEnv {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A folder for `PATH`.
    AddPath(String),
    /// A text to mask from now on.
    Mask(String),
    /// A file of problem matchers to obey from now on.
    AddMatcher(String),
    /// Problem matchers to forget: those of an owner, or those in a file.
    RemoveMatcher {
        /// Whose.
        owner: Option<String>,
        /// The file; empty when there is none.
        file: String,
    },
    /// An error, warning or notice. Boxed, since it is several times as large as the others.
    Annotate(Box<Annotation>),
    /// The lines until the next `EndGroup` belong together under a title.
    Group(String),
    /// The group ends.
    EndGroup,
    /// A line for those who look for a mistake.
    Debug(String),
    /// The command is refused: the step fails and says this.
    Refuse(String),
}

impl Session {
    /// A session that takes commands. With `debug` every command is echoed until it says otherwise;
    /// `any_stop_token` is what `ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS` asks for.
    pub(crate) fn new(debug: bool, any_stop_token: bool) -> Session {
        Session { echo: debug, any_stop_token, ..Session::default() }
    }

    /// The same, and with `trusts` the output may set variables and the path, which `ACTIONS_ALLOW_UNSECURE_COMMANDS` asks for.
    pub(crate) fn trusting(self, trusts: bool) -> Session {
        Session { trusts_output: trusts, ..self }
    }

    /// Whether commands are echoed into the log.
    #[cfg(test)]
    pub(crate) fn echo(&self) -> bool {
        self.echo
    }

    /// Takes one line of output.
    pub(crate) fn hear(&mut self, line: &str) -> Heard {
        // The common case first: no allocation for a line without either mark.
        if !line.contains("::") && !line.contains("##[") {
            return Heard::Plain;
        }
        if let Some(token) = &self.stopped_until {
            let resumes = [Command::parse_colon(line), Command::parse_hash(line)]
                .into_iter()
                .flatten()
                .any(|command| command.name.eq_ignore_ascii_case(token));
            if !resumes {
                return Heard::Plain;
            }
            self.stopped_until = None;
            return Heard::Command { action: Action::Nothing, echo: self.echo, warning: None };
        }
        let known = [Command::parse_colon(line), Command::parse_hash(line)]
            .into_iter()
            .flatten()
            .find_map(|command| Some((known_name(&command.name)?, command)));
        match known {
            Some((name, command)) => {
                let echo = self.echo;
                let (action, warning) = self.carry_out(name, &command);
                let shows_itself = matches!(
                    name,
                    "add-mask" | "debug" | "error" | "warning" | "notice" | "group" | "endgroup" | "echo"
                );
                Heard::Command { action, echo: echo && !shows_itself, warning }
            }
            None => Heard::Plain,
        }
    }

    fn carry_out(&mut self, name: &'static str, command: &Command) -> (Action, Option<String>) {
        let named = |make: fn(String, String) -> Action| match command.property("name") {
            Some(name) => make(name.to_owned(), command.data.clone()),
            None => {
                Action::Refuse(format!("::{}:: needs a name, as in ::{0} name=colour::red", command.name))
            }
        };
        let mut warning = None;
        let action = match name {
            "set-output" => {
                warning = first(&mut self.warned_output)
                    .then(|| deprecated("set-output", "echo \"name=value\" >> \"$GITHUB_OUTPUT\""));
                named(|name, value| Action::SetOutput { name, value })
            }
            "save-state" => {
                warning = first(&mut self.warned_state)
                    .then(|| deprecated("save-state", "echo \"name=value\" >> \"$GITHUB_STATE\""));
                named(|name, value| Action::SaveState { name, value })
            }
            "set-env" if self.trusts_output => named(|name, value| Action::SetEnv { name, value }),
            "set-env" => Action::Refuse(
                "::set-env:: is refused, since any program whose output is logged could change the environment; \
                 write echo \"NAME=value\" >> \"$GITHUB_ENV\" instead"
                    .to_owned(),
            ),
            "add-path" if self.trusts_output => match command.data.is_empty() {
                true => Action::Refuse("::add-path:: needs a folder, as in ::add-path::/a/folder".to_owned()),
                false => Action::AddPath(command.data.clone()),
            },
            "add-path" => Action::Refuse(
                "::add-path:: is refused, since any program whose output is logged could change the path; \
                 write echo \"/a/folder\" >> \"$GITHUB_PATH\" instead"
                    .to_owned(),
            ),
            "add-mask" if command.data.trim().is_empty() => {
                warning = Some("::add-mask:: masks nothing, since its text is empty".to_owned());
                Action::Nothing
            }
            "add-mask" => Action::Mask(command.data.clone()),
            "add-matcher" => Action::AddMatcher(command.data.clone()),
            "remove-matcher" => Action::RemoveMatcher {
                owner: command.property("owner").map(str::to_owned),
                file: command.data.clone(),
            },
            "debug" => Action::Debug(command.data.clone()),
            "warning" => Action::Annotate(Box::new(annotation(Level::Warning, command))),
            "error" => Action::Annotate(Box::new(annotation(Level::Error, command))),
            "notice" => Action::Annotate(Box::new(annotation(Level::Notice, command))),
            "group" => Action::Group(command.data.clone()),
            "endgroup" => Action::EndGroup,
            "echo" => match command.data.trim().to_ascii_lowercase().as_str() {
                "on" => {
                    self.echo = true;
                    Action::Nothing
                }
                "off" => {
                    self.echo = false;
                    Action::Nothing
                }
                _ => Action::Refuse(format!("::echo:: takes on or off, not {:?}", command.data)),
            },
            "stop-commands" => self.stop(&command.data),
            // Only the runner's own checkout sends it to itself.
            _ => Action::Nothing,
        };
        (action, warning)
    }

    /// `::stop-commands::`.
    fn stop(&mut self, token: &str) -> Action {
        // The second was a command once.
        let guessable =
            token.is_empty() || token.eq_ignore_ascii_case("pause-logging") || known_name(token).is_some();
        if guessable && !self.any_stop_token {
            return Action::Refuse(format!(
                "::stop-commands:: needs a word that nobody can guess, not {token:?}; use a random one"
            ));
        }
        self.stopped_until = Some(token.to_owned());
        // Masked, so that a program whose output is logged cannot read the word and resume. As on GitHub not where it is short: it
        // would hide each such word of the whole job, and outputs that have it.
        if guessable || token.chars().count() < MASKED_TOKEN {
            Action::Nothing
        } else {
            Action::Mask(token.to_owned())
        }
    }
}

/// Whether a line of the text may be a command, or hold a mark that only the runner may write.
pub(crate) fn may_command(text: &str) -> bool {
    if text.contains("##[") {
        return true;
    }
    let mut rest = text;
    // The first of each line is enough.
    while let Some(at) = rest.find("::") {
        let line = rest[..at].rfind('\n').map_or(0, |end| end + 1);
        if rest[line..at].trim_start().is_empty() {
            return true;
        }
        let Some(end) = rest[at..].find('\n') else { return false };
        rest = &rest[at + end + 1..];
    }
    false
}

/// The line with marks that only the runner itself may write made harmless.
pub(crate) fn disarm(line: String) -> String {
    if !line.contains("##[") {
        return line;
    }
    line.replace("##[start-action", "##[\\start-action").replace("##[end-action", "##[\\end-action")
}

fn known_name(name: &str) -> Option<&'static str> {
    COMMANDS.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

fn first(said: &mut bool) -> bool {
    !std::mem::replace(said, true)
}

fn deprecated(command: &str, instead: &str) -> String {
    format!("::{command}:: is deprecated; write {instead} instead")
}

/// The annotation with places that contradict each other repaired or dropped, as GitHub's runner does.
fn annotation(level: Level, command: &Command) -> Annotation {
    let text = |name| command.property(name).map(str::to_owned);
    let number = |name| command.property(name).and_then(|value| value.trim().parse::<u32>().ok());
    let (mut line, mut end_line) = (number("line"), number("endLine"));
    let (mut column, mut end_column) = (number("col"), number("endColumn"));
    line = line.or(end_line);
    column = column.or(end_column);
    if line.zip(end_line).is_some_and(|(from, to)| from > to) {
        (line, end_line) = (None, None);
    }
    let lines_differ = line.zip(end_line).is_some_and(|(from, to)| from != to);
    let backwards = column.zip(end_column).is_some_and(|(from, to)| from > to);
    if line.is_none() || lines_differ || backwards {
        (column, end_column) = (None, None);
    }
    Annotation {
        title: text("title"),
        file: text("file"),
        line,
        end_line,
        column,
        end_column,
        ..Annotation::new(level, command.data.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(line: &str) -> Option<Action> {
        match Session::new(false, false).hear(line) {
            Heard::Plain => None,
            Heard::Command { action, .. } => Some(action),
        }
    }

    #[test]
    fn takes_known_commands_only() {
        assert_eq!(action("::group::Build"), Some(Action::Group("Build".to_owned())));
        assert_eq!(action("::Add-Mask::x"), Some(Action::Mask("x".to_owned())));
        assert_eq!(action("::std::vec"), None);
        assert_eq!(action("use std::fmt::Debug;"), None);
        assert_eq!(action("text ##[endgroup]"), Some(Action::EndGroup));
    }

    #[test]
    fn refuses_what_github_refuses() {
        for line in
            ["::set-env name=A::b", "::add-path::/x", "::stop-commands::", "::set-output::x", "::echo::maybe"]
        {
            assert!(matches!(action(line), Some(Action::Refuse(_))), "{line}");
        }
    }

    #[test]
    fn sets_variables_and_the_path_where_the_output_is_trusted() {
        let action = |line: &str| match Session::new(false, false).trusting(true).hear(line) {
            Heard::Plain => None,
            Heard::Command { action, .. } => Some(action),
        };
        let set = Action::SetEnv { name: "A".to_owned(), value: "b=c".to_owned() };
        assert_eq!(action("::set-env name=A::b=c"), Some(set));
        assert_eq!(action("##[add-path]/x"), Some(Action::AddPath("/x".to_owned())));
        for line in ["::set-env::b", "::add-path::"] {
            assert!(matches!(action(line), Some(Action::Refuse(_))), "{line}");
        }
    }

    #[test]
    fn an_empty_mask_is_told() {
        for line in ["::add-mask::", "::add-mask::  %0A "] {
            let Heard::Command { action, warning, .. } = Session::new(false, false).hear(line) else {
                panic!("{line} is a command");
            };
            assert_eq!(action, Action::Nothing, "{line}");
            assert!(warning.is_some_and(|text| text.contains("its text is empty")), "{line}");
        }
    }

    #[test]
    fn warns_of_old_commands_once() {
        let mut session = Session::new(false, false);
        let warned = |heard| matches!(heard, Heard::Command { warning: Some(_), .. });
        assert!(warned(session.hear("::set-output name=a::1")));
        assert!(!warned(session.hear("::set-output name=b::2")));
    }

    #[test]
    fn stops_until_its_word_comes() {
        let mut session = Session::new(false, false);
        assert_eq!(
            session.hear("::stop-commands::t-o-k-e-n"),
            Heard::Command { action: Action::Mask("t-o-k-e-n".to_owned()), echo: false, warning: None }
        );
        assert!(matches!(session.hear("::t-o-k-e-n::"), Heard::Command { .. }));
        assert_eq!(
            session.hear("::stop-commands::tok"),
            Heard::Command { action: Action::Nothing, echo: false, warning: None }
        );
        assert_eq!(session.hear("::group::x"), Heard::Plain);
        assert_eq!(session.hear("::other::"), Heard::Plain);
        assert!(matches!(session.hear("::tok::"), Heard::Command { .. }));
        assert!(matches!(session.hear("::group::x"), Heard::Command { .. }));
        let refused = session.hear("::stop-commands::Pause-Logging");
        assert!(matches!(refused, Heard::Command { action: Action::Refuse(_), .. }), "{refused:?}");
    }
}
