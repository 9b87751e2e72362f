//! Fixes of lint: what they change, what they leave alone, and that they take no time.

use crate::lint::{find, steps};
use shipway_workflow::lint::{Kind, apply};

fn fixed(before: &str, after: &str) {
    let mut text = before.to_owned();
    for _ in 0..9 {
        let found = find(&text, Kind::Workflow, true);
        let (next, count) = apply(&text, &found);
        if count == 0 {
            break;
        }
        text = next;
    }
    assert_eq!(text, after);
}

#[test]
fn fixes_mend_and_touch_nothing_else() {
    fixed(
        &steps(
            "      # a comment\n      - run: |\n          echo   \"a ${{ github.event.issue.title }}\"\n          echo \"${{ github.event.issue.title }} ${{ github.head_ref }}\" # why\n",
        ),
        &steps(
            "      # a comment\n      - env:\n          HEAD_REF: ${{ github.head_ref }}\n          ISSUE_TITLE: ${{ github.event.issue.title }}\n        run: |\n          echo   \"a ${ISSUE_TITLE}\"\n          echo \"${ISSUE_TITLE} ${HEAD_REF}\" # why\n",
        ),
    );
    let unquoted = steps(
        "      - run: echo ${{ github.head_ref }} '${{ github.head_ref }}' \"$(echo \"${{ github.head_ref }}\")\"\n",
    );
    fixed(&unquoted, &unquoted);
    fixed(
        &steps(
            "      - name: x\n        env:\n          A: 1\n        uses: actions/github-script@v7\n        with:\n          script: |\n            console.log('${{ github.head_ref }}')\n",
        ),
        &steps(
            "      - name: x\n        env:\n          HEAD_REF: ${{ github.head_ref }}\n          A: 1\n        uses: actions/github-script@v7\n        with:\n          script: |\n            console.log(process.env.HEAD_REF)\n",
        ),
    );
    fixed(
        &steps(
            "      - run: |\n          echo \"::set-output name=tag::$TAG\"\n          echo ::add-path::$HOME/bin\n          echo '::set-env name=A::b'\n          if true; then echo \"::set-output name=a::b\"; fi\n",
        ),
        &steps(
            "      - run: |\n          echo \"tag=$TAG\" >> \"$GITHUB_OUTPUT\"\n          echo $HOME/bin >> \"$GITHUB_PATH\"\n          echo 'A=b' >> \"$GITHUB_ENV\"\n          if true; then echo \"::set-output name=a::b\"; fi\n",
        ),
    );
    fixed(
        &steps("      - uses: actions/checkout@v4\n      - run: make\n"),
        &steps(
            "      - with:\n          persist-credentials: false\n        uses: actions/checkout@v4\n      - run: make\n",
        ),
    );
    let pushes = steps("      - uses: actions/checkout@v4\n      - run: git push\n");
    fixed(&pushes, &pushes);
}

/// With a look at the whole document for each of them this would not end. A script with expressions may have 21,000 characters.
#[test]
fn scripts_of_very_many_expressions_are_judged() {
    let (each, scripts) = (500, 30);
    let count = each * scripts;
    let told = |text: &str, rule: &str| {
        let found = find(text, Kind::Workflow, false);
        let of_rule = found.iter().filter(|finding| finding.name() == rule).count();
        (of_rule, apply(text, &found).1)
    };
    let lines = "          echo \"é ${{ github.head_ref }}\"\n".repeat(each);
    let text = steps(&format!("      - run: |\n{lines}").repeat(scripts));
    assert_eq!(told(&text, "script-injection"), (count, scripts));
    let text =
        steps(&format!("      - run: echo {}\n", "\"${{ github.head_ref }}\" ".repeat(each)).repeat(scripts));
    assert_eq!(told(&text, "script-injection"), (count, scripts));
    let lines = "          echo \"::set-output name=tag::$TAG\"\n".repeat(count);
    let text = steps(&format!("      - run: |\n{lines}"));
    assert_eq!(told(&text, "deprecated-command"), (count, count));
    let text = steps(&"      - run: echo \"${{ github.head_ref }}\"\n".repeat(9_000));
    assert_eq!(told(&text, "script-injection"), (9_000, 9_000));
}

#[test]
fn what_a_fix_would_change_is_left_alone() {
    for left in [
        // The second step would not have the variable.
        "      - run: &script echo \"${{ github.head_ref }}\"\n      - run: *script\n",
        "      - uses: actions/github-script@v7\n        with: &with\n          script: f('${{ github.head_ref }}')\n      - uses: actions/github-script@v7\n        with: *with\n",
        // A list is the word `Array` in a script, and fails in `env`.
        "      - run: echo \"${{ github.event.commits.*.message }}\"\n",
        "      - run: echo \"$${{ github.head_ref }}\"\n",
        "      - run: '[[ \"${{ github.head_ref }}\" -eq 1 ]]'\n",
    ] {
        let text = steps(left);
        fixed(&text, &text);
        let told = find(&text, Kind::Workflow, false);
        assert!(told.iter().any(|finding| finding.name() == "script-injection"), "{text}");
    }
    fixed(
        &steps("      - &step\n        run: echo \"${{ github.head_ref }}\"\n      - *step\n"),
        &steps(
            "      - &step\n        env:\n          HEAD_REF: ${{ github.head_ref }}\n        run: echo \"${HEAD_REF}\"\n      - *step\n",
        ),
    );
}

#[test]
fn what_a_fix_adds_ends_its_lines_as_the_file_does() {
    let text = steps(
        "      - uses: actions/checkout@v4\n      - run: |\n          echo \"${{ github.head_ref }}\"\n",
    );
    let text = text.replace('\n', "\r\n");
    let (mended, count) = apply(&text, &find(&text, Kind::Workflow, true));
    assert!(count >= 2, "{mended}");
    assert_eq!(mended.matches('\n').count(), mended.matches("\r\n").count(), "{mended:?}");
    assert!(!mended.contains("\r\r"), "{mended:?}");
}
