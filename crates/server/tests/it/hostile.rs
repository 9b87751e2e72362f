//! Whatever stands in titles, names and lines, it stays text; whatever stands in the body of a webhook, it does no harm.

use crate::{
    client::Client,
    fake::{Fake, FakeLog, State, samples},
};
use proptest::prelude::*;

/// Texts that try to leave their place, around a mark that is easy to find again.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<script>alert(1)</script>".to_owned()),
        Just("\"><img src=x onerror=alert(1)>".to_owned()),
        Just("' onmouseover='alert(1)".to_owned()),
        Just("</title></svg></pre>".to_owned()),
        Just("javascript:alert(1)".to_owned()),
        Just("&lt;b&gt;".to_owned()),
        Just("\u{202e}\u{0}\u{7}\x1b[31m".to_owned()),
        Just("::error::<b>".to_owned()),
        "\\PC{0,12}",
    ];
    proptest::collection::vec(piece, 1..4).prop_map(|pieces| format!("<zzz>{}", pieces.concat()))
}

/// The samples with a text wherever a user can put one.
fn filled(text: &str) -> Fake {
    let fake = samples::rich();
    {
        let mut state = fake.state();
        let State { runs, rollouts, logs, .. } = &mut *state;
        for run in runs.iter_mut().take(4) {
            let summary = &mut run.summary;
            for place in [
                &mut summary.title,
                &mut summary.workflow,
                &mut summary.branch,
                &mut summary.actor,
                &mut summary.event,
                &mut summary.commit.subject,
                &mut summary.commit.author,
                &mut summary.commit.sha,
            ] {
                text.clone_into(place);
            }
            summary.failed = Some(text.to_owned());
            for job in &mut run.jobs {
                text.clone_into(&mut job.name);
                job.reason = Some(text.to_owned());
                job.step_summary = Some(text.to_owned());
                job.steps.iter_mut().for_each(|step| text.clone_into(&mut step.name));
            }
            for note in &mut run.annotations {
                (note.title, note.file) = (Some(text.to_owned()), Some(text.to_owned()));
                text.clone_into(&mut note.message);
            }
            run.artifacts.iter_mut().for_each(|artifact| text.clone_into(&mut artifact.name));
            if let Some(failure) = &mut run.failure {
                text.clone_into(&mut failure.message);
                text.clone_into(&mut failure.job_name);
                failure.step_name = Some(text.to_owned());
                failure.lines.iter_mut().for_each(|line| text.clone_into(&mut line.text));
            }
        }
        for rollout in rollouts.iter_mut() {
            text.clone_into(&mut rollout.summary.service);
            text.clone_into(&mut rollout.summary.headline);
            text.clone_into(&mut rollout.summary.release.version);
            if let Some(verdict) = &mut rollout.verdict {
                verdict.words.iter_mut().for_each(|words| text.clone_into(words));
                verdict.metrics.iter_mut().for_each(|metric| text.clone_into(&mut metric.name));
                verdict.metrics.iter_mut().for_each(|metric| text.clone_into(&mut metric.condition));
            }
            if let Some(arm) = &mut rollout.canary {
                text.clone_into(&mut arm.version);
                arm.causes.insert(text.to_owned(), 1);
            }
            rollout.waiting.iter_mut().for_each(|reason| text.clone_into(&mut reason.text));
            rollout.events.iter_mut().for_each(|event| text.clone_into(&mut event.text));
            for instance in &mut rollout.instances {
                text.clone_into(&mut instance.id);
                instance.detail = Some(text.to_owned());
                instance.last_lines = vec![text.to_owned()];
            }
            for offer in &mut rollout.commands {
                text.clone_into(&mut offer.effect);
            }
        }
        logs.insert((samples::run_id(3), samples::key("test/1")), FakeLog::of([(0, text), (1, text)]));
    }
    fake
}

/// Every tag of a page, as name and attribute names.
fn tags(html: &str) -> Vec<(String, Vec<String>)> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let body = &rest[start + 1..];
        let mut quoted = false;
        let end = body.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let inside = &body[..end.expect("a tag ends")];
        let name: String = inside.chars().take_while(|c| !c.is_whitespace()).collect();
        let mut attributes = Vec::new();
        let mut quoted = false;
        let mut word = String::new();
        for c in inside[name.len()..].chars().chain(" ".chars()) {
            quoted ^= c == '"';
            if !quoted && (c.is_whitespace() || c == '=') {
                if !word.is_empty() && !word.starts_with('"') {
                    attributes.push(word.clone());
                }
                word.clear();
            } else {
                word.push(c);
            }
        }
        tags.push((name, attributes));
        rest = &body[end.expect("a tag ends") + 1..];
    }
    tags
}

