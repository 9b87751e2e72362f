//! The pages: every link leads somewhere, sizes stay within their budget, forms do what they say.

use crate::{client::Client, fake::samples};
use axum::http::StatusCode;
use shipway_api::RunAction;
use std::collections::{BTreeMap, BTreeSet};

/// The most bytes of a page.
const PAGE_BUDGET: usize = 50_000;

/// The values of attributes that name a path of ours.
fn links(html: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for attribute in ["href=\"", "src=\"", "data-live=\""] {
        for part in html.split(attribute).skip(1) {
            let value = part.split('"').next().unwrap_or_default().replace("&amp;", "&");
            let path = value.split('#').next().unwrap_or_default().to_owned();
            if path.starts_with('/') {
                found.insert(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn every_link_of_every_page_leads_somewhere() {
    let client = Client::new(samples::rich());
    let mut open: Vec<String> = vec!["/".to_owned(), "/rollouts".to_owned()];
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    // A few pages of each kind are enough: beyond that only numbers differ.
    let kind = |path: &str| {
        path.split(['?', '=']).next().unwrap_or_default().replace(|c: char| c.is_ascii_digit(), "")
    };
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    while let Some(path) = open.pop() {
        if seen.contains_key(&path) {
            continue;
        }
        let of_kind = kinds.entry(kind(&path)).or_default();
        *of_kind += 1;
        if *of_kind > 40 || path.ends_with("log.txt") && *of_kind > 3 {
            continue;
        }
        if path.starts_with("/live/") {
            // A stream does not end; that it is one is enough here.
            let request = client.request("GET", &path, crate::client::As::Browser);
            let response = client.send(request.body(axum::body::Body::empty()).expect("a request")).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()["content-type"], "text/event-stream", "{path}");
            seen.insert(path, 0);
            continue;
        }
        let reply = client.get(&path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text);
        if reply.header("content-type").starts_with("text/html") {
            assert!(reply.text.len() <= PAGE_BUDGET, "{path} has {} bytes", reply.text.len());
            open.extend(links(&reply.text));
        }
        seen.insert(path, reply.text.len());
    }
    assert!(seen.len() > 100, "only {} pages were reached", seen.len());
    for part in ["/rollouts/", "/jobs/", "/artifacts/", "/log.txt", "?at=", "/assets/", "/live/runs/"] {
        assert!(seen.keys().any(|path| path.contains(part)), "no link with {part}");
    }
}

#[tokio::test]
async fn titles_lead_with_the_state() {
    let client = Client::new(samples::rich());
    for (path, title) in [
        ("/".to_owned(), "3 for you - Shipway"),
        (format!("/runs/{}", samples::run_id(3)), "Failed: Deliver #77 - Shipway"),
        (
            format!("/runs/{}/jobs/test.2", samples::run_id(2)),
            "Running: test (nightly), Deliver #78 - Shipway",
        ),
        (format!("/rollouts/{}", samples::rollout_id(3)), "Rolled back: api 1.4.2 - Shipway"),
    ] {
        let text = client.get(&path).await.text;
        assert!(text.contains(&format!("<title>{title}</title>")), "{path}: {}", &text[..600]);
    }
}

#[tokio::test]
async fn failure_comes_first_and_nothing_is_called_good_after_a_rollback() {
    let client = Client::new(samples::rich());
    let run = client.get(&format!("/runs/{}", samples::run_id(3))).await.text;
    let at = |text: &str, part: &str| text.find(part).unwrap_or_else(|| panic!("no {part}"));
    assert!(at(&run, "failed with exit code 1") < at(&run, "id=\"graph\""));
    assert!(run.contains("?at=15#L15"), "the way to the first error");
    assert!(run.contains("success() is false because"), "why a job was skipped");
    let notes = &run[at(&run, ">Annotations<")..];
    assert!(
        notes.contains("/jobs/test.1\">test (beta)</a>") && !notes.contains(">test/1<"),
        "legs by their names"
    );
    let rollout = client.get(&format!("/rollouts/{}", samples::rollout_id(3))).await.text;
    for part in ["Rolled back", "Regressed", "9.8 times as often", "pool exhausted", "Exposure: 1.4.2 served"]
    {
        at(&rollout, part);
    }
    for word in ["Healthy", "Promoted", "Succeeded"] {
        assert!(!rollout.contains(word), "{word} after a rollback");
    }
}

#[tokio::test]
async fn a_failed_log_opens_at_the_error_and_any_line_can_be_asked_for() {
    let client = Client::new(samples::rich());
    let failed = client.get(&format!("/runs/{}/jobs/test.1", samples::run_id(3))).await.text;
    assert!(failed.contains("data-land=\"15\""));
    assert!(failed.contains("class=\"k-end_group\""), "the end of a group is told from an empty line");
    let large = format!("/runs/{}/jobs/import", samples::run_id(5));
    let middle = client.get(&format!("{large}?at=500000")).await.text;
    assert!(middle.contains("id=\"L500000\"") && middle.contains("Lines 499,900 to 500,099 of 1,000,000"));
    let beyond = client.get(&format!("{large}?from=2000000")).await;
    assert_eq!(beyond.status, StatusCode::OK);
    let found = client.get(&format!("{large}?q=CHECKPOINT")).await.text;
    assert!(found.contains("1,000 lines of 1,000,000 contain"), "the count is exact");
    assert!(found.contains("rel=\"next\""));
}

#[tokio::test]
async fn the_raw_log_is_text_without_colours() {
    let client = Client::new(samples::rich());
    for prefix in ["", "/api/v1"] {
        let raw = client.get(&format!("{prefix}/runs/{}/jobs/test.1/log.txt", samples::run_id(3))).await;
        assert_eq!(raw.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(raw.text.lines().count(), 24);
        assert!(raw.text.contains("test basket::adds_items ... ok\n") && !raw.text.contains('\x1b'));
    }
    let missing = client.get(&format!("/runs/{}/jobs/nope/log.txt", samples::run_id(3))).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn forms_do_what_they_say_and_lead_back() {
    let client = Client::new(samples::rich());
    let rollout = format!("/rollouts/{}", samples::rollout_id(1));
    let done = client.form(&format!("{rollout}/abort"), "reason=customers+complain").await;
    assert_eq!((done.status, done.header("location")), (StatusCode::SEE_OTHER, rollout.as_str()));
    assert!(client.get(&rollout).await.text.contains("Rolled back"));
    let again = client.form(&format!("{rollout}/abort"), "").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("SW0905") && again.text.contains("<html"));
    let rerun = client.form(&format!("/runs/{}/rerun", samples::run_id(3)), "only_failed=true").await;
    let new = rerun.header("location").to_owned();
    assert_eq!(new, format!("/runs/{}", samples::run_id(3)));
    let page = client.get(&new).await.text;
    assert!(page.contains("attempt 2") && page.contains(&format!("{new}/attempts/1")), "{page}");
    let first = client.get(&format!("{new}/attempts/1")).await.text;
    assert!(first.contains(&format!("{new}/attempts/1/jobs/")) && !first.contains("Re-run"), "{first}");
    assert!(first.contains("Attempt 1 of 2") && !page.contains("Attempt 1 of 2"), "{first}");
    let cancelled = client.form(&format!("{new}/cancel"), "").await;
    assert_eq!(cancelled.status, StatusCode::SEE_OTHER);
    assert!(client.get(&new).await.text.contains("Cancelled"));
    assert_eq!(
        client.fake.state().asked[0],
        format!("abort {} because customers complain by operator", samples::rollout_id(1))
    );
}

/// The end can be forced once the run was asked to stop, by another button than the one that a hand is on.
#[tokio::test]
async fn the_end_of_a_run_that_is_being_cancelled_can_be_forced() {
    let client = Client::new(samples::rich());
    let running = format!("/runs/{}", samples::run_id(2));
    let form = format!("action=\"{running}/force-cancel\"");
    let page = client.get(&running).await.text;
    assert!(page.contains("Cancel run") && !page.contains(&form), "{page}");
    for run in &mut client.fake.state().runs {
        if run.summary.id == samples::run_id(2) {
            run.actions = vec![RunAction::Cancel, RunAction::ForceCancel];
        }
    }
    let page = client.get(&running).await.text;
    assert!(page.find("Cancel run") < page.find(&form) && page.contains("Force the end"), "{page}");
    let forced = client.form(&format!("{running}/force-cancel"), "").await;
    assert_eq!((forced.status, forced.header("location")), (StatusCode::SEE_OTHER, running.as_str()));
    let asked = client.fake.state().asked.last().cloned();
    assert_eq!(asked, Some(format!("force-cancel {} by operator", samples::run_id(2))));
}

#[tokio::test]
async fn a_run_that_goes_on_says_what_failed_already_and_summaries_are_rendered() {
    let client = Client::new(samples::rich());
    let running = format!("/runs/{}", samples::run_id(2));
    for run in &mut client.fake.state().runs {
        if run.summary.id == samples::run_id(2) {
            run.summary.failed_jobs = 1;
        }
    }
    let page = client.get(&running).await.text;
    assert!(
        page.contains("<title>Running, 1 failed: ") && page.contains("<dd>Running, 1 failed</dd>"),
        "{page}"
    );
    assert!(client.get("/runs").await.text.contains("Running, 1 failed"));
    let page = client.get(&format!("/runs/{}", samples::run_id(4))).await.text;
    for part in [
        "<h3>Sizes</h3>",
        "<td>web</td>",
        "<td align=\"right\">4,812</td>",
        "☑ packed",
        "<a href=\"https://example.com/r\" rel=\"nofollow noopener noreferrer\">the report</a>. </p>",
        "<h3>Test results</h3>",
        "<td colspan=\"2\">two <b>files</b></td>",
        "<details><summary>What failed</summary>bar.js: expected 1, got 2</details>",
        "<ol><li>first</li><li>second</li></ol>",
        "if (a &lt; b) {",
        "<a href=\"https://example.com/chart.png\" rel=\"nofollow noopener noreferrer\">Image: Chart of the times</a>",
        "<blockquote>It works on my machine</blockquote>",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(!page.contains("alert(1)"), "{page}");
}

#[tokio::test]
async fn empty_lists_teach() {
    let client = Client::new(crate::fake::Fake::new(crate::fake::State::default()));
    for (path, part) in [
        ("/", "shipway deploy web"),
        ("/", "shipway run push"),
        ("/runs", "shipway run push"),
        ("/rollouts", "shipway deploy web"),
        ("/runs?q=x", "No run matches"),
    ] {
        let page = client.get(path).await;
        assert!(page.text.contains(part), "{path} does not say {part}");
    }
}

#[tokio::test]
async fn answers_guard_themselves() {
    let client = Client::new(samples::rich());
    for path in ["/", "/nowhere", "/api/v1/runs", "/sign-in"] {
        let reply = client.get(path).await;
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert!(!reply.text.contains(" style=\"") && !reply.text.contains("onclick"), "{path}");
        assert!(!reply.text.contains("<script>"), "{path}: no inline script");
    }
    let page = client.get("/").await.text;
    let style = links(&page).into_iter().find(|path| path.ends_with(".css")).expect("a style sheet");
    assert!(client.get(&style).await.header("cache-control").contains("immutable"));
}

/// The samples with summaries: of each job of a run that is named, one that is made of its name.
fn summarised(run: i64, jobs: &[&str], text: impl Fn(&str) -> String) -> Client {
    let client = Client::new(samples::rich());
    for found in client.fake.state().runs.iter_mut().filter(|found| found.summary.id == samples::run_id(run))
    {
        for job in &mut found.jobs {
            let wanted = jobs.is_empty() || jobs.contains(&job.key.as_str());
            job.step_summary = wanted.then(|| text(&job.name));
        }
    }
    client
}

#[tokio::test]
async fn the_summary_of_every_job_is_on_the_page_of_its_run_in_order_and_on_its_own() {
    let client = summarised(4, &["test/0", "test/1", "deploy"], |name| format!("**{name}** is over"));
    let run = format!("/runs/{}", samples::run_id(4));
    let page = client.get(&run).await.text;
    let mut from = 0;
    for (key, name) in [("test.0", "test (stable)"), ("test.1", "test (beta)"), ("deploy", "Deploy")] {
        let part = format!("<h2><a href=\"{run}/jobs/{key}\">{name}</a> summary</h2>");
        let at = page[from..].find(&part).unwrap_or_else(|| panic!("no {part} after {from} in {page}"));
        from += at;
        assert!(page[from..].contains(&format!("<strong>{name}</strong> is over")), "{page}");
    }
    let job = client.get(&format!("{run}/jobs/test.1")).await.text;
    assert!(job.contains("<strong>test (beta)</strong> is over") && !job.contains("test (stable)</strong>"));
    assert!(!client.get(&format!("{run}/jobs/lint")).await.text.contains("Summary"));
}

#[tokio::test]
async fn a_long_summary_is_whole_on_the_page_of_its_job_and_begins_on_that_of_its_run() {
    let long = "a line of the summary\n".repeat((1 << 20) / 22) + "**the end**";
    let client = summarised(4, &["build"], |_| long.clone());
    let run = format!("/runs/{}", samples::run_id(4));
    let page = client.get(&run).await.text;
    assert!(page.len() < PAGE_BUDGET && !page.contains("the end"), "{} bytes", page.len());
    let note = format!("The first 15 of 1,024 KiB. <a href=\"{run}/jobs/build#summary\">All of it</a>");
    assert!(page.contains(&note), "{page}");
    let job = client.get(&format!("{run}/jobs/build")).await.text;
    assert!(job.contains("<strong>the end</strong>") && job.len() > 1 << 20, "{} bytes", job.len());

    // Several steps together may have more than a page has room for; all of it is there as text.
    let client = summarised(4, &["build"], |_| format!("{long}\n\n{long}"));
    let job = client.get(&format!("{run}/jobs/build")).await.text;
    let note = format!("of 2,048 KiB. <a href=\"{run}/jobs/build/summary.md\">All of it as text</a>");
    assert!(job.contains(&note) && job.len() < 3 << 20, "{} bytes", job.len());
    let text = client.get(&format!("{run}/jobs/build/summary.md")).await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert!(text.text == format!("{long}\n\n{long}"), "{} bytes", text.text.len());
    assert_eq!(client.get(&format!("{run}/jobs/lint/summary.md")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn of_very_many_summaries_a_page_shows_the_first_and_leads_to_the_others() {
    let run = format!("/runs/{}", samples::run_id(5));
    let client = summarised(5, &[], |name| format!("of {name}"));
    let page = client.get(&run).await.text;
    assert_eq!(page.matches("</a> summary</h2>").count(), 50, "{page}");
    assert!(page.contains("252 more summaries are not on this page"), "{page}");
    assert!(
        page.contains(&format!("href=\"{run}/jobs/soak.49#summary\"")),
        "the first that is left out: {page}"
    );
    let client = summarised(5, &[], |_| "a line of the summary\n".repeat(1 << 10));
    let page = client.get(&run).await.text;
    assert_eq!(page.matches("</a> summary</h2>").count(), 16, "{page}");
    assert!(page.len() < 400 << 10 && page.contains("286 more summaries"), "{} bytes", page.len());
}
