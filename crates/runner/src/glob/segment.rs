//! Segments of patterns, and whether names match them.

/// What stands between two slashes of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// A plain name.
    Name(String),
    /// A name with wildcards.
    Glob(Vec<char>),
    /// `**`: any number of names.
    Any,
}

impl Segment {
    pub(super) fn parse(text: &str) -> Segment {
        if text == "**" {
            return Segment::Any;
        }
        let glob: Vec<char> = text.chars().collect();
        literal(&glob).map_or(Segment::Glob(glob), Segment::Name)
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Segment::Name(own) => own == name,
            Segment::Glob(glob) => {
                let name: Vec<char> = name.chars().collect();
                matches_segment(glob, &name)
            }
            Segment::Any => true,
        }
    }
}

/// The one name that a segment means; none when it has wildcards.
fn literal(glob: &[char]) -> Option<String> {
    let mut name = String::new();
    let mut at = 0;
    while let Some(&character) = glob.get(at) {
        match character {
            '\\' if at + 1 < glob.len() => {
                name.push(glob[at + 1]);
                at += 1;
            }
            '*' | '?' => return None,
            '[' => match class(&glob[at..]) {
                Some(([only], length)) if !matches!(only, '!' | '^') => {
                    name.push(*only);
                    at += length - 1;
                }
                Some(_) => return None,
                None => name.push('['),
            },
            other => name.push(other),
        }
        at += 1;
    }
    Some(name)
}

/// Whether a single name, without slashes, matches a pattern.
pub(crate) fn matches_name(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    matches_segment(&pattern, &name)
}

/// Whether the pattern matches the whole path.
pub(super) fn matches(pattern: &[Segment], names: &[&str]) -> bool {
    walk(pattern, names, End::Here)
}

/// Whether the pattern matches a folder above the path.
pub(super) fn matches_above(pattern: &[Segment], names: &[&str]) -> bool {
    names.split_last().is_some_and(|(_, above)| walk(pattern, above, End::Above))
}

/// Whether the pattern, or with `descendants` something below what it matches, may match something below the path.
pub(super) fn may_match_below(pattern: &[Segment], names: &[&str], descendants: bool) -> bool {
    walk(pattern, names, if descendants { End::BelowOrAbove } else { End::Below })
}

/// Where a pattern may end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// With the path.
    Here,
    /// With the path or before it.
    Above,
    /// With the path or after it.
    Below,
    /// Anywhere.
    BelowOrAbove,
}

/// Goes along the path with every place of the pattern that may be next, so the time is bounded by the product of their lengths.
fn walk(pattern: &[Segment], names: &[&str], end: End) -> bool {
    let (above, below) =
        (matches!(end, End::Above | End::BelowOrAbove), matches!(end, End::Below | End::BelowOrAbove));
    let mut places = vec![false; pattern.len() + 1];
    places[0] = true;
    skip_any(pattern, &mut places);
    for name in names {
        if above && places[pattern.len()] {
            return true;
        }
        let mut next = vec![false; pattern.len() + 1];
        for (place, segment) in pattern.iter().enumerate().filter(|(place, _)| places[*place]) {
            if segment.matches(name) {
                next[if matches!(segment, Segment::Any) { place } else { place + 1 }] = true;
            }
        }
        skip_any(pattern, &mut next);
        places = next;
    }
    places[pattern.len()] || below && places.contains(&true)
}

/// `**` may stand for nothing.
fn skip_any(pattern: &[Segment], places: &mut [bool]) {
    for (place, segment) in pattern.iter().enumerate() {
        if places[place] && matches!(segment, Segment::Any) {
            places[place + 1] = true;
        }
    }
}

/// Backtracks to the last star only, so it is quadratic at worst.
fn matches_segment(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => matches_class(&pattern[p..], text[t]).map(|length| p + length),
            Some('\\') if p + 1 < pattern.len() => (pattern[p + 1] == text[t]).then_some(p + 2),
            Some(&literal) => (literal == text[t]).then_some(p + 1),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after, from))) => {
                star = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|&rest| rest == '*')
}

/// What stands in the brackets at the beginning, and the length with them. A bracket without an end is a plain character.
fn class(pattern: &[char]) -> Option<(&[char], usize)> {
    let close = pattern.iter().skip(2).position(|&c| c == ']').map(|at| at + 2)?;
    Some((&pattern[1..close], close + 1))
}

/// The length of the class when the character is in it.
fn matches_class(pattern: &[char], character: char) -> Option<usize> {
    let Some((body, length)) = class(pattern) else { return (character == '[').then_some(1) };
    let negated = body.len() > 1 && matches!(body[0], '!' | '^');
    let body = if negated { &body[1..] } else { body };
    let mut inside = false;
    let mut i = 0;
    while i < body.len() {
        if i + 2 < body.len() && body[i + 1] == '-' {
            inside |= body[i] <= character && character <= body[i + 2];
            i += 3;
        } else {
            inside |= body[i] == character;
            i += 1;
        }
    }
    (inside != negated).then_some(length)
}
