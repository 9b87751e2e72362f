//! The shell of a step: how its script is started.

use crate::error::{ErrorKind, RunnerError};

/// A way to start a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shell {
    /// The program and its arguments; `{0}` stands for the script's path.
    pub(crate) argv: Vec<String>,
    /// The ending of the script's file name.
    pub(crate) extension: &'static str,
}

/// The ending of the script's file by the program that is started, as GitHub has it, also when its arguments are one's own: PowerShell
/// refuses a file without it.
const EXTENSIONS: [(&str, &str); 5] =
    [("bash", ".sh"), ("sh", ".sh"), ("pwsh", ".ps1"), ("powershell", ".ps1"), ("python", ".py")];

/// What goes around a script of PowerShell, as GitHub has it: the first error ends it, and the exit code of the last
/// program is its own.
const POWERSHELL: (&str, &str) = (
    "$ErrorActionPreference = 'stop'\n",
    "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }\n",
);

/// Stands for the script's path.
const SCRIPT: &str = "{0}";

/// Machines of GitHub have it; Debian has only `python3` by default, which then stands for it.
const PYTHON: &str = "python";

impl Shell {
    /// The shell of a step that names none: bash where there is one, else sh. Without `pipefail`, as on GitHub.
    pub(crate) fn default_shell(bash_exists: bool) -> Shell {
        let program = if bash_exists { "bash" } else { "sh" };
        Shell { argv: words(&format!("{program} -e {{0}}")), extension: ".sh" }
    }

    /// The script's file: the text with what the shell wants around it. Some shells ignore a last line without an end.
    pub(crate) fn script(&self, text: &str) -> String {
        let mut text = text.replace("\r\n", "\n");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match self.argv.first().map(String::as_str) {
            Some("pwsh" | "powershell") => format!("{}{text}{}", POWERSHELL.0, POWERSHELL.1),
            Some(_) | None => text,
        }
    }

    /// The programs whose presence decides how a script is started.
    pub(crate) fn asks(shell: Option<&str>) -> &'static [&'static str] {
        match shell.map(str::trim) {
            None => &["bash"],
            Some(text) if text == PYTHON || is_custom_python(text) => &[PYTHON, "python3"],
            Some(_) => &[],
        }
    }

    /// Reads the value of `shell`. `has` tells whether a program is installed.
    pub(crate) fn parse(text: &str, has: impl Fn(&str) -> bool) -> Result<Shell, RunnerError> {
        let mut shell = Shell::written(text)?;
        if shell.argv.first().is_some_and(|program| program == PYTHON) && !has(PYTHON) && has("python3") {
            shell.argv[0] = "python3".to_owned();
        }
        Ok(shell)
    }

    /// As it is written, whatever is installed.
    fn written(text: &str) -> Result<Shell, RunnerError> {
        let built_in = |line: &str, extension| Ok(Shell { argv: words(line), extension });
        match text.trim() {
            "bash" => built_in("bash --noprofile --norc -eo pipefail {0}", ".sh"),
            "sh" => built_in("sh -e {0}", ".sh"),
            "python" => built_in("python {0}", ".py"),
            "pwsh" => built_in("pwsh -command \". '{0}'\"", ".ps1"),
            "powershell" => built_in("powershell -command \". '{0}'\"", ".ps1"),
            "cmd" => Err(RunnerError::new(
                ErrorKind::ShellMissing,
                "shell: cmd is the command interpreter of Windows, and this is none",
            )
            .with_help("use bash, sh, pwsh or python, or a command line such as perl {0}")),
            custom if custom.contains("{0}") => {
                let argv = words(&formatted(custom)?);
                let extension = argv.first().map_or("", |program| extension(program));
                Ok(Shell { argv, extension })
            }
            other => Err(RunnerError::new(
                ErrorKind::ShellMissing,
                format!(
                    "shell: {other:?} is neither bash, sh, pwsh nor python, nor a command line with {{0}}"
                ),
            )
            .with_help(format!("write shell: {other} {{0}} to start it with the script's path"))),
        }
    }
}

