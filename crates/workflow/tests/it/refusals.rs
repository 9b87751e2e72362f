//! What is wrong with a document is told in one pass, each with its place; the words are golden.

use shipway_base::Source;
use shipway_workflow::{action::Action, document::Workflow};

fn workflow(text: &str) -> String {
    let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
    assert!(workflow.is_none() && found.has_errors(), "{text}");
    found.to_string()
}

fn action(text: &str) -> String {
    let (action, found) = Action::parse(&Source::new("action.yml", text));
    assert!(action.is_none() && found.has_errors(), "{text}");
    found.to_string()
}

#[test]
fn a_workflow_full_of_mistakes() {
    insta::assert_snapshot!(workflow(
        r"
nam: CI
on:
  push:
    branches: [main, '[z-a]']
    branches-ignore: ['!x']
    types: [opened]
  pull_request: {types: [opend]}
  pushh:
  schedule: [{cron: '0 25 * * *'}, {}]
  workflow_dispatch:
    inputs:
      flag: {type: boolean, default: 'yes'}
      pick: {type: choice}
      what: {type: colour, options: [a]}
permissions: {content: read, pages: execute, id-token: read}
env: production
defaults: {run: {shel: bash}}
concurrency: {cancel-in-progress: maybe, queue: max}
jobs:
  a.b: {runs-on: here}
  build:
    run-on: here
    needs: [tests, Deploy]
    timeout-minutes: 0
    environment: {url: https://x}
    strategy: {matrix: {}, max-parallel: 1.5, fail-slow: true}
    steps:
    - name: Nothing
    - {run: make, uses: a/b@v1}
    - {run: make, with: {x: y}}
    - {uses: checkout@v4, shell: bash}
    - {uses: 'docker://'}
    - {id: back, run: make, background: maybe}
    - {id: one, run: make}
    - {id: ONE, run: 'echo ${{ secrets.X'}
    - {id: __x, run: make, if: secrets.X == 1}
    - just text
    - {wait: [bakc, nowhere, late], if: always()}
    - {wait-all: false, wiat: x}
    - {cancel: one}
    - {wait: [], run: make}
    - {parallel: [], id: x}
    - {parallel: [{run: make, background: true}, {wait-all: }, {run: make, id: one}], name: x}
    - {id: late, run: make, background: true}
    continue-on-error: ${{ github.x }} y
  Build: {runs-on: [], steps: [], container: {imag: x}}
  deploy: {needs: build, runs-on: {group: g, label: x}, with: {}}
  call: {uses: ./.github/workflows/x.yml, runs-on: here}
  other: {uses: elsewhere@v1, with: [], secrets: all, cache-mode: all}
  kept: {runs-on: {group: mine/x}, snapshot: {version: 1}, services: {db: '', '': x, web: {command: [x]}}}
  __y: {runs-on: '', <<: {}}
  <<: {}
  shared: {runs-on: here, env: {<<: {a: b}}, strategy: {matrix: {<<: {a: [b]}}}, if: '${{ 1 }} '}
"
    ));
}

#[test]
fn what_is_left_empty_is_no_mapping() {
    let told = |text: &str| workflow(text).lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    let empty = |place: &str, name: &str| {
        format!(
            "w.yml:{place}: error[SW0103]: {name} must be a mapping, but this is empty (write it below the key, or remove the key)"
        )
    };
    let fields = |place: &str, name: &str| {
        empty(place, name).replace("a mapping, but", "a mapping or an expression, but")
    };
    let text = "on: {workflow_call: {inputs: , secrets: {a: }}}
env:
defaults:
jobs:
  a: {runs-on: x, env: , outputs: , defaults: {run: }, steps: [{run: y, env: }, {uses: ./x, with: }]}
  b: {uses: ./.github/workflows/b.yml, with: , secrets: }
  c: {runs-on: x, strategy: {matrix: {a: [1], include: }}}
";
    assert_eq!(
        told(text),
        [
            empty("1:28", "inputs"),
            fields("2:4", "env"),
            empty("3:9", "defaults"),
            fields("5:22", "env"),
            empty("5:33", "outputs"),
            empty("5:51", "defaults.run"),
            fields("5:76", "env"),
            fields("5:97", "with"),
            empty("6:44", "with"),
            empty("6:55", "secrets"),
            empty("7:54", "matrix.include").replace("a mapping", "a sequence"),
        ]
    );
    let manifest = "inputs: {a: }\noutputs:\nruns: {using: composite, steps: []}\n";
    assert_eq!(action(manifest).lines().count(), 2);
}

#[test]
fn needs_that_cannot_be_met() {
    insta::assert_snapshot!(workflow(
        r"
on: push
jobs:
  free: {runs-on: here}
  self: {runs-on: here, needs: SELF}
  one: {runs-on: here, needs: [free, three]}
  two: {runs-on: here, needs: one}
  three: {runs-on: here, needs: [free, two]}
  behind: {runs-on: here, needs: [three]}
  left: {runs-on: here, needs: right}
  right: {runs-on: here, needs: [left, fre, nowhere]}
"
    ));
}

#[test]
fn files_that_hold_nothing() {
    let mut out = String::new();
    for text in [
        "",
        "# nothing\n",
        "{}",
        "[]",
        "text",
        "on: push",
        "on: []\njobs: {}",
        "on: {}\njobs: []",
        "on: push\n  x",
    ] {
        out += &format!("{text:?}\n{}\n", workflow(text));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn actions_full_of_mistakes() {
    let mut out = String::new();
    for text in [
        "name: x\nrun: {}\n",
        "runs: {main: a.js}\n",
        "runs: {using: docker, args: ['${{ github.x }}'], pre: x, post-if: secrets.X}\n",
        "runs: {plugin: checkout}\n",
        "runs: {using: plugin, plugin: checkout}\n",
        "runs: {using: node18, main: a.js}\n",
        "runs: {using: node20, mian: a.js, post-if: needs.x}\n",
        "inputs: {a: {defalt: x, default: '${{ inputs.b }}'}, b: text}
outputs: {o: {valu: x}}
runs:
  using: composite
  steps:
  - run: make
  - {run: make, shell: bash, timeout-minutes: 5}
  - {uses: a/b@v1, if: vars.X}
",
    ] {
        out += &format!("{text}{}\n", action(text));
    }
    insta::assert_snapshot!(out);
}

/// The shapes that the runner relies on.
#[test]
fn an_action_reads_whole() {
    let text = "
name: Mine
author: someone
branding: {icon: x, color: y}
inputs:
  who: {description: Whom, required: true, default: '${{ github.actor }}', deprecationMessage: old}
  plain: {}
outputs:
  out: {description: What, value: '${{ steps.a.outputs.x }}'}
runs:
  using: Composite
  steps:
  - {id: a, run: make, shell: bash, env: '${{ fromJSON(inputs.who) }}', continue-on-error: true}
  - {uses: ./other, with: {x: 1.10}, if: failure()}
";
    let (action, found) = Action::parse(&Source::new("action.yml", text));
    let action = action.unwrap_or_else(|| panic!("{found}"));
    let names: Vec<&str> = action.inputs.iter().map(|input| input.name.value.as_str()).collect();
    assert_eq!(names, ["who", "plain"]);
    let shipway_workflow::action::Runs::Composite(composite) = &action.runs else {
        panic!("{:?}", action.runs)
    };
    assert_eq!(composite.steps.len(), 2);
    let text =
        "runs: {using: node24, main: dist/index.js, pre: setup.js, post: post.js, post-if: success()}\n";
    let (action, found) = Action::parse(&Source::new("action.yml", text));
    let action = action.unwrap_or_else(|| panic!("{found}"));
    let shipway_workflow::action::Runs::Node(node) = &action.runs else { panic!("{:?}", action.runs) };
    assert!(node.pre_if.asks_status() && node.post_if.asks_status());
    let text = "
runs: {using: Docker, image: docker://alpine, args: [-c, '${{ inputs.who }}'], env: {A: b}, pre-entrypoint: /pre}
";
    let (action, found) = Action::parse(&Source::new("action.yml", text));
    let action = action.unwrap_or_else(|| panic!("{found}"));
    let shipway_workflow::action::Runs::Docker(docker) = &action.runs else { panic!("{:?}", action.runs) };
    assert_eq!((docker.image.value.as_str(), docker.args.len()), ("docker://alpine", 2));
    assert!(docker.pre_if.asks_status() && docker.pre_entrypoint.is_some() && docker.entrypoint.is_none());
}

#[test]
fn keys_that_differ_in_case_only_are_the_same() {
    let around = |what: &str| {
        format!(
            "on: {{workflow_dispatch: {{inputs: {{}}}}}}\n{what}\njobs: {{a: {{runs-on: x, steps: [{{run: x}}]}}}}\n"
        )
    };
    for what in ["env: {A: 1, a: 2}", "defaults: {run: {shell: bash, SHELL: sh}}"] {
        let found = workflow(&around(what));
        assert!(found.contains("error[SW0107]"), "{found}");
    }
    let found =
        action("name: x\ndescription: y\ninputs: {a: {}, A: {}}\nruns: {using: node20, main: m.js}\n");
    assert!(found.contains("\"A\" is already defined on line 3"), "{found}");
}

#[test]
fn a_misspelt_key_of_an_input_does_not_keep_an_action_from_running() {
    let text =
        "name: x\ninputs: {a: {description:: y, default: z, x-own: 1}}\nruns: {using: node20, main: m.js}\n";
    let (action, found) = Action::parse(&Source::new("action.yml", text));
    assert_eq!(action.map(|action| action.inputs.len()), Some(1));
    assert_eq!(
        found.to_string().trim_end(),
        "action.yml:2:14: warning[SW0101]: the input \"a\" has no key \"description:\", so that it means nothing (did you mean \
         \"description\"?)"
    );
}
