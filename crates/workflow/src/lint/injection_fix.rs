//! Handing a value to a script through its environment, where that is exactly the same but for the danger.

use super::{
    finding::{Edit, Fix},
    injection::Place,
    view::{JobView, Site, Slot, StepView, View, Written},
};
use crate::expr::Reference;
use shipway_base::yaml::Node;

/// The name of the variable for a value: its last two properties.
pub(super) fn variable(reference: &Reference) -> String {
    let all: Vec<&str> = (0..reference.keys.len()).filter_map(|depth| reference.name(depth)).collect();
    let plain: Vec<&str> = all.into_iter().filter(|name| !matches!(*name, "event")).collect();
    let last = plain.len().saturating_sub(2);
    let mut name: String = plain[last..]
        .join("_")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "VALUE_");
    }
    // Names that mean something to shells and runners.
    if matches!(name.as_str(), "REF_NAME" | "PATH" | "HOME" | "USER" | "SHELL" | "ENV") {
        name.push_str("_VALUE");
    }
    name
}

/// Puts an expression of a script under `env`. Offered where the script is bash or sh and the expression stands
/// inside double quotes, or is a whole quoted text of a github-script.
pub(super) fn through_env(
    view: &View<'_>,
    site: &Site<'_>,
    step: &StepView<'_>,
    written: &Written<'_>,
) -> Option<Fix> {
    let reference = written.expr.root.as_reference()?;
    let name = variable(&reference);
    let text = site.template.text();
    let before: String = text.chars().take(written.from as usize).collect();
    let open = before.rfind("${{")?;
    let from_end: usize =
        text.char_indices().nth((written.from + written.length) as usize).map_or(text.len(), |(at, _)| at);
    let close = from_end + text[from_end..].find("}}")? + 2;
    let (node, start, end, new) = match site.slot {
        Slot::Run => {
            if !is_posix(view, view.job(site)?, step) || !in_double_quotes(&text[..open]) {
                return None;
            }
            (step.run?, open, close, format!("${{{name}}}"))
        }
        Slot::With(_) if step.is_action("actions/github-script") => {
            let quote = text[..open].chars().last().filter(|c| matches!(c, '\'' | '"' | '`'))?;
            if !text[close..].starts_with(quote) {
                return None;
            }
            (step.with("script")?, open - 1, close + 1, format!("process.env.{name}"))
        }
        Slot::With(_) | Slot::If | Slot::Env(_) | Slot::JobOutput(_) | Slot::Output | Slot::Other(_) => {
            return None;
        }
    };
    let range = Place::new(view, node)?.exact(view, start, &text[start..end])?;
    let mut edits = vec![Edit { range, text: new }];
    if let Some(edit) = declare(view, step, &name, written.text, text)? {
        edits.push(edit);
    }
    edits.sort_by_key(|edit| edit.range.start);
    Some(Fix { title: format!("hand it over as ${name}"), edits })
}

/// The edit that sets the variable for the step; `Some(None)` when it is set already, none when it cannot be set.
fn declare(
    view: &View<'_>,
    step: &StepView<'_>,
    name: &str,
    value: &str,
    script: &str,
) -> Option<Option<Edit>> {
    let line = format!("{name}: ${{{{ {value} }}}}\n");
    if value.contains('\n') {
        return None;
    }
    let (key, text) = match step.map.iter().find(|(key, _)| key.value == "env") {
        Some((_, env)) => {
            let env = env.as_mapping()?;
            if let Some(known) = env.get(name) {
                let same = known.as_text()?.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim() == value;
                return same.then_some(None);
            }
            let (first, _) = env.iter().next()?;
            (first, line)
        }
        None => {
            let (key, _) = step.map.iter().find(|(key, _)| matches!(key.value.as_str(), "run" | "uses"))?;
            (key, format!("env:\n{}{line}", " ".repeat(key.span.start.column as usize + 1)))
        }
    };
    // A variable of that name that the script has of its own must not be overwritten.
    if script.contains(name) {
        return None;
    }
    let at = view.block_key(key.span)?;
    let indent = " ".repeat(key.span.start.column as usize - 1);
    Some(Some(Edit { range: at..at, text: format!("{text}{indent}") }))
}