/// A page without what is in the summaries of its jobs, which may be HTML, and that.
fn without_summaries(page: &str) -> (String, String) {
    let mut parts = page.split("<div class=\"markdown\">");
    let (mut rest, mut summaries) = (parts.next().unwrap_or_default().to_owned(), String::new());
    for part in parts {
        // No summary is let through with one of these.
        let ends = ["</section>", "<div class=\"region\" id=\"log\">"];
        let end = ends.iter().filter_map(|end| part.find(end)).min().expect("a summary ends");
        summaries.push_str(&part[..end]);
        rest.push_str(&part[end..]);
    }
    (rest, summaries)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn hostile_texts_never_break_out(text in hostile()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let client = Client::new(filled(&text));
            let mut pages = vec!["/".to_owned(), "/runs".to_owned(), "/rollouts".to_owned()];
            pages.extend((1..5).map(|n| format!("/runs/{}", samples::run_id(n))));
            pages.extend((1..6).map(|n| format!("/rollouts/{}", samples::rollout_id(n))));
            pages.push(format!("/runs/{}/jobs/test.1", samples::run_id(3)));
            let query = shipway_api::request::percent_encode(&text);
            pages.push(format!("/runs?q={query}&branch={query}"));
            pages.push(format!("/runs/{}/jobs/test.1?q={query}", samples::run_id(3)));
            pages.push(format!("/runs?{query}={query}"));
            for path in pages {
                let page = client.get(&path).await.text;
                let (page, summaries) = without_summaries(&page);
                for (name, attributes) in tags(&summaries) {
                    let is_form = ["script", "img", "title", "svg", "zzz", "form", "meta"].contains(&name.as_str());
                    assert!(!is_form && !attributes.iter().any(|key| key.starts_with("on")), "{path}: <{name}> of {text:?}");
                }
                for (name, attributes) in tags(&page) {
                    let known = name.starts_with(['/', '!']) || KNOWN_TAGS.contains(&name.as_str());
                    assert!(known, "{path}: <{name}> came out of {text:?}");
                    for attribute in attributes {
                        assert!(!attribute.starts_with("on"), "{path}: {attribute} came out of {text:?}");
                    }
                }
                for part in page.split("href=\"").skip(1) {
                    assert!(part.starts_with(['/', '#']), "{path}: a link of {text:?} leads away");
                }
                assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=\"/assets/").count());
            }
        });
    }
}

const KNOWN_TAGS: [&str; 50] = [
    "html",
    "head",
    "meta",
    "title",
    "link",
    "script",
    "body",
    "a",
    "header",
    "nav",
    "svg",
    "path",
    "span",
    "form",
    "button",
    "main",
    "div",
    "h1",
    "h2",
    "h3",
    "p",
    "footer",
    "ul",
    "ol",
    "li",
    "strong",
    "code",
    "time",
    "input",
    "dl",
    "dt",
    "dd",
    "section",
    "pre",
    "details",
    "summary",
    "circle",
    "rect",
    "g",
    "text",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "figure",
    "figcaption",
    "line",
    "defs",
];

const BODIES: [&str; 3] = [
    r#"{"ref": "refs/heads/main", "before": "0000000000000000000000000000000000000000", "after": "1111111111111111111111111111111111111111",
        "head_commit": {"message": "x\n\nskip-checks: true"}, "commits": [{"added": ["src/a"], "modified": [], "removed": []}],
        "repository": {"full_name": "acme/shop", "default_branch": "main"}, "sender": {"login": "mona"}}"#,
    r#"{"action": "opened", "number": 7, "pull_request": {"number": 7, "title": "t", "merged": true, "mergeable": null,
        "merge_commit_sha": "2222222222222222222222222222222222222222",
        "base": {"ref": "main", "sha": "1111111111111111111111111111111111111111", "repo": {"full_name": "acme/shop"}},
        "head": {"ref": "f", "sha": "3333333333333333333333333333333333333333", "repo": {"full_name": "eve/shop"}}},
        "repository": {"full_name": "acme/shop", "default_branch": "main"}}"#,
    r#"{"action": "completed", "workflow_run": {"name": "ci", "head_branch": "main", "conclusion": "success"}, "workflow": {"name": "ci"}}"#,
];

#[test]
fn bodies_of_webhooks() {
    let seeds: Vec<Vec<u8>> = BODIES.iter().map(|body| body.as_bytes().to_vec()).collect();
    let mut mutator = shipway_testkit::mutate::Mutator::new(7, 64 << 10);
    let changed = std::iter::repeat_with(|| mutator.next(&seeds)).take(3_000);
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000)).into_bytes();
    for bytes in seeds.iter().cloned().chain(changed).chain([deep]) {
        shipway_server::hostile::webhook(&bytes);
    }
}
