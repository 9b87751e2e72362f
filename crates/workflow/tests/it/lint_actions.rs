//! Known answers about actions of one's own repository, about old versions of others, and about old commands.

use crate::lint::{find, steps};
use shipway_base::Source;
use shipway_workflow::lint::{Finding, Interfaces, Kind, Options, lint};

const CODE: &str = "
name: code
description: a local action of JavaScript
outputs: {cache-hit: {description: whether}}
runs: {using: node24, main: index.js}
";

fn shown(found: &[Finding]) -> Vec<String> {
    found
        .iter()
        .map(|finding| format!("{} {} {}", finding.span.start, finding.level.as_str(), finding.message))
        .collect()
}

#[test]
fn an_action_of_code_may_set_what_it_does_not_declare() {
    let mut all = Interfaces::new();
    all.add(".github/actions/code/action.yml", &Source::new("action.yml", CODE));
    let text = steps(
        "      - {id: b, uses: ./.github/actions/code}\n      - run: echo ${{ steps.b.outputs.any }} ${{ steps.b.outputs.cache-hit }} ${{ steps.b.outputs.cache_hit }}\n",
    );
    let source = Source::new("ci.yml", text.as_str());
    let found = lint(&source, Kind::Workflow, &all.whole(), Options { pedantic: false });
    assert_eq!(shown(&found), ["8:83 warning this action declares no output \"cache_hit\""]);
}

#[test]
fn the_first_checkout_is_no_program_of_node() {
    let text = steps(
        "      - uses: actions/checkout@v1\n      - uses: actions/checkout@v1.2.0\n      - uses: actions/checkout@v2\n",
    );
    let found = shown(&find(&text, Kind::Workflow, false));
    assert_eq!(found, ["9:15 warning this version runs on a Node that is no longer there: actions/checkout"]);
}

#[test]
fn the_message_tells_whether_an_old_command_still_works() {
    let text =
        steps("      - run: |\n          echo '::set-output name=a::b'\n          echo '::add-path::/x'\n");
    assert_eq!(
        shown(&find(&text, Kind::Workflow, false)),
        [
            "8:11 warning the command set-output is deprecated, and each run warns of it",
            "9:11 warning the command add-path is refused, and the step fails",
        ]
    );
}
