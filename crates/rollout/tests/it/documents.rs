//! Documents: what is read, what is refused and with which words.

use proptest::prelude::*;
use shipway_base::Source;
use shipway_rollout::{
    delivery::Spec,
    document::{CanaryStep, Documents, HealthCheck, Restart, RouteSpec},
};
use std::time::Duration;

/// The document of the contract between people and Shipway, with every key there is.
const WHOLE: &str = r#"
apiVersion: shipway.dev/v1
kind: Service
metadata: {name: web}
spec:
  replicas: 3
  command: ["./web", --fast]
  env: {LOG_LEVEL: info, EMPTY: , NUMBER: 1.10}
  healthCheck: {path: /healthz, interval: 200ms, timeout: 1s, healthyThreshold: 2, unhealthyThreshold: 3, startTimeout: 30s}
  drainTimeout: 5s
  stopTimeout: 3s
  progressDeadlineSeconds: 120
  restart: {backoff: 1s, maxBackoff: 8s, limit: 5, resetAfter: 2m}
  route: {hosts: [Web.localhost], client: {cookie: false, header: X-User-Id}, responseTimeout: 4s}
  strategy:
    canary:
      analysis: {startingStep: 1, templates: [{templateName: no-worse}]}
      steps:
      - setWeight: 10
      - analysis:
          templates: [{templateName: good-enough, clusterScope: true}]
          args: [{name: least, value: "0.95"}]
          dryRun: [{metricName: rate}]
      - setWeight: 25
      - pause: {duration: 2s}
      - pause: {duration: 30}
      - pause: {}
      - pause:
      - setWeight: 100
---
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: no-worse}
spec:
  metrics:
  - name: failures
    provider: {plugin: {shipway/sequential: {signals: [failure, p95], alpha: 0.01}}}
---
apiVersion: argoproj.io/v1alpha1
kind: ClusterAnalysisTemplate
metadata: {name: good-enough}
spec:
  args: [{name: least}]
  metrics:
  - name: rate
    interval: 1s
    count: 5
    successCondition: result >= {{args.least}}
    failureLimit: 3
    provider: {plugin: {shipway/router: {query: success-rate, arm: canary}}}
"#;

fn findings(text: &str) -> String {
    Documents::parse(&Source::new("shipway.yaml", text)).1.to_string()
}

/// What is said about a service whose `spec` has these lines.
#[track_caller]
fn check(spec: &str, expect: &str) {
    let text = format!(
        "apiVersion: shipway.dev/v1\nkind: Service\nmetadata: {{name: web}}\nspec:\n  command: [./web]\n{spec}\n"
    );
    let found = findings(&text);
    assert!(found.contains(expect), "{spec}\n{found}");
}

#[test]
fn reads_every_key() {
    let source = Source::new("shipway.yaml", WHOLE);
    let (documents, found) = Documents::parse(&source);
    assert!(!found.has_errors(), "{found}");
    let service = &documents.services[0];
    assert_eq!((service.name.value.as_str(), service.replicas), ("web", 3));
    assert_eq!(service.command, ["./web", "--fast"]);
    let env: Vec<_> = service.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(env, ["EMPTY=", "LOG_LEVEL=info", "NUMBER=1.10"], "numbers stay as they are written");
    let millis = Duration::from_millis;
    let check = HealthCheck {
        path: "/healthz".to_owned(),
        interval: millis(200),
        timeout: millis(1_000),
        healthy_threshold: 2,
        unhealthy_threshold: 3,
        start_timeout: millis(30_000),
    };
    assert_eq!(service.health_check, check);
    assert_eq!(service.drain_timeout, millis(5_000));
    assert_eq!(service.stop_timeout, millis(3_000));
    assert_eq!(service.progress_deadline, millis(120_000));
    let restart = Restart {
        backoff: millis(1_000),
        max_backoff: millis(8_000),
        limit: 5,
        reset_after: millis(120_000),
    };
    assert_eq!(service.restart, restart);
    let RouteSpec { hosts, client, response_timeout } = &service.route;
    assert_eq!(hosts, &["web.localhost"]);
    assert_eq!((client.cookie, client.header.as_deref()), (false, Some("x-user-id")));
    assert_eq!(*response_timeout, millis(4_000));
    let steps: Vec<String> = service.canary.steps.iter().map(|step| step.value.to_string()).collect();
    let expect = [
        "setWeight 10 %",
        "analysis",
        "setWeight 25 %",
        "pause 2.0 s",
        "pause 30.0 s",
        "pause",
        "pause",
        "setWeight 100 %",
    ];
    assert_eq!(steps, expect);
    assert_eq!(service.canary.background.as_ref().map(|background| background.starting_step), Some(1));
    let CanaryStep::Analysis(analysis) = &service.canary.steps[1].value else { panic!("an analysis") };
    let metric = &analysis.metrics[0];
    assert_eq!(metric.success_condition.as_ref().map(|condition| condition.text()), Some("result >= 0.95"));
    assert!(metric.dry_run);
    assert!(Spec::parse(&source, "web").is_ok());
}

