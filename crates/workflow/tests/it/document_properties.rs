//! Properties of reading workflow and action files: a generated file reads back as its model, every planted fault is told
//! once and at its place in a single pass, and no damage makes the reader panic or say something it cannot explain.

use crate::yaml_properties::{check_complaint, damaged, damages};
use proptest::prelude::*;
use shipway_base::{Diagnostics, Severity, Source};
use shipway_workflow::{action::Action, document::Workflow};

#[derive(Clone, Debug)]
struct JobModel {
    /// Which of the jobs before it are needed.
    needs: Vec<prop::sample::Index>,
    matrix: bool,
    details: bool,
    fault: Option<JobFault>,
    steps: Vec<StepModel>,
}

#[derive(Clone, Debug)]
struct StepModel {
    kind: usize,
    details: bool,
    fault: Option<StepFault>,
}

/// A mistake in a job, each with the code it must be told under.
#[derive(Clone, Copy, Debug)]
enum JobFault {
    UnknownKey,
    MissingRunsOn,
    NameNotOffered,
    NotSupported,
    WrongKind,
    SecretInIf,
}

#[derive(Clone, Copy, Debug)]
enum StepFault {
    UnknownKey,
    BadExpression,
    TooFewArguments,
    NotClosed,
    NotABoolean,
}

/// The text of a workflow and what must be said about it: codes with the byte at which each begins.
#[derive(Default)]
struct Written {
    text: String,
    expected: Vec<(&'static str, usize)>,
}

impl Written {
    fn line(&mut self, indent: usize, text: &str) {
        self.text.push_str(&format!("{}{text}\n", " ".repeat(indent)));
    }

    /// A line in which `wrong` is the mistake.
    fn fault(&mut self, code: &'static str, indent: usize, before: &str, wrong: &str, after: &str) {
        self.expected.push((code, self.text.len() + indent + before.len()));
        self.line(indent, &format!("{before}{wrong}{after}"));
    }

