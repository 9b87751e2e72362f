//! The heads of steps: the group at the beginning of a log that shows what is about to run, as GitHub's runner prints it
//! (`ScriptHandler` and `Handler` of actions/runner).

use crate::{job::Job, shell::Shell, steps::Current};

impl Job<'_> {
    /// The head of a script: its text, its shell and its variables.
    pub(crate) async fn show_script(&mut self, text: &str, shell: &Shell, current: &Current) {
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let script = text.trim_end_matches(['\n', '\r']);
        let head = format!("##[group]Run {first}\n{script}\nshell: {}\n", shell.argv.join(" "));
        self.show(head, current).await;
        self.shown_within(current, script).await;
    }

    /// The head of an action: its inputs that have a value, those that the step gives first, and its variables.
    pub(crate) async fn show_action<'i>(
        &mut self,
        uses: &str,
        inputs: impl IntoIterator<Item = (&'i str, &'i str)>,
        current: &Current,
    ) {
        let inputs = inputs.into_iter().filter(|(_, value)| !value.is_empty());
        let head = format!("##[group]Run {uses}\n{}", list("with:", inputs));
        self.show(head, current).await;
        self.shown_within(current, uses).await;
    }

    async fn show(&mut self, head: String, current: &Current) {
        let saved = self.saved(current);
        let env = current.scope.env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let saved = saved.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let head = head + &list("env:", env.chain(saved)) + "##[endgroup]";
        self.log.line(Some(current.index), &head).await;
    }
}

/// Names and values under a title; nothing when there are none.
fn list<'t>(title: &str, pairs: impl Iterator<Item = (&'t str, &'t str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if text.is_empty() {
            text = format!("{title}\n");
        }
        text += &format!("  {name}: {value}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_title_only_when_something_is_in_it() {
        assert_eq!(list("env:", std::iter::empty()), "");
        let pairs = [("Z", "1"), ("A", "two\nlines")];
        assert_eq!(list("env:", pairs.into_iter()), "env:\n  Z: 1\n  A: two\nlines\n");
    }
}
