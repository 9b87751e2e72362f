//! A shell with a terminal in the container of a job, as somebody who looks at a failed step opens it.

use super::{executor, image, world};
use shipway_runner::{
    Chunk, Ending, Executor as _, Finished, JobIdentity, Program, ProgramPlace, Script, Streams, Terminal,
    Wants,
};
use shipway_workflow::document::ContainerSpec;
use std::{collections::BTreeMap, time::Duration};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What is shown until a text comes, or the terminal closes.
async fn until(shown: &mut mpsc::Receiver<Chunk>, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        let next = tokio::time::timeout(Duration::from_secs(60), shown.recv()).await;
        let chunk = next.unwrap_or_else(|_| panic!("no {text:?} in {all:?}"));
        let Some(chunk) = chunk else { break };
        all += &String::from_utf8_lossy(&chunk);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a container engine"]
async fn a_shell_in_the_container_has_a_terminal_and_the_environment_of_the_step() {
    let world = world().await;
    let executor = executor(world.dir.path());
    let job = JobIdentity {
        folder: "shell-1".to_owned(),
        tracking: format!("shipway_shell_{}", std::process::id()),
    };
    let spec = ContainerSpec { image: image::NAME.to_owned(), ..ContainerSpec::default() };
    let wants = Wants { container: Some(spec), repository: "it".to_owned(), ..Wants::default() };
    let (sender, mut told) = mpsc::channel(64);
    let drain = tokio::spawn(async move { while told.recv().await.is_some() {} });
    let folders = executor.open(&job).await.expect("folders");
    let stop = CancellationToken::new();
    let opened = executor.enter(&job, &folders, &wants, sender.clone(), &stop).await.expect("containers");
    let program = Program {
        job: job.clone(),
        folders: opened.folders.clone(),
        argv: vec!["sh".to_owned(), "-i".to_owned()],
        script: Some(Script { text: "echo from the script\n".to_owned(), extension: ".sh", shells: None }),
        directory: opened.paths.inside(&opened.folders.workspace),
        env: BTreeMap::from([
            ("PATH".to_owned(), "/bin".to_owned()),
            ("MINE".to_owned(), "of the step".to_owned()),
        ]),
        place: ProgramPlace::Job,
        streams: Streams::default(),
        files: None,
    };
    let (input, typed) = mpsc::channel(8);
    let (output, mut shown) = mpsc::channel(8);
    let (resize, size) = watch::channel((30, 100));
    let shell = executor.interact(&program, Terminal { input: typed, output, size }, &stop);
    let type_line = |line: &str| {
        let (input, line) = (input.clone(), format!("{line}\n"));
        async move { input.send(line.into_bytes()).await.expect("typed") }
    };
    let person = async {
        type_line("test -t 0 && echo \"on a ${MINE/the/a} terminal\" $PWD").await;
        until(&mut shown, "on a of a step terminal /__w/it/it").await;
        type_line("sh $SHIPWAY_SCRIPT; echo answer=42 >> $GITHUB_OUTPUT; echo wri''tten").await;
        until(&mut shown, "written").await;
        resize.send((31, 101)).expect("resized");
        type_line("until stty size | grep -q '31 101'; do :; done; echo resi''zed").await;
        until(&mut shown, "resized").await;
        type_line("exit 7").await;
        until(&mut shown, "no such text").await
    };
    let (finished, _rest) = tokio::join!(shell, person);
    let Finished { ending, files } = finished.expect("a shell");
    assert_eq!(ending, Ending::Exited(7));
    assert_eq!(String::from_utf8_lossy(&files.output), "answer=42\n");
    // One that is stopped is gone, with what it started.
    let (_input, typed) = mpsc::channel(8);
    let (output, mut shown) = mpsc::channel(8);
    let (_resize, size) = watch::channel((30, 100));
    let shell = executor.interact(&program, Terminal { input: typed, output, size }, &stop);
    let person = async {
        until(&mut shown, "# ").await;
        stop.cancel();
    };
    let (finished, ()) = tokio::join!(shell, person);
    assert_eq!(finished.expect("stopped").ending, Ending::Stopped);
    executor.close(&job, &opened.folders, sender).await.expect("closed");
    drain.await.expect("drained");
}