/// Whether the script of a step is run by bash or sh.
pub(super) fn is_posix(view: &View<'_>, job: &JobView<'_>, step: &StepView<'_>) -> bool {
    let default = |map: &shipway_base::yaml::Mapping| -> Option<String> {
        let run = map.get("defaults")?.as_mapping()?.get("run")?.as_mapping()?;
        run.get("shell").and_then(Node::as_text).map(str::to_owned)
    };
    let shell = step.map.get("shell").and_then(Node::as_text).map(str::to_owned);
    if let Some(shell) = shell.or_else(|| default(job.map)).or_else(|| default(view.root)) {
        let first = shell.split_whitespace().next().unwrap_or_default();
        return matches!(first, "bash" | "sh");
    }
    job.labels().is_some_and(|labels| {
        labels.iter().any(|label| {
            let label = label.value.to_ascii_lowercase();
            label.starts_with("ubuntu") || label.starts_with("macos")
        })
    })
}

/// Whether a script of a POSIX shell is inside double quotes at its end, and nothing makes that doubtful.
fn in_double_quotes(script: &str) -> bool {
    // The text of a here document is expanded by rules of its own.
    if script.contains("<<") {
        return false;
    }
    let (mut double, mut single) = (false, false);
    let mut rest = script;
    let mut word = true;
    // Where the command began, and where its quoted text.
    let (mut command, mut quote) = (0, 0);
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        let at = script.len() - rest.len();
        match c {
            '$' if rest.starts_with("${{") => match rest.find("}}") {
                Some(end) => taken = end + 2,
                None => return false,
            },
            // A quote within a command substitution within quotes begins anew.
            '$' if !single && rest.starts_with("$(") => return false,
            '`' if !single => return false,
            '\'' if !double => single = !single,
            '"' if !single => {
                double = !double;
                quote = at;
            }
            '\\' if !single => match rest[1..].chars().next() {
                Some(next) => taken += next.len_utf8(),
                // It would take the dollar sign of the variable away.
                None => return false,
            },
            '\n' | ';' | '&' | '|' | '(' if !single && !double => command = at + 1,
            '#' if !single && !double && word => taken = rest.find('\n').unwrap_or(rest.len()),
            _ => {}
        }
        word = c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(');
        rest = &rest[taken..];
    }
    double && !single && !is_program(script.get(command..quote).unwrap_or_default())
}

/// Whether a command, as far as it is written before a quoted text, takes that text for a program of its own: then a
/// value that the shell puts there is as dangerous as before, wherever it comes from.
fn is_program(command: &str) -> bool {
    /// Programs whose first text is a program.
    const TAKE: &[&str] = &[
        "eval", "ssh", "awk", "gawk", "mawk", "sed", "jq", "yq", "trap", "watch", "parallel", "xargs",
        "sqlite3",
    ];
    /// Options before a program.
    const OPTIONS: &[&str] =
        &["--eval", "--command", "--execute", "--exec", "--print", "-command", "--expression"];
    let mut words = command.split_whitespace();
    let first = words.clone().find(|word| !word.contains('=')).unwrap_or_default();
    if matches!(first, "echo" | "printf") {
        return false;
    }
    words.any(|word| {
        let name = word.rsplit('/').next().unwrap_or_default();
        let option = word.split('=').next().unwrap_or_default().to_ascii_lowercase();
        let short = word.strip_prefix('-').filter(|letters| letters.bytes().all(|b| b.is_ascii_alphabetic()));
        TAKE.contains(&name)
            || OPTIONS.contains(&option.as_str())
            || short.is_some_and(|letters| letters.ends_with(['c', 'e', 'E', 'r', 'p']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_double_quotes() {
        for yes in [
            "echo \"",
            "echo 'a' \"b ",
            "# it's\necho \"",
            "echo \"${{ a }}\" \"",
            "echo \\\" \"",
            "echo -e \"",
            "bash -c 'true'; echo \"",
            "git commit -m \"",
            "echo \"\\\\",
        ] {
            assert!(in_double_quotes(yes), "{yes}");
        }
        for no in [
            "echo ",
            "echo '",
            "echo \"a\" ",
            "x=$(echo \"",
            "cat <<EOF\n\"",
            "echo '\"",
            "echo \"$(a \"",
            "echo \"\\",
            "python -c \"print('",
            "echo a\nPYTHONPATH=x python3 -Bc \"",
            "node --eval=\"",
            "true && eval \"",
            "/usr/bin/awk \"",
            "sh \\\n -ec \"",
        ] {
            assert!(!in_double_quotes(no), "{no}");
        }
    }
}
