//! Known answers of the rules: documents and what is found in them, all findings and nothing else.

use shipway_base::Source;
use shipway_workflow::lint::{Finding, Interfaces, Kind, Options, RULES, lint};
use std::collections::BTreeSet;

/// Files of the same repository.
const ACTION: &str = "
name: mine
description: a local action
inputs:
  target: {required: true, description: where}
  mode: {default: fast, description: how, deprecationMessage: use target}
outputs:
  url: {value: '${{ steps.a.outputs.url }}', description: where it is}
runs:
  using: composite
  steps:
    - {id: a, run: echo, shell: bash}
";

const CALLED: &str = "
on:
  workflow_call:
    inputs:
      target: {type: string, required: true}
      dry: {type: boolean}
    secrets:
      key: {required: true}
    outputs:
      url: {value: '${{ jobs.a.outputs.url }}'}
permissions: {}
jobs:
  a: {runs-on: ubuntu-latest, outputs: {url: x}, steps: [{run: echo}]}
";

fn interfaces() -> Interfaces {
    let mut all = Interfaces::new();
    for (path, text) in [
        (".github/actions/mine/action.yml", ACTION),
        (".github/workflows/called.yml", CALLED),
        (".github/workflows/pushed.yml", "on: push\njobs: {}\n"),
        // The documents of the cases are called ci.yml.
        (".github/workflows/back.yml", "on: workflow_call\njobs: {a: {uses: ./ci.yml}}\n"),
        ("ci.yml", "on: workflow_call\njobs: {}\n"),
    ] {
        all.add(path, &Source::new(path, text));
    }
    all.whole()
}

pub(crate) fn find(text: &str, kind: Kind, pedantic: bool) -> Vec<Finding> {
    lint(&Source::new("ci.yml", text), kind, &interfaces(), Options { pedantic })
}

fn shown(found: &[Finding]) -> Vec<String> {
    found
        .iter()
        .map(|finding| format!("{} {} {}", finding.span.start, finding.level.as_str(), finding.name()))
        .collect()
}

/// The head of a workflow without findings of its own; the text goes on within the job `a` on line 5.
fn job(text: &str) -> String {
    format!("on: push\npermissions: {{}}\njobs:\n  a:\n    runs-on: ubuntu-latest\n{text}")
}

/// Steps of the job `a`, the first on line 7.
pub(crate) fn steps(text: &str) -> String {
    job(&format!("    steps:\n{text}"))
}

/// In an action `./` is the workspace of whoever uses it, which is this repository only where a workflow here does.
#[test]
fn what_a_composite_action_names_is_looked_for_only_where_the_workspace_is_known() {
    let inner = |uses: &str| format!("name: a\nruns:\n  using: composite\n  steps:\n    - uses: {uses}\n");
    let workflow = |steps: &str| {
        format!("on: push\npermissions: {{}}\njobs:\n  a:\n    runs-on: x\n    steps:\n{steps}")
    };
    let here = workflow("      - uses: actions/checkout@v4\n      - uses: ./actions/outer/\n");
    let beside = workflow(
        "      - {uses: actions/checkout@v4, with: {path: x}}\n      - uses: ./actions/outer\n      - uses: ./x/actions/inner\n",
    );
    let check = |workflow: &str, of: &str, uses: &str, expect: usize| {
        let path = format!("actions/{of}/action.yml");
        let mut all = Interfaces::new();
        all.add(".github/workflows/ci.yml", &Source::new("ci.yml", workflow));
        for (name, names) in [("outer", "./actions/inner"), ("inner", uses)] {
            let text = if name == of { inner(uses) } else { inner(names) };
            all.add(&format!("actions/{name}/action.yml"), &Source::new(name, text));
        }
        let source = Source::new(path.as_str(), inner(uses));
        let found = lint(&source, Kind::Action, &all.whole(), Options::default());
        let found = found.iter().filter(|found| found.name() == "unknown-local-action").count();
        assert_eq!(found, expect, "{uses} in {of}, used by {workflow}");
    };
    check(&here, "outer", "./actions/none", 1);
    check(&here, "inner", "./actions/none", 1);
    check(&here, "inner", "./actions/outer", 0);
    check(&here, "outer", "./__MADE__/actions/inner", 0);
    check(&here, "outer", "./../elsewhere", 0);
    check(&here, "inner", "'./${{ inputs.x }}/none'", 0);
    // Nobody here uses it, or only where another repository is checked out, too.
    check(&beside, "outer", "./actions/none", 0);
    check(&beside, "inner", "./__CHECKOUT__/actions/none", 0);
    check("on: push\njobs: {}\n", "outer", "./actions/none", 0);
    // The repository of the action itself.
    check(&beside, "outer", "$/actions/none", 1);
    check(&beside, "outer", "$/actions/inner", 0);
}

