//! A gigabyte saved in a cache and restored, by the built-in action and by the official package, beside `tar` and `zstd`
//! alone.

use crate::process::{command, output, run, say};
use anyhow::{Result, bail};
use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

/// What is saved, in bytes.
const SIZE: usize = 1 << 30;

/// Files of this size, as of a folder of dependencies.
const FILE: usize = 1 << 20;

/// Times that each side is measured, in turn with the other.
const ROUNDS: usize = 3;

/// Who saves and restores: the built-in `actions/cache`, and `@actions/cache` from the npm registry.
const SIDES: [&str; 2] = ["built-in", "toolkit"];

/// What is measured.
const TASKS: [&str; 2] = ["save", "restore"];

/// Measures both ways.
pub(super) fn measure(root: &Path) -> Result<()> {
    let packages = root.join("tests/actions");
    run(command(&packages, "npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]))?;
    let shipway = root.join(super::sample::target_folder(root)?).join("release/shipway");
    let made = output(command(root, "mktemp").args(["-d", "-t", "shipway-bench.XXXXXX"]))?;
    let folder = PathBuf::from(made.trim());
    let data = folder.join("data");
    make_data(&data)?;
    repository(&folder.join("repository"), &packages.join("services"), &data)?;
    let mut bare = [Vec::new(), Vec::new()];
    let mut ours = SIDES.map(|_| [Vec::new(), Vec::new()]);
    for round in 0..ROUNDS {
        let archive = folder.join("archive.tzst");
        let into = folder.join("bare");
        fs::create_dir_all(&into)?;
        let mut save = command(&data, "tar");
        save.args(["--use-compress-program", "zstdmt", "-cf"]).arg(&archive).arg(".");
        bare[0].push(super::sample::cost(&mut save)?.wall_ms);
        let mut restore = command(&into, "tar");
        restore.args(["--use-compress-program", "unzstd", "-xf"]).arg(&archive);
        bare[1].push(super::sample::cost(&mut restore)?.wall_ms);
        fs::remove_dir_all(&into)?;
        for (side, ours) in SIDES.iter().zip(&mut ours) {
            for (place, task) in TASKS.into_iter().enumerate() {
                let mut process = command(&folder.join("repository"), &shipway);
                process.args(["run", "--json", "--cache-dir"]).arg(folder.join("kept"));
                process.args(["--var", &format!("DO={task}"), "--var", &format!("KEY=k-{round}")]);
                process.args(["--var", &format!("WITH={side}")]);
                if task == "restore" {
                    // Into nothing, as the bare tools do.
                    fs::remove_dir_all(&data)?;
                }
                ours[place].push(steps(&output(&mut process)?)?);
                if fs::read_dir(&data)?.count() != SIZE / FILE {
                    bail!("{side}: the data is not there after the {task}");
                }
            }
            fs::remove_dir_all(folder.join("kept"))?;
        }
    }
    for (place, task) in TASKS.into_iter().enumerate() {
        let bare = median(&mut bare[place]);
        for (side, ours) in SIDES.iter().zip(&mut ours) {
            let ours = median(&mut ours[place]);
            say(&format!(
                "{task:<8} tar and zstd {bare:>9.0} ms, {side:<8} {ours:>9.0} ms: {:>4.0} % of the bare tool; aim: at least 80 %",
                100.0 * bare / ours
            ));
        }
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// Files that compress to about half: random bytes and text by turns, always the same.
fn make_data(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 0..SIZE / FILE {
        let mut file = BufWriter::new(File::create(folder.join(format!("file-{number}")))?);
        for _ in 0..FILE / 64 {
            for _ in 0..4 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                file.write_all(&state.to_le_bytes())?;
            }
            file.write_all(b"and thirty-two bytes of a text.\n")?;
        }
        file.flush()?;
    }
    Ok(())
}

/// A repository whose workflow saves or restores the data with the action of the tests.
fn repository(folder: &Path, action: &Path, data: &Path) -> Result<()> {
    let workflow = format!(
        "on: push\njobs:\n  one:\n    runs-on: x\n    env: {{WHO: '${{{{ vars.WITH }}}} ${{{{ vars.DO }}}}'}}\n    steps:\n      - \
         run: ln -s '{action}' services\n      - if: vars.WITH == 'toolkit'\n        uses: ./services\n        with: {{do: \
         '${{{{ vars.DO }}}}', {with}}}\n      - if: env.WHO == 'built-in save'\n        uses: actions/cache/save@v4\n        with: \
         {{{with}}}\n      - if: env.WHO == 'built-in restore'\n        uses: actions/cache/restore@v4\n        with: {{{with}, \
         fail-on-cache-miss: true}}\n",
        action = action.display(),
        with = format_args!("key: '${{{{ vars.KEY }}}}', path: '{}'", data.display()),
    );
    fs::create_dir_all(folder.join(".github/workflows"))?;
    fs::write(folder.join(".github/workflows/one.yml"), workflow)?;
    run(command(folder, "git").args(["init", "--quiet", "--initial-branch=main"]))
}

/// How long the steps after the first took, by the events of the run, in milliseconds. Those that do not run take none.
fn steps(events: &str) -> Result<f64> {
    let events: Vec<serde_json::Value> =
        events.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failed =
        events.iter().any(|event| event["text"].as_str().is_some_and(|text| text.contains("Failed to")));
    if failed {
        bail!("the cache could not be saved or restored");
    }
    let steps = events.iter().filter(|event| event["event"] == "step_finished");
    let times: Vec<f64> = steps.filter_map(|event| event["duration_ms"].as_f64()).skip(1).collect();
    if times.is_empty() {
        bail!("the run does not tell the time of its steps");
    }
    Ok(times.iter().sum())
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