    fn job(&mut self, index: usize, job: &JobModel) {
        let id = format!("job-{index}");
        match job.fault {
            Some(JobFault::MissingRunsOn) => self.fault("SW0102", 2, "", &id, ":"),
            _ => {
                self.line(2, &format!("{id}:"));
                self.line(
                    4,
                    ["runs-on: ubuntu-latest", "runs-on: [self-hosted, \"${{ github.ref }}\"]"][index % 2],
                );
            }
        }
        match job.fault {
            None | Some(JobFault::MissingRunsOn) => {}
            Some(JobFault::UnknownKey) => self.fault("SW0101", 4, "", "run-on", ": x"),
            Some(JobFault::NameNotOffered) => {
                self.fault("SW0202", 4, "name: \"a ${{ ", "steps", ".b.outputs.c }}\"")
            }
            Some(JobFault::NotSupported) => self.fault("SW0105", 4, "", "snapshot", ": debian"),
            Some(JobFault::WrongKind) => self.fault("SW0103", 4, "timeout-minutes: ", "soon", ""),
            Some(JobFault::SecretInIf) => self.fault("SW0202", 4, "if: needs.a && ", "secrets", ".B != ''"),
        }
        let needs = needs(index, job);
        if !needs.is_empty() {
            self.line(4, &format!("needs: [{}]", needs.join(", ")));
        }
        if job.matrix {
            self.line(4, "strategy:");
            self.line(6, "fail-fast: ${{ github.ref == 'x' }}");
            self.line(6, "matrix:");
            self.line(8, "os: [a, b]");
            self.line(8, "include: [{os: c, more: 1}]");
        }
        if job.details {
            self.line(4, "continue-on-error: false");
            self.line(4, "env: {A: 1, B: \"${{ github.sha }}\"}");
            self.line(4, "outputs: {o: \"${{ steps.s.outputs.o }}\"}");
        }
        self.line(4, "steps:");
        for step in &job.steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &StepModel) {
        match step.kind % 3 {
            0 => self.line(4, "- run: echo hi"),
            1 => {
                self.line(4, "- run: |  # a script");
                self.line(10, "if true; then");
                self.line(12, "echo ${{ toJSON(github.event) }}");
                self.line(0, "");
                self.line(10, "fi");
            }
            _ => {
                self.line(4, "- uses: actions/checkout@v4");
                self.line(6, "with: {fetch-depth: 0}");
            }
        }
        if step.details {
            self.line(6, "if: failure() || github.ref == 'refs/heads/main'");
            self.line(6, "continue-on-error: ${{ matrix.os == 'a' }}");
        }
        match step.fault {
            None => {}
            Some(StepFault::UnknownKey) => self.fault("SW0101", 6, "", "environment", ": {A: b}"),
            Some(StepFault::BadExpression) => {
                self.line(6, "env:");
                self.line(8, "GOOD: it's ${{ github.sha }}");
                self.fault("SW0201", 8, "BAD: ${{ github.sha }} and ${{ github.", "@bad", " }}");
            }
            Some(StepFault::TooFewArguments) => {
                self.line(6, "name: >-");
                self.line(8, "folded");
                self.fault("SW0203", 8, "text ${{ !", "contains", "('a') }}");
            }
            Some(StepFault::NotClosed) => self.fault("SW0205", 6, "name: 'it''s ", "${{", " github.sha }'"),
            Some(StepFault::NotABoolean) if step.details => {}
            Some(StepFault::NotABoolean) => self.fault("SW0103", 6, "continue-on-error: ", "maybe", ""),
        }
    }
}

fn needs(index: usize, job: &JobModel) -> Vec<String> {
    let mut needs: Vec<usize> = match index {
        0 => Vec::new(),
        _ => job.needs.iter().map(|need| need.index(index)).collect(),
    };
    needs.sort_unstable();
    needs.dedup();
    needs.into_iter().map(|need| format!("job-{need}")).collect()
}

fn write(models: &[JobModel]) -> Written {
    let mut written = Written::default();
    written.line(0, "name: generated");
    written.line(0, "on: {push: {branches: [main, 'v*']}, workflow_dispatch: }");
    written.line(0, "jobs:");
    models.iter().enumerate().for_each(|(index, job)| written.job(index, job));
    written
}

fn models(faulty: bool) -> impl Strategy<Value = Vec<JobModel>> {
    let step_fault = prop::sample::select(vec![
        StepFault::UnknownKey,
        StepFault::BadExpression,
        StepFault::TooFewArguments,
        StepFault::NotClosed,
        StepFault::NotABoolean,
    ]);
    let job_fault = prop::sample::select(vec![
        JobFault::UnknownKey,
        JobFault::MissingRunsOn,
        JobFault::NameNotOffered,
        JobFault::NotSupported,
        JobFault::WrongKind,
        JobFault::SecretInIf,
    ]);
    // Without faults the generator still draws them, so that both kinds of files have the same shapes.
    let chance = 0.3;
    let step = (0_usize..3, any::<bool>(), prop::option::weighted(chance, step_fault))
        .prop_map(move |(kind, details, fault)| StepModel { kind, details, fault: fault.filter(|_| faulty) });
    let needs = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    let fault = prop::option::weighted(chance, job_fault);
    let job = (needs, any::<bool>(), any::<bool>(), fault, prop::collection::vec(step, 1..4)).prop_map(
        move |(needs, matrix, details, fault, steps)| {
            let fault = fault.filter(|_| faulty);
            JobModel { needs, matrix, details, fault, steps }
        },
    );
    prop::collection::vec(job, 1..5)
}

/// Whatever is said lies in the text.
fn check_complaints(found: &Diagnostics) -> Result<(), TestCaseError> {
    found.iter().try_for_each(check_complaint)
}

#[test]
fn a_condition_that_is_always_true_is_warned_about() {
    let text = "on: push\njobs:\n  a:\n    if: ${{ failure() }} && always()\n    runs-on: x\n    steps: [run: 'true']\n";
    let (workflow, found) = Workflow::parse(&Source::new("x.yml", text));
    assert!(workflow.is_some());
    assert!(found.to_string().starts_with("x.yml:4:9: warning[SW0209]: "), "{found}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_workflow_reads_back_as_its_model(models in models(false)) {
        let source = Source::new(".github/workflows/x.yml", write(&models).text);
        let (workflow, found) = Workflow::parse(&source);
        prop_assert!(found.is_empty(), "{found}\n{}", source.text);
        let Some(workflow) = workflow else { return Err(TestCaseError::fail("no workflow, but no finding either")) };
        prop_assert_eq!(workflow.jobs.len(), models.len());
        for (index, (model, (id, job))) in models.iter().zip(&workflow.jobs).enumerate() {
            prop_assert_eq!(id, &format!("job-{index}"));
            let read: Vec<&str> = job.needs.iter().map(|need| need.value.as_str()).collect();
            prop_assert_eq!(read, needs(index, model));
            prop_assert_eq!(job.strategy.is_some(), model.matrix);
            prop_assert_eq!(job.steps().map_or(0, |body| body.steps.len()), model.steps.len());
        }
    }

    #[test]
    fn every_fault_is_told_once_at_its_place(models in models(true)) {
        let Written { text, mut expected } = write(&models);
        let source = Source::new(".github/workflows/x.yml", text);
        let (workflow, found) = Workflow::parse(&source);
        check_complaints(&found)?;
        let errors = found.iter().filter(|found| found.severity == Severity::Error);
        let mut told: Vec<(&str, usize)> =
            errors.map(|found| (found.code, source.byte_range(found.span).start)).collect();
        told.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(&told, &expected, "{}\n{}", found, source.text);
        prop_assert_eq!(workflow.is_some(), expected.is_empty());
    }

    #[test]
    fn a_damaged_workflow_is_told_about(models in models(true), damages in damages()) {
        let source = Source::new(".github/workflows/x.yml", damaged(&write(&models).text, &damages));
        let (workflow, found) = Workflow::parse(&source);
        check_complaints(&found)?;
        prop_assert_eq!(workflow.is_some(), !found.has_errors(), "{}\n{}", found, source.text);
        prop_assert_eq!(found, Workflow::parse(&source).1);
    }

    #[test]
    fn a_damaged_action_is_told_about(damages in damages(), composite: bool) {
        let text = match composite {
            true => "name: a\ndescription: b\ninputs:\n  x: {required: true, default: \"${{ github.sha }}\"}\n\
                     outputs:\n  y: {value: \"${{ steps.s.outputs.y }}\"}\nruns:\n  using: composite\n  steps:\n\
                     \x20 - {id: s, shell: bash, run: 'echo ${{ inputs.x }}'}\n  - uses: ./other\n",
            false => "name: a\ndescription: b\nruns:\n  using: node20\n  pre: a.js\n  main: b.js\n  post: c.js\n\
                      \x20 post-if: success()\n",
        };
        let whole = Action::parse(&Source::new("action.yml", text));
        prop_assert!(whole.0.is_some() && !whole.1.has_errors(), "{}", whole.1);
        let source = Source::new("action.yml", damaged(text, &damages));
        let (action, found) = Action::parse(&source);
        check_complaints(&found)?;
        prop_assert_eq!(action.is_some(), !found.has_errors(), "{}\n{}", found, source.text);
    }
}