struct Case {
    text: String,
    kind: Kind,
    pedantic: bool,
    expect: &'static [&'static str],
}

fn case(text: impl Into<String>, expect: &'static [&'static str]) -> Case {
    Case { text: text.into(), kind: Kind::Workflow, pedantic: false, expect }
}

fn pedantic(text: impl Into<String>, expect: &'static [&'static str]) -> Case {
    Case { pedantic: true, ..case(text, expect) }
}

fn cases() -> Vec<Case> {
    [
        contexts(),
        conditions(),
        kinds(),
        injections(),
        uses(),
        calls(),
        triggers(),
        rights(),
        jobs(),
        comments(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn contexts() -> Vec<Case> {
    vec![
        case("on: push\npermissions: {}\njobs: []\n", &["3:7 error SW0103"]),
        case(steps("      - run: make ${{ matrix.service }}\n"), &["7:23 error unknown-matrix-key"]),
        case(
            job(
                "    strategy: {matrix: {os: [a], include: [{arch: b}]}}\n    steps:\n      - run: ${{ matrix.OS }} ${{ matrix.arch }} ${{ matrix.oss }} ${{ matrix['x'] }}\n",
            ),
            &["8:54 error unknown-matrix-key", "8:72 error unknown-matrix-key"],
        ),
        case(
            job(
                "    strategy: {matrix: {include: '${{ fromJSON(vars.X) }}'}}\n    steps: [{run: 'echo ${{ matrix.any }}'}]\n",
            ),
            &[],
        ),
        case(
            job(
                "    strategy: {matrix: '${{ fromJSON(vars.X) }}'}\n    steps: [{run: 'echo ${{ matrix.any }}'}]\n",
            ),
            &[],
        ),
        case(steps("      - run: echo ${{ inputs.a }}\n"), &["7:23 error unknown-input"]),
        case(
            "on: {workflow_dispatch: {inputs: {target: {type: boolean}}}}\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ inputs.target }} ${{ inputs.taget }}\n",
            &["7:44 error unknown-input"],
        ),
        case(
            "on: {workflow_call: {secrets: {key: {required: true}}}}\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n        env: {A: '${{ secrets.key }}', B: '${{ secrets.kay }}', C: '${{ secrets.GITHUB_TOKEN }}'}\n",
            &["8:48 warning unknown-secret"],
        ),
        case(
            steps(
                "      - run: echo ${{ github.branch }} ${{ runner.system }} ${{ job.status }} ${{ github.event.x.y }}\n",
            ),
            &["7:23 warning unknown-property", "7:44 warning unknown-property"],
        ),
        pedantic(
            "on: push\npermissions: {}\nenv: {A: 1}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    timeout-minutes: 5\n    steps:\n      - run: echo ${{ env.A }} ${{ env.B }}\n      - run: echo C=1 >> $GITHUB_ENV\n      - run: echo ${{ env.C }}\n",
            &["9:36 note undefined-env"],
        ),
        case(
            steps(
                "      - run: echo ${{ steps.b.outputs.x }} ${{ steps.c.outputs.x }}\n      - {id: b, run: make}\n",
            ),
            &["7:23 error unknown-step", "7:48 error unknown-step"],
        ),
        case(
            steps(
                "      - {id: b, run: make}\n      - run: echo ${{ steps.b.output.x }} ${{ steps.B.outcome }}\n",
            ),
            &["8:23 error unknown-step-output"],
        ),
        case(
            steps(
                "      - {id: b, uses: ./.github/actions/mine, with: {target: x}}\n      - {id: c, uses: actions/cache@v4, with: {path: p, key: k}}\n      - run: echo ${{ steps.b.outputs.url }} ${{ steps.b.outputs.uri }} ${{ steps.c.outputs.cache_hit }}\n",
            ),
            &["9:50 error unknown-step-output", "9:77 warning unknown-step-output"],
        ),
        case(
            steps(
                "      - {id: s, uses: actions/github-script@v7, with: {script: \"core.setOutput('version', '1')\"}}\n      - run: echo ${{ steps.s.outputs.version }} ${{ steps.s.outputs.result }} ${{ steps.s.output.x }}\n",
            ),
            &["8:84 error unknown-step-output"],
        ),
        case(
            steps(
                "      - {id: meta, uses: docker/metadata-action@0123456789012345678901234567890123456789}\n      - uses: docker/build-push-action@0123456789012345678901234567890123456789\n        with:\n          tags: ${{ steps.meta.outputs.tags }}-backend\n          labels: ${{ steps.meta.outputs.labels }}\n",
            ),
            &["10:21 warning affix-of-lines"],
        ),
        case(
            job(
                "    steps: [{run: make}]\n  b:\n    runs-on: ubuntu-latest\n    if: needs.a.result == 'success'\n    steps: [{run: make}]\n",
            ),
            &["9:9 error unknown-need"],
        ),
        case(
            job(
                "    outputs: {x: 1}\n    steps: [{run: make}]\n  b:\n    needs: a\n    runs-on: ubuntu-latest\n    steps: [{run: 'echo ${{ needs.a.outputs.x }} ${{ needs.a.outputs.y }} ${{ needs.a.status }}'}]\n",
            ),
            &["11:54 error unknown-job-output", "11:79 error unknown-job-output"],
        ),
        case(
            "on:\n  workflow_call:\n    outputs: {x: {value: '${{ jobs.b.outputs.x }}'}}\npermissions: {}\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n",
            &["3:31 error unknown-need"],
        ),
        Case {
            text: ACTION.replace("steps.a.", "steps.b."),
            kind: Kind::Action,
            pedantic: false,
            expect: &["8:21 error unknown-step"],
        },
    ]
}

fn conditions() -> Vec<Case> {
    vec![
        case(
            job("    if: github.ref == 'main'\n    steps: [{run: make}]\n"),
            &["6:9 warning impossible-comparison"],
        ),
        case(
            job("    if: github.event_name == 'pull_request'\n    steps: [{run: make}]\n"),
            &["6:9 warning impossible-comparison"],
        ),
        case(
            steps(
                "      - {run: make, if: runner.os == 'ubuntu' || runner.os == 'linux' || github.ref_name == 'refs/heads/x'}\n",
            ),
            &["7:25 warning impossible-comparison"; 2],
        ),
        case(
            job(
                "    strategy: {matrix: {os: [linux, 2]}}\n    steps:\n      - {run: make, if: matrix.os == 'linus'}\n      - {run: make, if: matrix.os == '2'}\n",
            ),
            &["8:25 warning impossible-comparison"],
        ),
        case(
            "on: {workflow_dispatch: {inputs: {dry: {type: boolean}}}}\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    if: inputs.dry == 'true' && github.event.inputs.dry == 'true' && inputs.dry == true\n    steps: [{run: make}]\n",
            &["6:9 warning impossible-comparison"],
        ),
        case(
            job("    if: contains('main', 'main')\n    steps: [{run: make, if: false}]\n"),
            &["6:9 warning constant-condition", "7:29 note constant-condition"],
        ),
        case(
            job("    if: contains('refs/heads/a refs/heads/b', github.ref)\n    steps: [{run: make}]\n"),
            &["6:9 warning unsound-contains"],
        ),
        case(
            "on: issue_comment\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    if: github.actor == 'dependabot[bot]'\n    steps: [{run: make}]\n",
            &["6:9 warning bot-condition"],
        ),
        case(steps("      - run: make\n        if: ${{ github.ref }} == 'x'\n"), &["8:13 warning SW0209"]),
    ]
}

fn kinds() -> Vec<Case> {
    vec![
        case(
            steps(
                "      - run: echo ${{ format('{0} {1}', github.ref) }} ${{ format('{0}', github.ref, 1) }}\n      - run: echo ${{ format('{{0}} {0}', 1) }}\n",
            ),
            &["7:23 error format-arguments", "7:60 warning format-arguments"],
        ),
        case(
            steps("      - run: echo ${{ fromJSON('[1, 2')[0] }} ${{ fromJSON('[1, 2]')[0] }}\n"),
            &["7:23 error broken-json"],
        ),
        // What GitHub's reader takes, though it is no JSON, is no finding.
        case(
            steps(
                "      - run: echo ${{ fromJSON('[1, 2,]')[0] }} ${{ fromJSON('{a:.5} // b').a }} ${{ fromJSON('{a}').a }}\n",
            ),
            &["7:86 error broken-json"],
        ),
        case(
            steps(
                "      - run: echo ${{ github.event }} ${{ github.repository.owner }}\n        env: {A: '${{ matrix }}', B: '${{ toJSON(matrix) }}'}\n",
            ),
            &["7:23 warning object-as-text", "7:43 warning unknown-property", "8:23 warning object-as-text"],
        ),
        case(
            steps("      - {uses: ./.github/actions/mine, with: {target: x, mode: y}}\n"),
            &["7:58 warning deprecated-input"],
        ),
        case(
            "on: push\npermissions: {}\njobs:\n  a: {runs-on: [ubuntu-latest, windows-latest], steps: [{run: make}]}\n",
            &["4:32 error conflicting-runners"],
        ),
    ]
}

fn injections() -> Vec<Case> {
    vec![
        case(
            steps(
                "      - run: |\n          echo hello\n          echo \"${{ github.event.issue.title }}\" '${{ github.head_ref }}' ${{ github.sha }}\n",
            ),
            &["9:21 error script-injection", "9:55 error script-injection"],
        ),
        case(
            "on: {workflow_dispatch: {inputs: {a: {}, b: {type: boolean}}}}\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: 'echo ${{ inputs.a }} ${{ inputs.b }}'}]\n",
            &["6:29 note script-injection"],
        ),
        case(
            steps(
                "      - uses: actions/github-script@v7\n        with: {script: 'console.log(\"${{ github.event.comment.body }}\")'}\n",
            ),
            &["8:42 error script-injection"],
        ),
        case(
            steps(
                "      - run: echo ${{ join(github.event.commits.*.message, ' ') }} ${{ contains(github.head_ref, 'x') }}\n",
            ),
            &["7:23 error script-injection"],
        ),
        case(
            steps(
                "      - run: echo \"T=$T\" >> \"$GITHUB_ENV\"\n        env: {T: '${{ github.event.pull_request.title }}'}\n",
            ),
            &["7:14 error env-injection"],
        ),
        case(
            "on: issues\npermissions: {}\nenv: {A: '${{ github.event.issue.title }}', B: '${{ github.head_ref }}'}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    outputs: {t: '${{ env.A }}', n: '${{ github.sha }}'}\n    steps:\n      - run: echo \"${{ env.A }} ${{ env.B }} ${{ env.C }}\"\n        env: {B: safe, C: '${{ github.sha }}'}\n      - run: echo '${{ toJSON(github.event) }}' '${{ toJSON(github.event.repository) }}'\n      - run: echo ok\n        env: {E: '${{ toJSON(github.event) }}'}\n  b:\n    runs-on: ubuntu-latest\n    needs: a\n    steps:\n      - run: echo \"${{ needs.a.outputs.t }} ${{ needs.a.outputs.n }}\"\n",
            &["9:24 error script-injection", "11:24 error script-injection", "18:24 error script-injection"],
        ),
        case(steps("      - run: echo '${{ toJSON(github.event) }}'\n"), &[]),
        case(
            // Variables that differ in case are two, and one that is only spelled otherwise is the same on Windows.
            "on: issues\npermissions: {}\nenv: {A_B: '${{ github.event.issue.title }}', C: '${{ github.event.issue.body }}'}\njobs:\n  a:\n    runs-on: windows-latest\n    env: {a_b: safe}\n    steps:\n      - run: |\n          echo \"${{ env.a_b }}\"\n          echo \"${{ env.A_B }}\"\n          echo \"${{ env.c }}\"\n",
            &["11:21 error script-injection", "12:21 error script-injection"],
        ),
        case(
            "on: {workflow_run: {workflows: [a], types: [completed]}}\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: cat before >> $GITHUB_ENV\n      - {uses: actions/download-artifact@v4, with: {name: pr}}\n      - run: |\n          cat pr.txt >> $GITHUB_ENV\n          cat pr.txt >> $GITHUB_OUTPUT\n          echo A=1 >> $GITHUB_ENV\n",
            &["10:11 error env-injection"],
        ),
        case(
            steps(
                "      - run: |\n          echo \"::set-output name=a::b\"\n          # ::set-output name=c::d\n          echo \"##[add-path]x\"\n",
            ),
            &["8:11 warning deprecated-command", "10:11 warning deprecated-command"],
        ),
        case(
            job("    env: {ACTIONS_ALLOW_UNSECURE_COMMANDS: true}\n    steps: [{run: make}]\n"),
            &["6:11 error insecure-commands"],
        ),
    ]
}

fn uses() -> Vec<Case> {
    vec![
        case(
            "on: push\npermissions: {}\njobs:\n  a: {uses: ./.github/workflows/back.yml}\n",
            &["4:13 error circular-call"],
        ),
        case(
            steps(
                "      - uses: a/b@main\n      - uses: a/b@v1\n      - uses: actions/checkout@v4\n      - uses: a/b@0123456789012345678901234567890123456789\n",
            ),
            &["7:15 warning unpinned-action", "8:15 note unpinned-action"],
        ),
        pedantic(
            job(
                "    timeout-minutes: 5\n    container: node\n    services: {db: {image: 'postgres:15'}}\n    steps:\n      - uses: actions/checkout@v4\n        with: {persist-credentials: false}\n",
            ),
            &["7:16 note unpinned-image", "8:28 note unpinned-image", "10:15 note unpinned-action"],
        ),
        case(
            steps(
                "      - {uses: actions/cache@v2, with: {path: p, key: k}}\n      - uses: actions-rs/toolchain@v1\n",
            ),
            &["7:16 warning deprecated-action", "8:15 warning archived-action", "8:15 note unpinned-action"],
        ),
        case(
            steps(
                "      - uses: actions/checkout@v4\n      - uses: actions/upload-artifact@v4\n        with: {path: ., include-hidden-files: true}\n      - uses: actions/upload-artifact@v4\n        with: {path: dist}\n",
            ),
            &["7:15 error persisted-credentials"],
        ),
        case(
            steps(
                "      - uses: actions/checkout@v4\n      - uses: actions/upload-artifact@v4.3.6\n        with: {path: .}\n",
            ),
            &["7:15 error persisted-credentials"],
        ),
        case(
            steps(
                "      - uses: actions/checkout@v4\n      - uses: actions/upload-artifact@v4\n        with: {path: .}\n",
            ),
            &[],
        ),
        case(
            "on: release\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{uses: actions/cache@v4, with: {path: p, key: k}}]\n",
            &["6:20 note cache-in-release"],
        ),
        case(
            steps(
                "      - {uses: actions/setup-node@v4, with: {node-versoin: 20}}\n      - {uses: ./.github/actions/mine, with: {trget: x}}\n",
            ),
            &[
                "7:46 warning unknown-action-input",
                "8:16 error missing-action-input",
                "8:47 error unknown-action-input",
            ],
        ),
        case(
            steps(
                "      - uses: actions/cache@v4\n        with: {path: /tmp/x-cache, key: k}\n      - run: make\n",
            ),
            &["8:22 warning unused-cache"],
        ),
        case(
            steps(
                "      - uses: actions/setup-node@v4\n        with: {cache: npm}\n      - run: cd backend && npm ci\n",
            ),
            &["8:23 warning lockfile-elsewhere"],
        ),
        case(steps("      - uses: ./.github/actions/mien\n"), &["7:15 warning unknown-local-action"]),
        case(steps("      - run: git clone $URL made\n      - uses: ./made/action\n"), &[]),
        case(
            steps(
                "      - {uses: a/b-checkout@0123456789012345678901234567890123456789, with: {path: made}}\n      - uses: ./made\n",
            ),
            &[],
        ),
        case(
            steps("      - run: make\n      - uses: ./mdae/action\n"),
            &["8:15 warning unknown-local-action"],
        ),
        case(steps("      - run: make\n      - uses: ./../tool\n"), &[]),
        case(
            steps(
                "      - {uses: actions/checkout@v4, with: {repository: a/b, path: x}}\n      - uses: ./x/action\n",
            ),
            &[],
        ),
    ]
}

/// A job that calls.
fn call(text: &str) -> String {
    format!("on: push\npermissions: {{}}\njobs:\n  a:\n{text}")
}

fn calls() -> Vec<Case> {
    vec![
        case(
            call(
                "    uses: ./.github/workflows/called.yml\n    with: {target: x, dry: maybe, unknown: 1}\n    secrets: {key: x, other: y}\n",
            ),
            &[
                "6:28 error unknown-workflow-input",
                "6:35 error unknown-workflow-input",
                "7:23 error unknown-workflow-input",
            ],
        ),
        case(call("    uses: ./.github/workflows/called.yml\n"), &["5:11 error missing-workflow-input"; 2]),
        case(
            call(
                "    uses: ./.github/workflows/called.yml\n    with: {target: x}\n    secrets: inherit\n  b:\n    needs: a\n    runs-on: ubuntu-latest\n    steps: [{run: 'echo ${{ needs.a.outputs.url }} ${{ needs.a.outputs.uri }}'}]\n",
            ),
            &["11:56 error unknown-job-output"],
        ),
        case(call("    uses: ./.github/workflows/pushed.yml\n"), &["5:11 error unknown-local-workflow"]),
        case(call("    uses: ./.github/workflows/none.yml\n"), &["5:11 error unknown-local-workflow"]),
        case(
            call(
                "    uses: a/b/.github/workflows/x.yml@0123456789012345678901234567890123456789\n    secrets: inherit\n",
            ),
            &["6:14 warning secrets-inherit"],
        ),
    ]
}

fn triggers() -> Vec<Case> {
    vec![
        case(
            "on: pull_request_target\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n        with: {ref: '${{ github.event.pull_request.head.sha }}'}\n",
            &["7:15 error dangerous-checkout"],
        ),
        pedantic(
            "on: pull_request_target\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    timeout-minutes: 5\n    steps: [{run: make}]\n",
            &["1:5 note dangerous-trigger"],
        ),
        case(
            "on: pull_request\npermissions: {}\njobs:\n  a:\n    runs-on: [self-hosted, gpu]\n    steps: [{run: make}]\n",
            &["5:15 warning self-hosted-for-forks"],
        ),
        case(
            "on: {schedule: [{cron: '* * * * *'}, {cron: '*/5 * * * *'}]}\npermissions: {}\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n",
            &["1:24 warning cron-too-often"],
        ),
        case(
            "on:\n  push:\n    branches: [refs/heads/main, main, 'x', '!x']\n    paths: [./src/**, 'docs/', '**.md']\npermissions: {}\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n",
            &[
                "3:16 warning filter-never-matches",
                "3:39 warning filter-never-matches",
                "4:13 warning filter-never-matches",
                "4:23 warning filter-never-matches",
            ],
        ),
        case(
            "on:\n  workflow_dispatch:\n    inputs:\n      a: {type: boolean, default: 'true'}\n      b: {type: number, default: '3'}\n      c: {type: string, default: 3}\n      d: {default: false}\n      e: {type: boolean, default: true}\npermissions: {}\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n",
            &[
                "4:35 error default-of-another-type",
                "5:34 error default-of-another-type",
                "6:34 error default-of-another-type",
            ],
        ),
    ]
}

fn rights() -> Vec<Case> {
    vec![
        case(
            "on: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n",
            &["2:1 note implicit-permissions"],
        ),
        case(
            "on: push\npermissions: write-all\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n",
            &["2:14 warning excessive-permissions"],
        ),
        case(
            "on: push\npermissions: {contents: write}\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: make}]}\n  b: {runs-on: ubuntu-latest, steps: [{run: make}]}\n",
            &["2:15 note excessive-permissions"],
        ),
        case(
            steps("      - uses: github/codeql-action/upload-sarif@v3\n"),
            &["7:15 warning missing-permission"],
        ),
        case(
            job("    permissions: {id-token: write}\n    steps: [{uses: actions/checkout@v4}]\n"),
            &["6:19 note unused-id-token"],
        ),
        case(
            job(
                "    container: {image: a, credentials: {username: me, password: hunter2}}\n    steps: [{run: make}]\n",
            ),
            &["6:65 error hard-coded-credential"],
        ),
        case(
            steps(
                "      - {run: make, env: {A: '${{ toJSON(secrets) }}', B: '${{ fromJSON(secrets.X).y }}'}}\n",
            ),
            &["7:35 warning all-secrets", "7:64 warning unredacted-secret"],
        ),
    ]
}

fn jobs() -> Vec<Case> {
    vec![
        case(
            job(
                "    if: false\n    steps: [{run: make}]\n  b: {needs: a, runs-on: ubuntu-latest, steps: [{run: make}]}\n  c: {needs: [b, b], runs-on: ubuntu-latest, steps: [{run: make}]}\n  d: {needs: a, if: always(), runs-on: ubuntu-latest, steps: [{run: make}]}\n",
            ),
            &[
                "6:9 note constant-condition",
                "8:14 warning unreachable-job",
                "9:15 warning unreachable-job",
                "9:18 note repeated-need",
            ],
        ),
        case(
            "on: push\npermissions: {}\njobs:\n  a: {runs-on: ubuntu-lastest, steps: [{run: make}]}\n  b: {runs-on: ubuntu-18.04, steps: [{run: make}]}\n  c: {runs-on: [self-hosted, ubuntu-lastest], steps: [{run: make}]}\n  d: {runs-on: our-machine, steps: [{run: make}]}\n",
            &["4:16 note unknown-runner", "5:16 warning unknown-runner"],
        ),
        case(
            steps(
                "      - {run: make, shell: bsh}\n      - {run: make, shell: cmd}\n      - {run: make, shell: 'perl {0}'}\n      - {run: make, shell: perl -w}\n",
            ),
            &["7:28 error unknown-shell", "8:28 error unknown-shell", "10:28 error unknown-shell"],
        ),
        case(job("    env: {'A B': 1}\n    steps: [{run: make}]\n"), &["6:11 warning invalid-env-name"]),
        pedantic(job("    steps: [{run: make}]\n"), &["4:3 note missing-timeout"]),
        case(
            job(
                "    timeout-minutes: 1.5\n    steps:\n      - {run: a, timeout-minutes: 0.02}\n      - {run: b, timeout-minutes: 2.0}\n      - {run: c, timeout-minutes: '${{ 0.5 }}'}\n",
            ),
            &["6:22 warning fractional-timeout", "8:35 warning fractional-timeout"],
        ),
        case(
            job(
                "    strategy: {matrix: {a: [1, 2, 1], exclude: [{a: 3}, {b: 1}]}}\n    steps: [{run: make}]\n",
            ),
            &["6:35 warning repeated-matrix-value", "6:53 warning exclude-without-leg", "6:58 error SW0116"],
        ),
    ]
}

fn comments() -> Vec<Case> {
    vec![
        case(
            steps(
                "      - uses: a/b@main # shipway-lint: ignore unpinned-action because it is ours\n      # shipway-lint: ignore unpinned-action because it is ours\n      - uses: a/b@main\n      - uses: a/b@main # zizmor: ignore[unpinned-uses]\n",
            ),
            &[],
        ),
        case(
            steps(
                "      - uses: a/b@main # shipway-lint: ignore unpinned-action\n      - uses: a/b@main # shipway-lint: ignore unpined-action because x\n",
            ),
            &[
                "7:24 warning ignore-without-reason",
                "8:15 warning unpinned-action",
                "8:24 warning unknown-rule",
            ],
        ),
        pedantic(
            job(
                "    timeout-minutes: 5 # shipway-lint: ignore unpinned-action because it was\n    steps: [{run: make}]\n",
            ),
            &["6:24 note needless-ignore"],
        ),
    ]
}

#[test]
fn the_rules_give_the_known_answers() {
    let mut wrong = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for case in cases() {
        let found = find(&case.text, case.kind, case.pedantic);
        seen.extend(found.iter().map(|finding| finding.rule.id));
        let shown = shown(&found);
        if shown != case.expect {
            let all: Vec<String> = found.iter().map(|f| format!("{}: {}", f.span.start, f.message)).collect();
            wrong.push(format!(
                "{}\nexpected {:?}\nfound    {shown:?}\n{}",
                case.text,
                case.expect,
                all.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let untested: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(|id| !seen.contains(id)).collect();
    assert!(untested.is_empty(), "no case shows the rules {untested:?}");
}

/// Where bash evaluates a text a variable alone does not help, and nobody is told that it does.
#[test]
fn what_bash_evaluates_is_to_be_checked_first() {
    let help = |line: &str, more: &str| {
        let text = steps(&format!("      - run: |\n          {line}\n{more}"));
        let text = text.replace('@', "${{ github.head_ref }}");
        let found = find(&text, Kind::Workflow, false);
        assert_eq!(shown(&found).len(), 1, "{line}: {found:?}");
        found.into_iter().next().and_then(|finding| finding.help).expect("help")
    };
    let number = "only when [[ \"$HEAD_REF\" =~ ^[0-9]+$ ]]";
    for line in ["[[ @ -eq 1 ]]", "(( x = @ ))", "let x=@", "declare -i x=@", "a[@]=1", "echo $(( @ ))"] {
        let help = help(line, "");
        assert!(help.contains(number) && help.contains("also when a variable holds it"), "{line}: {help}");
        assert_eq!(help.contains("or compare with [ "), line.starts_with("[["), "{line}: {help}");
    }
    assert!(help("read @", "").contains("for a name"));
    assert!(help("eval \"@\"", "").starts_with("eval carries this text out"));
    for (line, more) in [("echo \"@\"", ""), ("[ @ = x ]", ""), ("(( x = @ ))", "        shell: pwsh\n")] {
        let help = help(line, more);
        assert!(help.ends_with("and write \"$HEAD_REF\" here") && !help.contains("bash"), "{line}: {help}");
    }
}

#[test]
fn the_rules_are_told_apart_by_their_names() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(names.len(), RULES.len());
    for rule in RULES {
        let word = rule.id.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(
            word && rule.what.ends_with('.') && !rule.example.is_empty() && !rule.fix.is_empty(),
            "{}",
            rule.id
        );
    }
}

/// The table of `docs/lint.md`, from the rules themselves.
fn table() -> String {
    let mut out = "| rule | level | finds | example | what to do |\n|---|---|---|---|---|\n".to_owned();
    for rule in RULES {
        let star = if rule.pedantic { " *" } else { "" };
        let cell = |text: &str| text.replace('|', "\\|");
        out += &format!(
            "| `{}`{star} | {} | {} | `{}` | {} |\n",
            rule.id,
            rule.level.as_str(),
            cell(rule.what),
            cell(rule.example),
            cell(rule.fix)
        );
    }
    out
}

#[test]
fn the_page_has_every_rule() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lint.md");
    let page = std::fs::read_to_string(path).expect("docs/lint.md");
    let table = table();
    assert!(page.contains(&table), "docs/lint.md needs this table:\n{table}");
}

#[test]
fn a_matrix_that_is_too_large_is_told_without_a_run() {
    let numbers = |count: usize| format!("{:?}", (0..count).collect::<Vec<_>>());
    let of = |matrix: String| {
        let text = format!(
            "on: push\npermissions: {{}}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy:\n      matrix: {matrix}\n    steps: [{{run: make}}]\n"
        );
        let found = find(&text, Kind::Workflow, false);
        found.into_iter().map(|finding| format!("{} {}", finding.name(), finding.message)).collect::<Vec<_>>()
    };
    let most = "at most 256 are run";
    assert_eq!(of(format!("{{a: {}}}", numbers(256))), Vec::<String>::new());
    assert_eq!(of(format!("{{a: {}}}", numbers(257))), [format!("SW0116 this matrix has 257 legs; {most}")]);
    assert_eq!(of(format!("{{a: {}, b: ['${{{{ github.sha }}}}']}}", numbers(257))), Vec::<String>::new());
    let huge: Vec<String> = (0..40).map(|key| format!("k{key}: {}", numbers(9))).collect();
    assert_eq!(
        of(format!("{{{}}}", huge.join(", "))),
        [format!("SW0116 this matrix has more than 1000000 legs; {most}")]
    );
}

#[test]
fn a_workflow_that_calls_itself_is_told() {
    let calls = |path: &str| {
        format!("on: workflow_call\npermissions: {{}}\njobs:\n  a: {{uses: ./.github/workflows/{path}}}\n")
    };
    let files = [
        ("a.yml", calls("b.yml")),
        ("b.yml", calls("c.yml")),
        ("c.yml", calls("a.yml")),
        ("d.yml", calls("a.yml")),
        ("e.yml", calls("e.yml")),
    ];
    let path = |name: &str| format!(".github/workflows/{name}");
    let mut all = Interfaces::new();
    files.iter().for_each(|(name, text)| all.add(&path(name), &Source::new(path(name), text.as_str())));
    let all = all.whole();
    let told = |at: usize| {
        let (name, text) = &files[at];
        let found =
            lint(&Source::new(path(name), text.as_str()), Kind::Workflow, &all, Options { pedantic: false });
        found.into_iter().map(|finding| format!("{} {}", finding.name(), finding.message)).collect::<Vec<_>>()
    };
    let way = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| path(name)).collect();
        format!("circular-call this workflow calls itself: {}", names.join(" -> "))
    };
    assert_eq!(told(0), [way(&["a.yml", "b.yml", "c.yml", "a.yml"])]);
    assert_eq!(told(3), Vec::<String>::new());
    assert_eq!(told(4), [way(&["e.yml", "e.yml"])]);
}