/// A command line with its doubled braces made single, as .NET's `String.Format` does it; `{0}` stays. Any other brace is refused, as
/// there.
fn formatted(line: &str) -> Result<String, RunnerError> {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braces) = rest.split_at(at);
        out.push_str(before);
        let (text, taken) = match braces {
            // It would be taken for the script's path.
            _ if braces.starts_with("{{0}}") => ("", 0),
            _ if braces.starts_with("{{") => ("{", 2),
            _ if braces.starts_with("}}") => ("}", 2),
            _ if braces.starts_with(SCRIPT) => (SCRIPT, SCRIPT.len()),
            _ => ("", 0),
        };
        if taken == 0 {
            let message = format!("shell: {line:?} has a brace that is not that of {{0}}");
            return Err(RunnerError::new(ErrorKind::ShellMissing, message)
                .with_help("double the other braces, {{ and }}, as GitHub wants it"));
        }
        out.push_str(text);
        rest = &braces[taken..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether this is a command line with `{0}` whose program is `python`.
fn is_custom_python(line: &str) -> bool {
    line.contains("{0}") && words(line).first().is_some_and(|program| program == PYTHON)
}

/// The ending of the file of a script that this program is given; empty for one that is not known.
fn extension(program: &str) -> &'static str {
    let found = EXTENSIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(program));
    found.map_or("", |(_, extension)| extension)
}

/// Splits a command line as GitHub's runner does, which hands lines to .NET (`ParseArgumentsIntoList`): spaces and tabs separate, and
/// nothing else, ends of lines neither. See [`split`]; a quote that is not closed ends with the line.
pub(crate) fn words(line: &str) -> Vec<String> {
    split(line, |character| matches!(character, ' ' | '\t')).0
}

