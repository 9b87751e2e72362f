//! Whole runs beside `act`, the tool that people use today to run workflows on their own machine, both on the bare host.

use super::sample::{self, Cost};
use crate::process::{command, exists, output, run, say};
use anyhow::{Context as _, Result};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// How often each side is measured.
const ROUNDS: usize = 5;

/// A workflow to measure.
struct Case {
    name: &'static str,
    /// How many jobs it has.
    jobs: u32,
    workflow: String,
    /// Files in the repository beside the workflow.
    files: u32,
    /// The scripts that do the same without either, in the same folder, and what they are called.
    bare: Vec<(&'static str, String)>,
}

/// Measures every case, the two sides taking turns.
pub(super) fn measure(root: &Path) -> Result<()> {
    let target = root.join(sample::target_folder(root)?);
    let Some(act) = act(root, &target.join("bench-tools"))? else { return Ok(()) };
    let shipway = target.join("release/shipway");
    for case in cases() {
        let folder = repository(root, &case)?;
        let mut costs = [Vec::new(), Vec::new()];
        let mut bare = vec![Vec::new(); case.bare.len()];
        for _ in 0..ROUNDS {
            costs[0].push(sample::cost(command(&folder, &shipway).args(["run", "push"]))?);
            costs[1].push(sample::cost(&mut act_run(&folder, &act))?);
            for ((_, script), costs) in case.bare.iter().zip(&mut bare) {
                costs.push(sample::cost(command(&folder, "bash").args(["-e", "-c", script]))?);
                fs::remove_dir_all(folder.join(".bare"))?;
            }
        }
        let costs = costs.map(sample::typical);
        for ((tool, _), bare) in case.bare.iter().zip(bare) {
            let bare = sample::typical(bare).wall_ms;
            let share = 100.0 * bare / costs[0].wall_ms;
            say(&format!(
                "{:<22} bare tool, {tool}: {bare:.1} ms wall: shipway has {share:.0} % of its speed (aim: at least 80 %)",
                case.name
            ));
        }
        show(&case, costs);
        fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn show(case: &Case, [ours, theirs]: [Cost; 2]) {
    let jobs = f64::from(case.jobs);
    say(&format!(
        "{:<22} shipway {:>9.1} ms wall {:>9.1} ms CPU; act {:>9.1} ms wall {:>9.1} ms CPU; per job {:.1} and {:.1} ms; \
         ratio {:.1}x wall, {:.1}x CPU (aim: at least 5x)",
        case.name,
        ours.wall_ms,
        ours.cpu_ms,
        theirs.wall_ms,
        theirs.cpu_ms,
        ours.wall_ms / jobs,
        theirs.wall_ms / jobs,
        theirs.wall_ms / ours.wall_ms,
        theirs.cpu_ms / ours.cpu_ms.max(1.0),
    ));
}

/// The program; built from Go's module proxy into `tools` when it is not installed.
fn act(root: &Path, tools: &Path) -> Result<Option<PathBuf>> {
    if exists("act") {
        return Ok(Some(PathBuf::from("act")));
    }
    let program = tools.join("act");
    if !program.is_file() {
        if !exists("go") {
            say("SKIPPED LOUDLY: this bench needs act, or go to build it with");
            return Ok(None);
        }
        fs::create_dir_all(tools)?;
        let install = ["install", "github.com/nektos/act@latest"];
        run(command(root, "go").args(install).env("GOBIN", tools))?;
    }
    Ok(Some(program))
}

fn act_run(folder: &Path, act: &Path) -> std::process::Command {
    let mut process = command(folder, act);
    process
        .args(["push", "--platform", "ubuntu-latest=-self-hosted", "--no-cache-server", "--quiet"])
        // Its settings and caches, apart from those of whoever runs this.
        .env("HOME", folder.join(".home"))
        .env("XDG_CACHE_HOME", folder.join(".home/cache"));
    process
}

fn cases() -> [Case; 5] {
    let job = |id: &str, more: &str, step: &str| {
        format!("  {id}:\n    runs-on: ubuntu-latest\n{more}    steps:\n      - {step}\n")
    };
    let mut diamond = job("first", "", "run: echo first");
    let mut all = String::new();
    for number in 0..18 {
        let id = format!("side{number}");
        diamond += &job(&id, "    needs: first\n", "run: echo side");
        let _ = write!(all, "{id}, ");
    }
    diamond += &job("last", &format!("    needs: [{all}first]\n"), "run: echo last");
    let legs = (0..100).map(|leg| leg.to_string()).collect::<Vec<_>>().join(", ");
    let matrix = format!("    strategy:\n      matrix:\n        leg: [{legs}]\n");
    let head = |jobs: String| format!("on: push\njobs:\n{jobs}");
    let case =
        |name, jobs, workflow, files| Case { name, jobs, workflow: head(workflow), files, bare: Vec::new() };
    // A million lines of a hundred bytes.
    let log = "yes \"$(printf 'x%.0s' $(seq 99))\" | head -n 1000000";
    let bare = |scripts: &[(&'static str, String)], case| {
        let bare = scripts.iter().map(|(tool, script)| (*tool, format!("mkdir .bare; {script}"))).collect();
        Case { bare, ..case }
    };
    [
        case("one step", 1, job("one", "", "run: echo one"), 1),
        case("diamond of 20 jobs", 20, diamond, 1),
        case("matrix of 100 jobs", 100, job("legs", &matrix, "run: echo leg"), 1),
        bare(
            // Whoever looks at what a script prints reads it from a pipe, and a script that prints into a file has no reader.
            &[
                ("read by cat", format!("{log} | cat > .bare/log")),
                ("without a reader", format!("{log} > .bare/log")),
            ],
            case("100 MB of log", 1, job("log", "", &format!("run: {log}")), 1),
        ),
        bare(
            &[("git clone", "git clone --quiet --depth=1 \"file://$PWD\" .bare/clone".to_owned())],
            case("checkout, 20,000 files", 1, job("files", "", "uses: actions/checkout@v4"), 20_000),
        ),
    ]
}

fn repository(root: &Path, case: &Case) -> Result<PathBuf> {
    let folder =
        PathBuf::from(output(command(root, "mktemp").args(["-d", "-t", "shipway-bench.XXXXXX"]))?.trim());
    fs::create_dir_all(folder.join(".github/workflows"))?;
    fs::write(folder.join(".github/workflows/bench.yml"), &case.workflow)?;
    fs::write(folder.join(".gitignore"), ".home/\n.bare/\n")?;
    for number in 0..case.files {
        let dir = folder.join(format!("src/{}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&dir)?;
        }
        fs::write(dir.join(format!("file{number}.txt")), format!("file {number}\n").repeat(50))?;
    }
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0"];
        let done = command(&folder, "git").args(identity).args(arguments).status()?;
        anyhow::ensure!(done.success(), "git {arguments:?} failed");
        Ok(())
    };
    git(&["init", "--quiet", "--initial-branch=main"])?;
    // act asks for a remote to learn the repository's name from.
    git(&["remote", "add", "origin", "https://github.com/bench/bench"])?;
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--message", "bench"]).context("the bench's repository")?;
    // Packed, as every repository that was cloned, or that git has looked after, is.
    git(&["gc", "--quiet"])?;
    Ok(folder)
}
