//! Where in a script of a POSIX shell a text may stand as the value of a variable instead.

/// Longer commands are not looked at, so that a script of one long line takes no time.
const LONGEST_COMMAND: usize = 8 << 10;

/// Whether a value in the place of the text that begins at the byte `open` would be a word, or a part of one, and nothing
/// more: it is inside double quotes, and no command takes those for a program. Where anything is doubtful it is not.
pub(super) fn is_plain_word(script: &str, open: usize) -> bool {
    let Some(before) = script.get(..open) else { return false };
    // The text of a here document is expanded by rules of its own; `$$` is a variable itself.
    if before.contains("<<") || before.ends_with('$') {
        return false;
    }
    let (mut double, mut single) = (false, false);
    let mut rest = before;
    let mut word = true;
    // Where the command began, and where its quoted text.
    let (mut command, mut quote) = (0, 0);
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        let at = before.len() - rest.len();
        match c {
            '$' if rest.starts_with("${{") => match rest.find("}}") {
                Some(end) => taken = end + 2,
                None => return false,
            },
            // A quote within a command substitution within quotes begins anew.
            '$' if !single && rest.starts_with("$(") => return false,
            // What is in the braces is no word: it may be a number that is computed, or a name.
            '$' if !single && rest.starts_with("${") => match rest.find('}') {
                Some(end) if !rest[..end].contains(['"', '\'', '`', '\\']) => taken = end + 1,
                Some(_) | None => return false,
            },
            '`' if !single => return false,
            '(' if !single && !double && rest.starts_with("((") => match rest.find("))") {
                Some(end) => taken = end + 2,
                None => return false,
            },
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
    let after = &script[open..];
    let line = &after[..after.find('\n').unwrap_or(after.len()).min(LONGEST_COMMAND)];
    double && !single && !is_program(&script[command.min(quote)..quote], line)
}

/// Whether a command takes a quoted text for more than a word: for a program of its own, for a number that it computes
/// or for a name, in which bash carries commands out. Then a value that the shell puts there is as dangerous as before,
/// wherever it comes from. `before` is the command up to the text, `line` what follows on its line.
fn is_program(before: &str, line: &str) -> bool {
    /// Programs that take a text for a program or a command, and builtins that take one for a number or a name.
    const TAKE: &[&str] = &[
        "eval",
        "ssh",
        "awk",
        "gawk",
        "mawk",
        "sed",
        "jq",
        "yq",
        "trap",
        "watch",
        "parallel",
        "xargs",
        "sqlite3",
        "source",
        ".",
        "exec",
        "alias",
        "let",
        "read",
        "unset",
        "mapfile",
        "readarray",
        "getopts",
        "gdb",
        "tmux",
        "screen",
        "nix-shell",
        "expect",
        "m4",
        "bc",
        "dc",
    ];
    /// Options before a program.
    const OPTIONS: &[&str] =
        &["--eval", "--command", "--execute", "--exec", "--print", "-command", "--expression", "--run"];
    /// Words after which a command begins.
    const WRAP: &[&str] = &[
        "if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "sudo", "env", "nohup",
        "command", "builtin", "nice", "exec",
    ];
    /// Builtins that make variables.
    const DECLARE: &[&str] = &["declare", "typeset", "local", "readonly", "export"];
    /// Variables whose values shells carry out.
    const CARRIED_OUT: &[&str] = &["BASH_ENV", "ENV", "PS0", "PS1", "PS4", "PROMPT_COMMAND"];
    if before.len() > LONGEST_COMMAND {
        return true;
    }
    let all: Vec<&str> = before.split_whitespace().collect();
    // The beginning of the word that the text belongs to, and the words before it.
    let stuck = before.chars().next_back().is_some_and(|c| !c.is_whitespace());
    let (own, words) = match all.split_last() {
        Some((own, words)) if stuck => (*own, words),
        Some(_) | None => ("", all.as_slice()),
    };
    let name = own.trim_end_matches('=');
    // `a["..."]` computes what is in the brackets.
    if own.contains('[') || own.ends_with('=') && CARRIED_OUT.contains(&name) {
        return true;
    }
    let assigns = |word: &&&str| word.contains('=') || WRAP.contains(*word);
    let Some(first) = words.iter().find(|word| !assigns(word)).copied() else {
        // The text is the command itself, unless it is the value of a variable or the end of a longer word.
        return !own.ends_with('=') && !own.ends_with(|c: char| c.is_alphanumeric());
    };
    let compares = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"];
    let has = |text: &str| text.split_whitespace().any(|word| compares.contains(&word));
    match first {
        "echo" => return false,
        "printf" => return words.contains(&"-v"),
        "[[" => return has(before) || has(line),
        "[" | "test" => return words.contains(&"-v"),
        _ if DECLARE.contains(&first) => {
            return !own.ends_with('=')
                || words.iter().any(|word| word.starts_with('-') && word.contains('i'));
        }
        _ => {}
    }
    words.iter().chain([&own]).any(|word| {
        let name = word.rsplit('/').next().unwrap_or_default();
        let option = word.split('=').next().unwrap_or_default().to_ascii_lowercase();
        let short = word.strip_prefix('-').filter(|letters| letters.bytes().all(|b| b.is_ascii_alphabetic()));
        TAKE.contains(&name)
            || OPTIONS.contains(&option.as_str())
            || short.is_some_and(|letters| letters.ends_with(['c', 'e', 'E', 'r', 'p']) || letters == "ex")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `@` is where the text begins.
    fn plain(script: &str) -> bool {
        let open = script.find('@').expect("a place");
        is_plain_word(script, open)
    }

    #[test]
    fn knows_double_quotes() {
        for yes in [
            "echo \"@\"",
            "echo 'a' \"b @\"",
            "# it's\necho \"@\"",
            "echo \"${{ a }}\" \"@\"",
            "echo \\\" \"@\"",
            "echo -e \"@\"",
            "bash -c 'true'; echo \"@\"",
            "git commit -m \"@\"",
            "echo \"\\\\@\"",
            "echo \"${A}@\"",
            "x=\"@\"",
            "A=b x=\"@\" make",
            "export X=\"@\"",
            "local -r x=\"a @\"",
            "if [[ \"@\" == \"x\" ]]; then",
            "if [ \"@\" -eq 1 ]; then",
            "case \"@\" in",
            "for x in \"@\"; do",
            "((i++)); echo \"@\"",
            "make X=\"@\"",
            "echo a && tee \"@\"",
        ] {
            assert!(plain(yes), "{yes}");
        }
        for no in [
            "echo @",
            "echo '@'",
            "echo \"a\" @",
            "x=$(echo \"@\")",
            "cat <<EOF\n\"@\"",
            "echo '\"@\"'",
            "echo \"$(a \"@\")\"",
            "echo \"\\@\"",
            "python -c \"print('@')\"",
            "echo a\nPYTHONPATH=x python3 -Bc \"@\"",
            "node --eval=\"@\"",
            "true && eval \"@\"",
            "/usr/bin/awk \"@\"",
            "sh \\\n -ec \"@\"",
        ] {
            assert!(!plain(no), "{no}");
        }
    }

    /// Each of these carries out `a[$(..)]`, or a command, that the variable holds.
    #[test]
    fn what_a_shell_computes_is_no_plain_word() {
        for no in [
            "[[ \"@\" -eq 1 ]] && echo",
            "[[ 1 -lt \"@\" ]]",
            "if ! [[ -v \"@\" ]]; then",
            "test -v \"@\"",
            "let \"x=@\"",
            "(( x = \"@\" ))",
            "declare \"@\"",
            "declare -i x=\"@\"",
            "local \"@\"",
            "y[\"@\"]=1",
            "echo \"${z:@}\"",
            "echo \"${x:-@}\"",
            "echo \"${!@}\"",
            "read \"@\"",
            "unset \"@\"",
            "printf -v \"@\" x",
            "BASH_ENV=\"@\" bash x",
            "PS4=\"@\"",
            "source \"@\"",
            ". \"@\"",
            "\"@\" --version",
            "if \"@\"; then",
            "sudo \"@\"",
            "nix-shell --run \"@\"",
            "gdb -ex \"@\"",
            "echo \"$@\"",
        ] {
            assert!(!plain(no), "{no}");
        }
        let long = format!("tool {} \"@\"", "x ".repeat(LONGEST_COMMAND));
        assert!(!plain(&long));
    }
}