/// Splits at blanks by the rules of .NET: double quotes keep words together and are dropped, single quotes mean nothing. Backslashes
/// count only before a double quote: two are one, and one that is left makes the quote a part of the word. Two double quotes within
/// quotes are one. Also tells whether a quote is not closed.
pub(crate) fn split(line: &str, is_blank: impl Fn(char) -> bool) -> (Vec<String>, bool) {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut within = false;
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => {
                let mut count = 1;
                while rest.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let before_quote = rest.peek() == Some(&'"');
                let kept = if before_quote { count / 2 } else { count };
                let word = word.get_or_insert_default();
                word.extend(std::iter::repeat_n('\\', kept));
                if before_quote && count % 2 == 1 {
                    word.extend(rest.next());
                }
            }
            '"' if within && rest.next_if_eq(&'"').is_some() => word.get_or_insert_default().push('"'),
            '"' => {
                within = !within;
                word.get_or_insert_default();
            }
            blank if is_blank(blank) && !within => words.extend(word.take()),
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    (words, within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let shell = Shell::parse(text, |program| program != "python").expect(text);
        assert_eq!(shell.argv, expect, "{text}");
    }

    #[test]
    fn starts_shells_as_github_does() {
        check("bash", &["bash", "--noprofile", "--norc", "-eo", "pipefail", "{0}"]);
        check("sh", &["sh", "-e", "{0}"]);
        check("python", &["python3", "{0}"]);
        check("python -u {0}", &["python3", "-u", "{0}"]);
        check("python3 -u {0}", &["python3", "-u", "{0}"]);
        check("/opt/python -u {0}", &["/opt/python", "-u", "{0}"]);
        let there = Shell::parse("python -u {0}", |_| true).expect("a shell");
        assert_eq!(there.argv, ["python", "-u", "{0}"]);
        let neither = Shell::parse("python -u {0}", |_| false).expect("a shell");
        assert_eq!((neither.argv[0].as_str(), neither.extension), ("python", ".py"));
        for asked in ["python", "python -u {0}", " python  {0} "] {
            assert_eq!(Shell::asks(Some(asked)), ["python", "python3"], "{asked}");
        }
        assert!(Shell::asks(Some("perl {0}")).is_empty() && Shell::asks(Some("python -u")).is_empty());
        check("perl -w {0} \"a b\" 'c d'", &["perl", "-w", "{0}", "a b", "'c", "d'"]);
        check("pwsh", &["pwsh", "-command", ". '{0}'"]);
        let pwsh = Shell::parse("pwsh", |_| true).expect("a shell");
        assert!(pwsh.script("Get-Item x").starts_with("$ErrorActionPreference = 'stop'\nGet-Item x\n"));
        assert_eq!(Shell::default_shell(true).script("a\r\nb"), "a\nb\n");
        assert_eq!(Shell::default_shell(true).argv, ["bash", "-e", "{0}"]);
    }

    #[test]
    fn a_known_program_with_arguments_of_ones_own_gets_its_kind_of_script() {
        let added = "$ErrorActionPreference = 'stop'\nx\n\nif ((Test-Path";
        for (text, extension, begins) in [
            ("pwsh -NoProfile -Command \". '{0}'\"", ".ps1", added),
            ("pwsh -File {0}", ".ps1", added),
            ("powershell -File {0}", ".ps1", added),
            ("python -u {0}", ".py", "x\n"),
            ("bash --norc {0}", ".sh", "x\n"),
            ("sh -x {0}", ".sh", "x\n"),
            ("BASH {0}", ".sh", "x\n"),
            ("perl {0}", "", "x\n"),
            ("/usr/bin/pwsh {0}", "", "x\n"),
        ] {
            let shell = Shell::parse(text, |_| true).expect(text);
            assert_eq!(shell.extension, extension, "{text}");
            assert!(shell.script("x").starts_with(begins), "{text}: {}", shell.script("x"));
        }
    }

    #[test]
    fn doubled_braces_are_single_and_others_are_refused() {
        check("bash -c \"f() {{ echo x; }}; f; . {0}\"", &["bash", "-c", "f() { echo x; }; f; . {0}"]);
        check("bash -c \"echo ${{HOME}}; . {0}\"", &["bash", "-c", "echo ${HOME}; . {0}"]);
        for text in ["bash -c \"echo ${HOME}; . {0}\"", "x {0} {1}", "x } {0}", "x {0} {", "x {{0}} {0}"] {
            let error = Shell::parse(text, |_| true).expect_err(text);
            assert!(error.to_string().contains("has a brace that is not that of {0}"), "{error}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_start() {
        for text in ["cmd", "zsh", ""] {
            let error = Shell::parse(text, |_| true).expect_err(text);
            assert_eq!(error.kind, ErrorKind::ShellMissing);
        }
    }

    #[test]
    fn command_lines_are_split_as_github_splits_them() {
        let check = |line: &str, expect: &[&str]| assert_eq!(words(line), expect, "{line}");
        check("", &[]);
        check(" a  b\tc ", &["a", "b", "c"]);
        check("a\nb c\r\n", &["a\nb", "c\r\n"]);
        check(r#"sh -c "echo Q3: \"hello   world\"""#, &["sh", "-c", r#"echo Q3: "hello   world""#]);
        check(r#"bash -c "echo \"pre\"; bash {0}""#, &["bash", "-c", r#"echo "pre"; bash {0}"#]);
        check(r#"x one\"two \"q "a \"b c\" d""#, &["x", "one\"two", "\"q", "a \"b c\" d"]);
        check("it's 'one two' don't", &["it's", "'one", "two'", "don't"]);
        check(r#"a\b \\c "d\\" e\\"f g""#, &["a\\b", "\\\\c", "d\\", "e\\f g"]);
        check(r#""" "a""b" "" x"#, &["", "a\"b", "", "x"]);
        check(r#""not closed a"#, &["not closed a"]);
        check("end\\", &["end\\"]);
    }

    proptest::proptest! {
        /// What .NET itself writes for a list of arguments is split into that list.
        #[test]
        fn quoted_arguments_come_back(expect in proptest::collection::vec("[ a'\"\\\\]{0,6}", 0..5)) {
            let quoted = |text: &String| {
                let mut out = String::from("\"");
                let mut slashes = 0;
                for character in text.chars() {
                    match character {
                        '\\' => slashes += 1,
                        '"' => {
                            out.extend(std::iter::repeat_n('\\', slashes * 2 + 1));
                            out.push('"');
                            slashes = 0;
                        }
                        plain => {
                            out.extend(std::iter::repeat_n('\\', slashes));
                            out.push(plain);
                            slashes = 0;
                        }
                    }
                }
                out.extend(std::iter::repeat_n('\\', slashes * 2));
                out + "\""
            };
            let line: Vec<String> = expect.iter().map(quoted).collect();
            proptest::prop_assert_eq!(words(&line.join(" ")), expect);
        }
    }
}
