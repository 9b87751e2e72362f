//! Where bash evaluates a text instead of taking it for a word: there the value of a variable is as dangerous as the text itself.
//!
//! It decides what is advised, and never what is mended: [`quotes`](super::quotes) is stricter.

/// So many bytes before and after a text are looked at, so that a script of one long line takes no time.
const WINDOW: usize = 2 << 10;

/// Comparisons of `[[ .. ]]` that compute both sides.
const COMPARES: &[&str] = &["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];

/// Words after which a command begins.
const WRAP: &[&str] = &[
    "if", "then", "else", "elif", "while", "until", "do", "!", "{", "time", "sudo", "env", "nohup",
    "command", "builtin", "nice", "exec",
];

/// What a text is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evaluated {
    /// A number that is computed; `a[$(..)]` is one.
    Number {
        /// Whether `[[ .. ]]` computes it for a comparison, which `[ .. ]` does without.
        compared: bool,
    },
    /// The name of a variable, which may have a subscript that is computed.
    Name,
    /// A program of its own, by this command.
    Program(&'static str),
}

/// What the text that begins at the byte `open` is taken for, when it is more than a word.
pub(super) fn evaluated(script: &str, open: usize) -> Option<Evaluated> {
    let (before, after) = around(script, open)?;
    let before = without_expressions(before);
    if before.trim_start().starts_with('#') {
        return None;
    }
    let number = Evaluated::Number { compared: false };
    let is_open = |from: &str, to: &str| before.rfind(from).is_some_and(|at| !before[at..].contains(to));
    if is_open("((", "))") || is_open("$[", "]") {
        return Some(number);
    }
    if is_open("[[ ", "]]") {
        return compared(&before, after);
    }
    if let Some(at) = before.rfind("${").filter(|at| !before[*at..].contains('}')) {
        return parameter(&before[at + 2..]);
    }
    command(&before)
}

/// The text of the line up to a byte, with the lines that it continues, and the rest of the line.
fn around(script: &str, open: usize) -> Option<(&str, &str)> {
    let (before, after) = (script.get(..open)?, script.get(open..)?);
    let mut start = before.len().saturating_sub(WINDOW);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    let before = &before[start..];
    let lines = before.rmatch_indices('\n').map(|(at, _)| at);
    let begin = lines.into_iter().find(|at| !before[..*at].ends_with('\\')).map_or(0, |at| at + 1);
    let mut end = after.find('\n').unwrap_or(after.len()).min(WINDOW);
    while !after.is_char_boundary(end) {
        end -= 1;
    }
    Some((&before[begin..], &after[..end]))
}

/// What other expressions hold is not of the shell.
fn without_expressions(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once("${{") {
        plain.push_str(head);
        plain.push('0');
        rest = tail.split_once("}}").map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

/// Within `[[ .. ]]`: by the words of its own clause.
fn compared(before: &str, after: &str) -> Option<Evaluated> {
    let within = &before[before.rfind("[[ ")? + 3..];
    let clause = |text: &str| text.contains("&&") || text.contains("||");
    let left = within.rsplit(['&', '|']).next().filter(|_| clause(within)).unwrap_or(within);
    let right = after.split("]]").next().unwrap_or(after);
    let right = right.split(['&', '|']).next().filter(|_| clause(right)).unwrap_or(right);
    let words = || left.split_whitespace().chain(right.split_whitespace());
    if words().any(|word| COMPARES.contains(&word)) {
        return Some(Evaluated::Number { compared: true });
    }
    words().any(|word| matches!(word, "-v" | "-R")).then_some(Evaluated::Name)
}

/// Within `${ .. }`: an offset, a subscript or a name.
fn parameter(within: &str) -> Option<Evaluated> {
    let number = Some(Evaluated::Number { compared: false });
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let bare = within.trim_start_matches(['!', '#']);
    let rest = bare.trim_start_matches(is_name);
    match rest.chars().next() {
        None if bare.len() < within.len() => Some(Evaluated::Name),
        Some('[') if !rest.contains(']') => number,
        // `:-` and its like give another text.
        Some(':') if !rest[1..].starts_with(['-', '=', '+', '?']) => number,
        Some(_) | None => None,
    }
}

/// As an argument: by the command that it belongs to.
fn command(before: &str) -> Option<Evaluated> {
    let command = &before[begin(before)..];
    let all: Vec<&str> = command.split_whitespace().collect();
    let is_stuck = command.chars().next_back().is_some_and(|c| !c.is_whitespace());
    let (own, words) = match all.split_last() {
        Some((own, words)) if is_stuck => (*own, words),
        Some(_) | None => ("", all.as_slice()),
    };
    let mut words = words.iter().copied().skip_while(|word| WRAP.contains(word) || is_assignment(word));
    let Some(first) = words.next() else {
        // The subscript of a variable that is set.
        let opened = own.rfind('[').filter(|at| *at > 0 && !own[*at..].contains(']'));
        return opened.map(|_| Evaluated::Number { compared: false });
    };
    let rest: Vec<&str> = words.collect();
    let flag = |letter: char| {
        rest.iter().any(|word| !word.starts_with("--") && word.starts_with('-') && word.contains(letter))
    };
    match first {
        "let" => Some(Evaluated::Number { compared: false }),
        "declare" | "typeset" | "local" | "readonly" | "export" => {
            if flag('i') {
                return Some(Evaluated::Number { compared: false });
            }
            (!own.contains('=')).then_some(Evaluated::Name)
        }
        "read" | "unset" | "mapfile" | "readarray" | "getopts" => Some(Evaluated::Name),
        "printf" | "test" | "[" => (rest.last() == Some(&"-v")).then_some(Evaluated::Name),
        "eval" => Some(Evaluated::Program("eval")),
        "trap" => Some(Evaluated::Program("trap")),
        "bash" if flag('c') => Some(Evaluated::Program("bash -c")),
        "sh" if flag('c') => Some(Evaluated::Program("sh -c")),
        _ => None,
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// Where the command begins that the end of a text belongs to.
fn begin(before: &str) -> usize {
    let (mut double, mut single, mut escaped) = (false, false, false);
    let mut begin = 0;
    for (at, c) in before.char_indices() {
        let was = std::mem::take(&mut escaped);
        match c {
            _ if was => {}
            '\\' if !single => escaped = true,
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '`' if !single => begin = at + 1,
            '(' if !single && (!double || before[..at].ends_with('$')) => {
                // A quote within begins anew.
                double = false;
                begin = at + 1;
            }
            ';' | '&' | '|' if !single && !double => begin = at + 1,
            _ => {}
        }
    }
    begin
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `@` is where the text begins.
    fn check(script: &str, expect: Option<Evaluated>) {
        let open = script.find('@').expect("a place");
        assert_eq!(evaluated(script, open), expect, "{script}");
    }

    #[test]
    fn knows_what_bash_computes() {
        let compared = Some(Evaluated::Number { compared: true });
        for script in ["[[ @ -eq 1 ]]", "if [[ x == y && 1 -lt \"@\" ]]; then", "x\n[[ $a -ge \\\n @ ]] && y"]
        {
            check(script, compared);
        }
        let number = Some(Evaluated::Number { compared: false });
        for script in [
            "(( @ > 1 ))",
            "if (( x = \"@\" )); then",
            "echo $(( 1 + @ ))",
            "echo \"$(( @ ))\"",
            "for (( i = 0; i < @; i++ )); do",
            "echo $[ @ ]",
            "let x=@",
            "true && let \"x=@\"",
            "declare -i x=@",
            "local -ri x=\"@\"",
            "a[@]=1",
            "a[\"@\"]=1",
            "echo ${a[@]}",
            "echo \"${x:@}\"",
            "echo ${x:1:@}",
            "echo ${{ b }}; let @",
        ] {
            check(script, number);
        }
        for script in [
            "[[ -v @ ]]",
            "test -v @",
            "read @",
            "unset \"@\"",
            "printf -v @ x",
            "echo ${!@}",
            "declare \"@\"",
            "export @=1",
        ] {
            check(script, Some(Evaluated::Name));
        }
        for (script, by) in [
            ("eval @", "eval"),
            ("eval \"echo '@'\"", "eval"),
            ("A=b sudo bash -ec \"cd x; echo @\"", "bash -c"),
            ("sh -c 'make @'", "sh -c"),
            ("x=$(eval @)", "eval"),
        ] {
            check(script, Some(Evaluated::Program(by)));
        }
    }

    #[test]
    fn leaves_words_alone() {
        for script in [
            "echo @",
            "echo \"@\"",
            "[ @ -eq 1 ]",
            "test \"@\" -eq 1",
            "[[ \"@\" == x ]]",
            "[[ $n -eq 1 && \"@\" == x ]]",
            "[[ \"@\" == x || $n -eq 1 ]]",
            "[[ 1 -eq 1 ]] && echo @",
            "(( i++ )); echo @",
            "echo $(( 1 + 1 )) @",
            "x=\"@\"",
            "export X=\"@\"",
            "local -r x=@",
            "echo \"${x:-@}\"",
            "echo ${{ a[0] }} @",
            "# let @",
            "let x=1; echo @",
            "let x=1\necho @",
            "bash x.sh @",
            "make a[1] @",
            "echo ${a[1]} @",
        ] {
            check(script, None);
        }
    }

    proptest! {
        #[test]
        fn never_panics(script in "[\\[\\](){}$@\"'\\\\ =:!a-c\n;-]{0,40}|\\PC{0,40}", open in 0_usize..60) {
            let _found = evaluated(&script, open);
        }
    }
}