#[test]
fn absent_keys_have_their_documented_values() {
    let text = "apiVersion: shipway.dev/v1\nkind: Service\nmetadata: {name: web}\nspec: {command: [./web]}\n";
    let spec = Spec::parse(&Source::new("s.yaml", text), "web").expect("a service");
    assert_eq!(spec.service.replicas, 1);
    assert_eq!(spec.service.health_check, HealthCheck::default());
    assert_eq!(spec.service.route, RouteSpec::default());
    assert_eq!(spec.service.progress_deadline, Duration::from_secs(600));
    assert!(spec.service.canary.steps.is_empty());
}

#[test]
fn typing_errors_are_named_with_what_was_meant() {
    check(
        "  replica: 3",
        "shipway.yaml:6:3: error[SW0301]: a service has no key `replica` (did you mean `replicas`?)",
    );
    check("  replicas: many", "error[SW0301]: `replicas` must be a whole number, but this is `many`");
    check("  replicas: 0", "error[SW0302]: `replicas` must be from 1 to 1000, but this is 0");
    check("  drainTimeout: soon", "error[SW0302]: `drainTimeout`: \"soon\" is not a duration");
    check("  env: [A=1]", "error[SW0301]: `env` must be a mapping");
    check("  env: {PORT: 1}", "error[SW0302]: PORT is given to every instance");
    check("  healthCheck: {path: healthz}", "must begin with `/`");
    check("  route: {hosts: ['web:80']}", "`web:80` cannot be a host");
    check("  route: {client: {cookie: yes please}}", "must be true or false");
    check("  strategy: {blueGreen: {}}", "error[SW0303]: `blueGreen` in a strategy is not supported yet");
    check("  image: web:1", "error[SW0303]: `image` in a service is not supported yet");
}

#[test]
fn steps_are_exactly_one_thing() {
    let steps = |steps: &str, expect: &str| {
        check(&format!("  strategy:\n    canary:\n      steps:\n      - {steps}"), expect);
    };
    steps("setWeight: 101", "error[SW0302]: `setWeight` must be from 0 to 100, but this is 101");
    steps("setWeight: 10\n        pause: {}", "error[SW0306]: a step must be exactly one thing");
    steps("{}", "error[SW0306]: a step must be one of");
    steps("pause: {duration: -1}", "error[SW0302]: `duration`: \"-1\" is not a duration");
    steps("pause: {duration: 0}", "`duration` must be longer than nothing");
    steps(
        "experiment: {}",
        "error[SW0303]: `experiment` in a step is not supported yet (use an `analysis` step",
    );
    steps("setWieght: 10", "did you mean `setWeight`?");
    steps("analysis: {}", "needs `templates` or `metrics`");
    steps(
        "analysis: {templates: [{templateName: nope}]}",
        "error[SW0305]: there is no analysis template `nope`",
    );
}

#[test]
fn an_analysis_that_sees_nothing_is_warned_of() {
    let text = WHOLE.replacen("      - setWeight: 10\n", "", 1);
    assert!(
        findings(&text).contains("warning[SW0307]: this analysis sees no traffic"),
        "{}",
        findings(&text)
    );
    assert!(Spec::parse(&Source::new("s.yaml", text), "web").is_ok(), "a warning does not refuse");
}

#[test]
fn other_documents_are_refused_by_kind() {
    assert!(
        findings("kind: Rollout\napiVersion: argoproj.io/v1alpha1\n")
            .contains("error[SW0303]: `kind: Rollout` is not supported yet")
    );
    assert!(findings("kind: ConfigMap\napiVersion: v1\n").contains("error[SW0304]"));
    assert!(findings("kind: Servise\napiVersion: shipway.dev/v1\n").contains("did you mean `Service`?"));
    assert!(findings("just text").contains("error[SW0301]: a document must be a mapping"));
    assert!(findings("a: [").contains("error[SW0001]"));
    let twice = format!("{WHOLE}---\n{WHOLE}");
    assert!(
        findings(&twice).contains("error[SW0308]: there are two services called `web`"),
        "{}",
        findings(&twice)
    );
    let error = Spec::parse(&Source::new("s.yaml", WHOLE), "wed").expect_err("no such service").to_string();
    assert!(error.contains("there is no service `wed` in this file (did you mean `web`?)"), "{error}");
    assert!(findings("---\n").is_empty(), "an empty file holds nothing and is no error");
}

#[test]
fn all_errors_are_found_in_one_pass() {
    let text = WHOLE.replace("replicas: 3", "replicas: 0").replace("setWeight: 25", "setWeight: 250");
    let found = findings(&text.replace("name: no-worse", "nmae: no-worse"));
    assert!(found.lines().count() >= 3, "{found}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any cut and any changed character is answered with a value or findings.
    #[test]
    fn never_panics(at in 0_usize..2_000, to in 0_usize..2_000, with in "[-a-z0-9:{}\\[\\] \n#&*]{0,6}") {
        let (at, to) = (at.min(WHOLE.len()), to.min(WHOLE.len()));
        let (at, to) = (at.min(to), at.max(to));
        let cut = format!("{}{with}{}", &WHOLE[..at], &WHOLE[to..]);
        let changed = format!("{}{with}{}", &WHOLE[..at], &WHOLE[at..]);
        for text in [cut, changed] {
            let source = Source::new("s.yaml", text);
            let (documents, found) = Documents::parse(&source);
            // A change may fall into the name, so that the file is whole and has no such service.
            let has_web = documents.services.iter().any(|service| service.name.value == "web");
            prop_assert_eq!(Spec::parse(&source, "web").is_ok(), !found.has_errors() && has_web);
        }
    }
}
