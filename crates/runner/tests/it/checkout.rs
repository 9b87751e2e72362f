//! `actions/checkout` without Node: a commit, or the work tree as it lies there.

use crate::{
    remote::publish,
    world::{Story, World, git, has},
};
use shipway_runner::{Level, NO_TOKEN, Revision};
use std::{fs, os::unix::fs::PermissionsExt as _};

/// What the steps come to with the files as they lie there, and with the commit that they lie at.
async fn both(world: &mut World, commit: &str, steps: &str) -> [Story; 2] {
    world.context.repository.revision = Revision::WorkingTree;
    let lying = world.steps(steps).await;
    world.context.repository.revision = Revision::Commit(commit.to_owned());
    [lying, world.steps(steps).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_out_the_commit_of_the_run() {
    let mut world = World::new();
    world.file("a", "one");
    let first = world.commit();
    world.file("a", "two");
    // A hook that would run at every checkout, had it been copied.
    world.file(".git/hooks/post-checkout", "#!/bin/sh\necho HOOK RAN\n");
    world.commit();
    world.file("a", "not committed");
    world.context.repository.revision = Revision::Commit(first.clone());
    let story = world
        .steps(
            r#"
      - {id: c, uses: actions/checkout@v4}
      - run: echo "$(cat a) $(git rev-parse HEAD) $(git branch --show-current) $(git log --oneline | wc -l) ${{ steps.c.outputs.commit }}"
      - {uses: actions/checkout@v4, with: {ref: main, path: other, fetch-depth: 0}}
      - run: echo "$(cat other/a) $(git -C other log --oneline | wc -l) $(cat a)"
"#,
        )
        .await;
    story.expect_success().expect_line(&format!("one {first} main 1 {first}")).expect_line("two 2 one");
    assert!(!story.log().contains("HOOK RAN"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_out_the_work_tree_as_it_is() {
    let mut world = World::new();
    world.file("tracked", "old");
    world.file("gone", "x");
    world.file(".gitignore", "ignored\n");
    world.commit();
    world.file("tracked", "new");
    world.file("deep/untracked", "u");
    world.file("ignored", "i");
    fs::remove_file(world.repository().join("gone")).expect("removed");
    std::os::unix::fs::symlink("tracked", world.repository().join("link")).expect("link");
    world.context.repository.revision = Revision::WorkingTree;
    let story = world
        .steps(
            "      - uses: actions/checkout@v4\n      - run: echo $(ls) $(cat tracked deep/untracked link) $(git status --short | wc -l)\n",
        )
        .await;
    story.expect_success().expect_line("deep link tracked newunew 4");
    assert_eq!(
        git(&world.repository(), &["status", "--short"]).lines().count(),
        4,
        "the repository is untouched"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stands_on_the_branch_of_the_run_and_has_a_remote() {
    let mut world = World::new();
    world.file("a", "one");
    let commit = world.commit();
    let steps = r#"
      - {uses: actions/checkout@v4, with: {fetch-depth: 0}}
      - run: |
          git branch --show-current
          git config remote.origin.url
          git fetch --quiet origin main && echo "fetched $(git rev-parse FETCH_HEAD)"
          git rev-parse origin/main
          git status --short | wc -l
"#;
    for story in both(&mut world, &commit, steps).await {
        story
            .expect_success()
            .expect_line("main")
            .expect_line(&format!("fetched {commit}"))
            .expect_line(&commit);
        assert!(story.log().lines().any(|line| line.starts_with("https://github.com/")), "{}", story.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_checkout_fetches_the_history_that_the_first_left_out() {
    let mut world = World::new();
    for text in ["one", "two", "three"] {
        world.file("a", text);
        world.commit();
    }
    git(&world.repository(), &["tag", "v1", "HEAD~1"]);
    let steps = r#"
      - uses: actions/checkout@v4
      - run: echo "first $(git rev-list --count HEAD)"
      - {uses: actions/checkout@v4, with: {fetch-depth: 0}}
      - run: echo "then $(git rev-list --count HEAD) $(git rev-parse --is-shallow-repository) $(git describe --tags | cut -d- -f1,2)"
      - {uses: actions/checkout@v4, with: {fetch-depth: 0}}
      - run: echo "again $(git rev-list --count HEAD)"
"#;
    world
        .steps(steps)
        .await
        .expect_success()
        .expect_line("first 1")
        .expect_line("then 3 false v1-1")
        .expect_line("again 3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_checkout_leaves_no_branches_of_the_first() {
    let mut world = World::new();
    world.file("a", "one");
    world.commit();
    git(&world.repository(), &["branch", "feat"]);
    world.file("a", "two");
    world.commit();
    let steps = r#"
      - {uses: actions/checkout@v4, with: {ref: feat}}
      - run: git branch own; touch .git/index.lock; echo "first $(git branch --format='%(refname:short)' | xargs)"
      - {uses: actions/checkout@v4, with: {ref: main}}
      - run: echo "then $(git branch --format='%(refname:short)' | xargs) $(cat a) $(git rev-parse --abbrev-ref main@{u})"
      - run: git branch own; git worktree add -q ../beside own
      - {uses: actions/checkout@v4, with: {ref: feat}}
      - run: echo "made anew $(git branch --format='%(refname:short)' | xargs) $(cat a)"
      - run: git remote set-url origin https://example.com/o/n
      - {uses: actions/checkout@v4, with: {ref: feat, clean: false}}
      - run: echo "of $(git remote get-url origin | sed 's|.*/||')"
"#;
    let story = world.steps(steps).await;
    story.expect_success().expect_line("first feat own").expect_line("then main two origin/main");
    story.expect_line("made anew feat one").expect_line("of it");
    let removed =
        |why: &str| format!("what was checked out before is removed, since it cannot be used: {why}");
    assert!(story.log().contains(&removed("it is of another repository")), "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_without_commits_has_files_all_the_same() {
    let world = World::new();
    world.file("x", "here");
    git(&world.repository(), &["init", "--quiet"]);
    let story = world.steps("      - uses: actions/checkout@v4\n      - run: cat x; echo\n").await;
    story.expect_success().expect_line("here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_why_it_cannot() {
    let mut world = World::new();
    world.file("a", "");
    world.commit();
    let check = async |with: &str, expect: &str| {
        let story = world.steps(&format!("      - {{uses: actions/checkout@v4, with: {{{with}}}}}\n")).await;
        let errors = story.annotations(Level::Error);
        assert!(errors.len() == 1 && errors[0].contains(expect), "{with}: {errors:?}\n{}", story.log());
        assert!(errors[0].starts_with(".github/workflows/test.yml:6:"), "{errors:?}");
    };
    check("ref: nowhere", "[SW0506] there is no commit, branch or tag \"nowhere\"").await;
    check("path: ../up", "[SW0511] ../up leads out of the workspace").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn branches_follow_and_tags_are_there() {
    let mut world = World::new();
    world.file("a", "one");
    let first = world.commit();
    git(&world.repository(), &["tag", "-a", "v1", "-m", "annotated"]);
    git(&world.repository(), &["branch", "other"]);
    // A tag of the same name does not come before the branch.
    world.file("a", "two");
    world.commit();
    git(&world.repository(), &["tag", "other"]);
    let head = git(&world.repository(), &["rev-parse", "HEAD"]);
    let steps = r#"
      - uses: actions/checkout@v4
      - run: git status -sb | head -1; git log --oneline | wc -l; git pull --quiet && echo pulled
      - {uses: actions/checkout@v4, with: {ref: other, path: o}}
      - run: cd o; echo "other is $(git status -sb | head -1) $(cat a)"
      - {uses: actions/checkout@v4, with: {ref: refs/tags/v1, path: t}}
      - run: cd t; echo "tag $(git describe --exact-match) $(git rev-parse HEAD) [$(git branch --show-current)]"
      - {uses: actions/checkout@v4, with: {ref: v1, path: u, fetch-depth: 2}}
      - run: cd u; echo "short $(git describe)"
      - {uses: actions/checkout@v4, with: {ref: main, path: d, fetch-depth: 2}}
      - run: cd d; echo "changed $(git diff --name-only HEAD^ HEAD)"
"#;
    for story in both(&mut world, &head, steps).await {
        story
            .expect_success()
            .expect_line("## main...origin/main")
            .expect_line("1")
            .expect_line("pulled")
            .expect_line("other is ## other...origin/other one")
            .expect_line(&format!("tag v1 {first} []"))
            .expect_line("short v1")
            .expect_line("changed a");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_pushed_to_the_repository_of_the_run() {
    let mut world = World::new();
    world.file("a", "one");
    world.commit();
    git(&world.repository(), &["branch", "other"]);
    let before = git(&world.repository(), &["for-each-ref"]);
    let head = git(&world.repository(), &["rev-parse", "HEAD"]);
    let steps = r#"
      - uses: actions/checkout@v4
      - run: |
          git -c user.name=x -c user.email=x@y commit --quiet --allow-empty -m more
          git push --quiet origin HEAD:main || echo refused
          git push --quiet --force "$(git config remote.origin.url)" HEAD:other :other || echo refused twice
          git push --quiet --force "$(git remote get-url origin)" HEAD:third || echo refused by name
          git push --quiet --force "$(git remote get-url --push origin)" HEAD:third || echo refused by its name for pushes
          git push --quiet --force "file://$REPO" HEAD:third || echo refused by path
          echo "origin is $(git remote get-url origin) $(git ls-remote --get-url)"
          git ls-remote --quiet --heads origin main | cut -f2
          git fetch --quiet && echo fetched
"#;
    let steps = steps.replace("$REPO", &world.repository().display().to_string());
    for story in both(&mut world, &head, &steps).await {
        story.expect_success().expect_line("refused").expect_line("refused twice").expect_line("fetched");
        story.expect_line("refused by name").expect_line("refused by its name for pushes");
        story.expect_line("refused by path").expect_line("refs/heads/main");
        story.expect_line("origin is https://github.com/me/it https://github.com/me/it");
        assert!(
            story.log().contains("a run does not push to the repository it came from"),
            "{}",
            story.log()
        );
    }
    assert_eq!(git(&world.repository(), &["for-each-ref"]), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_checkout_cleans_and_submodules_have_their_folder() {
    let mut world = World::new();
    world.file("a", "one");
    let commit = world.commit();
    // A submodule is an entry of the index and a folder.
    git(&world.repository(), &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},mod")]);
    fs::create_dir(world.repository().join("mod")).expect("a folder");
    git(&world.repository(), &["commit", "--quiet", "-m", "mod"]);
    let head = git(&world.repository(), &["rev-parse", "HEAD"]);
    let steps = r#"
      - uses: actions/checkout@v4
      - run: touch junk; mkdir o; test -d mod; echo "status [$(git status --porcelain a mod)]"
      - {uses: actions/checkout@v4, with: {clean: false}}
      - run: test -e junk && echo kept
      - uses: actions/checkout@v4
      - run: ls | tr '\n' ' '; echo; echo "clean [$(git status --porcelain a mod)]"
"#;
    for story in both(&mut world, &head, steps).await {
        story
            .expect_success()
            .expect_line("status []")
            .expect_line("kept")
            .expect_line("a mod ")
            .expect_line("clean []");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shallow_clone_gives_what_it_has() {
    let mut world = World::new();
    world.file("a", "one");
    world.commit();
    world.file("a", "two");
    let commit = world.commit();
    let deep = world.dir.path().join("deep");
    fs::rename(world.repository(), &deep).expect("renamed");
    let (from, to) = (format!("file://{}", deep.display()), world.repository().display().to_string());
    git(world.dir.path(), &["clone", "--quiet", "--depth=1", &from, &to]);
    let steps = "      - {uses: actions/checkout@v4, with: {fetch-depth: 0}}\n      - run: echo \"$(git log --oneline | wc -l) $(git rev-parse --is-shallow-repository)\"; git fsck\n";
    for story in both(&mut world, &commit, steps).await {
        story.expect_success().expect_line("1 true");
    }
}

/// A git that takes every repository for somebody else's, as git's own tests do.
fn estranged(world: &mut World) {
    let bin = world.dir.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    let path = world.context.host_env["PATH"].clone();
    let script = format!("#!/bin/sh\nPATH='{path}' GIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec git \"$@\"\n");
    fs::write(bin.join("git"), script).expect("a file");
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).expect("a program");
    let mut env = (*world.context.host_env).clone();
    env.insert("PATH".to_owned(), format!("{}:{path}", bin.display()));
    world.context.host_env = env.into();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_may_belong_to_somebody_else() {
    let mut world = World::new();
    world.file("a", "one");
    let commit = world.commit();
    estranged(&mut world);
    let steps = r#"
      - run: git -C "$HOME" init -q . && git -C "$HOME" status || echo strange
      - {uses: actions/checkout@v4, with: {fetch-depth: 0}}
      - run: git -c safe.directory='*' fetch --quiet && git -c safe.directory='*' rev-parse origin/main
"#;
    for story in both(&mut world, &commit, steps).await {
        story.expect_success().expect_line("strange").expect_line(&commit);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cause_is_told_that_git_names() {
    let mut world = World::new();
    world.file("a", "one");
    let commit = world.commit();
    // An object that is lost, in a repository that is there.
    let tree = git(&world.repository(), &["rev-parse", "HEAD^{tree}"]);
    fs::remove_file(world.repository().join(".git/objects").join(&tree[..2]).join(&tree[2..])).expect("lost");
    world.context.repository.revision = Revision::Commit(commit);
    let story = world.steps("      - uses: actions/checkout@v4\n").await;
    let errors = story.annotations(Level::Error);
    assert!(errors.len() == 1 && errors[0].contains("[SW0506] git fetch failed: "), "{errors:?}");
    assert!(errors[0].contains(&tree), "{errors:?}\n{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inputs_mean_what_they_mean_to_the_official_action() {
    let mut world = World::new();
    world.file("a", "one");
    world.commit();
    world.file("a", "two");
    let head = world.commit();
    git(&world.repository(), &["update-ref", "refs/pull/5/merge", "HEAD"]);
    let steps = r#"
      - {uses: actions/checkout@v4, id: sha, with: {ref: HEAD_OF_IT, path: s}}
      - run: echo "ref [${{ steps.sha.outputs.ref }}] commit [${{ steps.sha.outputs.commit }}]"
      - {uses: actions/checkout@v4, with: {fetch-depth: abc, path: all}}
      - {uses: actions/checkout@v4, with: {fetch-depth: -1, path: less}}
      - {uses: actions/checkout@v4, with: {fetch-depth: 1.5, path: one}}
      - run: echo "$(git -C all log --oneline | wc -l) $(git -C less log --oneline | wc -l) $(git -C one log --oneline | wc -l)"
      - {uses: actions/checkout@v4, with: {ref: refs/pull/5/merge, path: pr}}
      - run: cd pr; git status | head -n 1; git rev-parse refs/remotes/pull/5/merge; git symbolic-ref -q HEAD || echo detached
      - {uses: actions/checkout@v4, with: {path: '${{ github.workspace }}/in/side'}}
      - run: cat in/side/a
      - {uses: actions/checkout@v4, continue-on-error: true, with: {path: /tmp/out}}
      - {uses: actions/checkout@v4, continue-on-error: true, with: {path: in/../../out}}
      - run: find . -name out
"#;
    let head = head.trim();
    let story = world.steps(&steps.replace("HEAD_OF_IT", head)).await;
    story.expect_line(&format!("ref [] commit [{head}]")).expect_line("2 2 1");
    story.expect_line("HEAD detached at pull/5/merge").expect_line(head).expect_line("detached");
    story.expect_line("two");
    let refused = story.annotations(Level::Error);
    let refused = refused.iter().filter(|error| error.contains("leads out of the workspace")).count();
    assert_eq!(refused, 2, "{}", story.log());
    assert!(!story.log().lines().any(|line| line == "./out" || line == "./tmp/out"), "{}", story.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_name_brings_what_begins_with_it_as_the_official_action_does() {
    let mut world = World::new();
    world.file("a", "one");
    world.commit();
    for tag in ["v1", "v1.0", "v1-beta", "v2", "w1"] {
        git(&world.repository(), &["tag", tag]);
    }
    git(&world.repository(), &["branch", "v1-fixes"]);
    let head = git(&world.repository(), &["rev-parse", "HEAD"]);
    let refs = "git for-each-ref --format='%(refname)' | tr '\\n' ' '";
    let steps = format!(
        r#"
      - {{uses: actions/checkout@v4, with: {{ref: v1, path: short}}}}
      - run: cd short; echo "short $({refs})"
      - {{uses: actions/checkout@v4, with: {{ref: refs/tags/v1, path: full}}}}
      - run: cd full; echo "full $({refs})"
      - {{uses: actions/checkout@v4, with: {{ref: v1-fixes, path: branch}}}}
      - run: cd branch; echo "branch $({refs})"
      - {{uses: actions/checkout@v4, with: {{ref: v1, fetch-tags: true, path: tags}}}}
      - run: cd tags; echo "tags $(git tag | wc -l)"
"#
    );
    for story in both(&mut world, &head, &steps).await {
        story
            .expect_success()
            .expect_line("short refs/remotes/origin/v1-fixes refs/tags/v1 refs/tags/v1-beta refs/tags/v1.0 ")
            .expect_line("full refs/tags/v1 ")
            .expect_line("branch refs/heads/v1-fixes refs/remotes/origin/v1-fixes ")
            .expect_line("tags 5");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_repository_itself_is_found_on_the_machine() {
    let mut world = World::new();
    world.file("a", "one");
    let commit = world.commit();
    let show = r#"for a in it it/ it.git it.git/ it-lib it.github it.gitx it2 it_ it.git.git other; do
            echo "$a is $(git ls-remote --get-url "https://github.com/me/$a")"
          done"#;
    // What a push to another repository meets is the name that it was given.
    let steps = format!(
        r#"
      - uses: actions/checkout@v4
      - run: |
          {show}
          for a in it it.git it-lib it.gitx; do
            git remote add "r-$a" "https://github.com/me/$a"
            echo "pushes to $a go to $(git remote get-url --push "r-$a")"
          done
          git config --get-all remote.origin.url
"#
    );
    let nowhere = "a run does not push to the repository it came from; push to another remote";
    for story in both(&mut world, &commit, &steps).await {
        story.expect_success();
        for other in ["it-lib", "it.gitx"] {
            story.expect_line(&format!("pushes to {other} go to https://github.com/me/{other}"));
        }
        for own in ["it", "it.git"] {
            story.expect_line(&format!("pushes to {own} go to {nowhere}"));
        }
    }
    if !has("node") {
        return;
    }
    world.context.native_actions = false;
    let main = format!(
        "process.stdout.write(require('child_process').execFileSync('bash', ['-c', {}]));\n",
        serde_json::Value::from(show)
    );
    let manifest = "name: checkout\ninputs: {repository: {default: '${{ github.repository }}'}}\nruns: {using: node20, main: main.js}\n";
    publish(&world, "actions/checkout", &[("action.yml", manifest), ("main.js", &main)]);
    let story = world.steps("      - uses: actions/checkout@v1\n").await;
    story.expect_success();
    let here = format!("file://{}", world.repository().display());
    for (own, end) in [("it", ""), ("it/", "/"), ("it.git", ""), ("it.git/", "/")] {
        story.expect_line(&format!("{own} is {here}{end}"));
    }
    for other in ["it-lib", "it.github", "it.gitx", "it2", "it_", "it.git.git", "other"] {
        story.expect_line(&format!("{other} is https://github.com/me/{other}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_stays_with_the_checkout_unless_it_must_not() {
    let mut world = World::new();
    world.file("a", "one");
    let commit = world.commit();
    let read = "git config --get-all http.https://github.com/.extraheader | cut -d ' ' -f 3 | base64 -d | rev || true";
    let steps = format!(
        r#"
      - uses: actions/checkout@v4
      - run: echo "default $({read})"
      - {{uses: actions/checkout@v4, with: {{token: given-by-hand}}}}
      - run: echo "given $({read})"; cat .git/config
      - {{uses: actions/checkout@v4, with: {{token: given-by-hand, persist-credentials: false}}}}
      - run: echo "taken $({read})"
      - {{uses: actions/checkout@v4, with: {{token: '${{{{ secrets.NONE }}}}', path: none}}}}
      - run: cd none; echo "none $({read})"
      - {{uses: actions/checkout@v4, with: {{token: '{NO_TOKEN}', path: no}}}}
      - run: cd no; echo "no $({read})"
"#
    );
    for token in [None, Some("of-the-run")] {
        if let Some(token) = token {
            world.secret("GITHUB_TOKEN", token);
        }
        for story in both(&mut world, &commit, &steps).await {
            story.expect_success();
            // As it is, it would be masked.
            let shown = |token: &str| format!("x-access-token:{token}").chars().rev().collect::<String>();
            story.expect_line(&format!("default {}", token.map(shown).unwrap_or_default()));
            story.expect_line(&format!("given {}", shown("given-by-hand")));
            story.expect_line("\textraheader = \"AUTHORIZATION: basic ***\"");
            for none in ["taken ", "none ", "no "] {
                story.expect_line(none);
            }
        }
    }
}
