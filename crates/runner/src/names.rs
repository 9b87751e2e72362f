//! The names that steps without an id go by, as GitHub's runner makes them: `__run`, `__actions_checkout`, `__run_2`.

use shipway_workflow::document::{Step, StepKind, Uses};
use std::collections::BTreeSet;

/// The longest name; what is longer is cut, its number kept.
const MAX_LENGTH: usize = 100;

/// The names of steps that stand in one list, those within parallel groups after their group.
pub(crate) fn names(steps: &[Step]) -> Vec<String> {
    let all: Vec<&Step> = steps.iter().flat_map(Step::with_inner).collect();
    let ids = all.iter().filter_map(|step| step.id.as_ref());
    let mut taken: BTreeSet<String> = ids.map(|id| id.value.to_ascii_lowercase()).collect();
    all.into_iter()
        .map(|step| match &step.id {
            Some(id) => id.value.clone(),
            None => unique(&format!("__{}", plain(&subject(&step.kind))), &mut taken),
        })
        .collect()
}

/// What a step is named after.
fn subject(kind: &StepKind) -> String {
    match kind {
        StepKind::Uses(uses) => match &uses.uses.value {
            Uses::Docker { image } => image.clone(),
            Uses::Local { .. } => "self".to_owned(),
            Uses::SelfRepository { .. } => "selfRepository".to_owned(),
            Uses::Repository { owner, repo, .. } => format!("{owner}/{repo}"),
        },
        StepKind::Run(_) => "run".to_owned(),
        StepKind::Wait(_) => "wait".to_owned(),
        StepKind::WaitAll => "wait-all".to_owned(),
        StepKind::Cancel(_) => "cancel".to_owned(),
        StepKind::Parallel(_) => "parallel".to_owned(),
    }
}

/// Letters, digits, `-` and `_`; everything else becomes `_`, one for each half of a surrogate pair as in UTF-16.
fn plain(text: &str) -> String {
    text.encode_utf16()
        .map(|unit| match u8::try_from(unit).map(char::from) {
            Ok(letter) if letter.is_ascii_alphanumeric() || letter == '-' => letter,
            Ok(_) | Err(_) => '_',
        })
        .collect()
}

/// The name itself, or the name with the lowest number from 2 that is free.
fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut number = 1_usize;
    loop {
        let suffix = if number == 1 { String::new() } else { format!("_{number}") };
        let end = name.len().min(MAX_LENGTH - suffix.len());
        let candidate = format!("{}{suffix}", &name[..end]);
        if taken.insert(candidate.to_ascii_lowercase()) {
            return candidate;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shipway_base::Source;
    use shipway_workflow::document::Workflow;

    fn check(steps: &str, expect: &[&str]) {
        let text = format!("on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{steps}]\n");
        let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
        let workflow = workflow.unwrap_or_else(|| panic!("{found}"));
        let body = workflow.jobs.values().find_map(|job| job.steps()).expect("steps");
        assert_eq!(names(&body.steps), expect, "{steps}");
    }

    #[test]
    fn names_are_those_of_github() {
        check("{run: a}, {run: b}, {id: it, run: c}, {run: d}", &["__run", "__run_2", "it", "__run_3"]);
        check(
            "{uses: actions/checkout@v4}, {uses: Actions/Checkout@v3}, {uses: a/b.c/sub@v1}",
            &["__actions_checkout", "__Actions_Checkout_2", "__a_b_c"],
        );
        check("{uses: ./x}, {uses: ./y}, {uses: $/z}", &["__self", "__self_2", "__selfRepository"]);
        check("{uses: 'docker://alpine:3.20'}", &["__alpine_3_20"]);
    }

    #[test]
    fn long_names_are_cut() {
        let image = "x".repeat(120);
        let (first, second) = (format!("__{}", "x".repeat(98)), format!("__{}_2", "x".repeat(96)));
        let steps = format!("{{uses: 'docker://{image}'}}, {{uses: 'docker://{image}'}}");
        check(&steps, &[&first, &second]);
    }

    proptest! {
        #[test]
        fn names_are_plain_short_and_unique(subjects in proptest::collection::vec("(__)?[a-c\u{e9}\u{1f600}_]{0,120}", 1..20)) {
            let mut taken = BTreeSet::new();
            for subject in &subjects {
                let name = unique(&format!("__{}", plain(subject)), &mut taken);
                prop_assert!(name.len() <= MAX_LENGTH && name.starts_with("__"));
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
            }
            prop_assert_eq!(taken.len(), subjects.len());
        }
    }
}
