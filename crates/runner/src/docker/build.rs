//! Building the image of a Docker action from its Dockerfile.

use super::{
    buildkit,
    engine::{Engine, words},
    ignore::Ignore,
    pull::build_error,
    started::say,
};
use crate::{
    aside::{Aside, Over},
    error::{ErrorKind, RunnerError},
    executor::Chunk,
};
use bollard::{body_try_stream, query_parameters::BuildImageOptions};
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use shipway_base::Digest;
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{io::ReaderStream, sync::CancellationToken};

/// The name of the images that are built; the tag is the digest of what they are built from.
const NAME: &str = "shipway-action";
/// How long a build may say nothing. A `RUN` line may be silent for long; the limit of the job comes sooner mostly.
const SILENCE: Duration = Duration::from_secs(3_600);

/// Builds an image. Answers with its name.
pub(super) async fn build(
    engine: &Engine,
    file: &Path,
    folder: &Path,
    scratch: &Path,
    output: &mpsc::Sender<Chunk>,
    stop: &CancellationToken,
) -> Result<String, RunnerError> {
    let dockerfile = file.strip_prefix(folder).map_err(|_| {
        let message =
            format!("the Dockerfile {} lies outside of its action {}", file.display(), folder.display());
        RunnerError::new(ErrorKind::Image, message)
    })?;
    let dockerfile = dockerfile.to_string_lossy().into_owned();
    if !file.is_file() {
        let message = format!("the action names {dockerfile:?} as its image, and there is no such file");
        return Err(RunnerError::new(ErrorKind::Image, message).with_help("correct the name in action.yml"));
    }
    let tar = scratch.join("_context.tar");
    let (from, to, keep) = (folder.to_owned(), tar.clone(), dockerfile.clone());
    let packing = Aside::begin(move |over| pack(&from, &to, &keep, over));
    let packed = tokio::select! {
        packed = packing.until(std::future::pending()) => packed?,
        () = stop.cancelled() => Err(build_error(file, "the job was stopped")),
    };
    let digest = packed.inspect_err(|_| {
        // Half of it is nobody's; what cannot be removed goes with the folder of the job.
        let _ = fs::remove_file(&tar);
    })?;
    let name = format!("{NAME}:{}", &digest.hex()[..32]);
    // Built each time: what the engine has built before it finds again, and it alone knows whether a base image is a newer one.
    say(output, &format!("##[group]Build the image of {}", file.display())).await;
    let built = tokio::select! {
        built = send(engine, &name, (file, &dockerfile), &tar, output) => built.map_err(|why| build_error(file, &why)),
        () = stop.cancelled() => Err(build_error(file, "the job was stopped")),
    };
    say(output, "##[endgroup]").await;
    let _ = fs::remove_file(&tar);
    built.map(|()| name)
}

async fn send(
    engine: &Engine,
    name: &str,
    (path, dockerfile): (&Path, &str),
    tar: &Path,
    output: &mpsc::Sender<Chunk>,
) -> Result<(), String> {
    let file = tokio::fs::File::open(tar).await.map_err(|error| error.to_string())?;
    let body = body_try_stream(ReaderStream::new(file));
    // Podman has one builder, which knows everything.
    if !engine.podman
        && buildkit::is_wanted(&String::from_utf8_lossy(&fs::read(path).map_err(|error| error.to_string())?))
    {
        let wanted = buildkit::Wanted { name, dockerfile, label: (NAME, "built"), silence: SILENCE };
        return buildkit::build(engine, wanted, body, output).await;
    }
    let options = BuildImageOptions {
        dockerfile: dockerfile.to_owned(),
        t: Some(name.to_owned()),
        rm: true,
        forcerm: true,
        // Their variables count for every RUN, without a trace in the image.
        buildargs: Some(engine.proxies.as_ref().clone().into_iter().collect()),
        labels: Some([(NAME.to_owned(), "built".to_owned())].into_iter().collect()),
        ..BuildImageOptions::default()
    };
    // The engine answers once it has all files, and a large folder takes its time.
    let api = engine.api.clone().with_timeout(SILENCE);
    let mut news = Box::pin(api.build_image(options, None, Some(body)));
    let mut last = String::new();
    loop {
        let Ok(next) = timeout(SILENCE, news.next()).await else {
            return Err(format!("the build said nothing for {} minutes", SILENCE.as_secs() / 60));
        };
        let info = match next {
            None => return Ok(()),
            Some(Ok(info)) => info,
            Some(Err(error)) => {
                let why = words(&error);
                return Err(if last.is_empty() { why } else { format!("{why}; its last line was: {last}") });
            }
        };
        if let Some(detail) = info.error_detail {
            return Err(detail.message.unwrap_or_else(|| "it says no reason".to_owned()));
        }
        for line in info.stream.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()) {
            if is_of_a_program(line) {
                line.trim().clone_into(&mut last);
            }
            say(output, line).await;
        }
    }
}

/// Whether a line of a build is what a program printed, and not what the engine says of itself.
fn is_of_a_program(line: &str) -> bool {
    let engine = ["Step ", "STEP ", "--->", "-->", "Removing intermediate container ", "Successfully "];
    !engine.iter().any(|words| line.trim_start().starts_with(words))
}

/// Packs a folder for the engine; what `.dockerignore` leaves out stays away, but not that file and the Dockerfile.
fn pack(folder: &Path, to: &Path, dockerfile: &str, over: &Over) -> Result<Digest, RunnerError> {
    let write = |error| RunnerError::io("write", to, error);
    let ignore = match fs::read_to_string(folder.join(".dockerignore")) {
        Ok(text) => Ignore::parse(&text),
        Err(_) => Ignore::default(),
    };
    let file = fs::File::create(to).map_err(write)?;
    let mut tar = tar::Builder::new(Hashing { inner: io::BufWriter::new(file), hash: Sha256::new() });
    let mut open = vec![PathBuf::new()];
    while let Some(next) = open.pop() {
        over.go_on()?;
        let path = folder.join(&next);
        let name = next.to_string_lossy().into_owned();
        let meta = fs::symlink_metadata(&path).map_err(|error| RunnerError::io("read", &path, error))?;
        let kept =
            name == dockerfile || name == ".dockerignore" || name.is_empty() || !ignore.leaves_out(&name);
        if meta.is_dir() {
            if !kept && !ignore.takes_in_again() && !Path::new(dockerfile).starts_with(&next) {
                continue;
            }
            let mut entries = Vec::new();
            for entry in fs::read_dir(&path).map_err(|error| RunnerError::io("read", &path, error))? {
                entries.push(
                    next.join(entry.map_err(|error| RunnerError::io("read", &path, error))?.file_name()),
                );
            }
            // The last is taken first.
            entries.sort();
            entries.reverse();
            open.extend(entries);
        }
        if !kept || name.is_empty() {
            continue;
        }
        let mut header = tar::Header::new_gnu();
        header.set_mode(meta.permissions().mode() & 0o7777);
        header.set_size(0);
        if meta.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, &name, io::empty()).map_err(write)?;
        } else if meta.is_symlink() {
            let target = fs::read_link(&path).map_err(|error| RunnerError::io("read", &path, error))?;
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, &name, target).map_err(write)?;
        } else if meta.is_file() {
            header.set_size(meta.len());
            let content = fs::File::open(&path).map_err(|error| RunnerError::io("read", &path, error))?;
            // Exactly the announced size, also when the file grows meanwhile.
            let content = over.reader(io::Read::take(content, meta.len()));
            tar.append_data(&mut header, &name, content).map_err(write)?;
        }
    }
    let mut out = tar.into_inner().map_err(write)?;
    out.flush().map_err(write)?;
    out.hash.update(dockerfile.as_bytes());
    Ok(Digest::from_bytes(out.hash.finalize().into()))
}

struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_build_is_that_of_its_program() {
        for line in [
            "Step 2/3 : RUN make",
            "STEP 2/3: RUN make",
            "--> 1376b1ffaa5b",
            " ---> 1376b1ffaa5b",
            "Removing intermediate container 70ca69db0a25",
        ] {
            assert!(!is_of_a_program(line), "{line}");
        }
        assert!(is_of_a_program("make: *** [all] Error 2") && is_of_a_program("Stepping back"));
    }

    #[test]
    fn packing_ends_with_its_step() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("action")).expect("a folder");
        fs::write(dir.path().join("action/Dockerfile"), "FROM x").expect("a file");
        let over = Over::default();
        over.tell();
        pack(&dir.path().join("action"), &dir.path().join("tar"), "Dockerfile", &over).expect_err("stopped");
    }

    #[test]
    fn a_context_holds_what_is_not_ignored_and_its_digest_follows_the_files() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = dir.path().join("action").join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        write("Dockerfile", "FROM x");
        write(".dockerignore", "*\n!src");
        write("src/a", "1");
        write("other", "2");
        let pack = || {
            pack(&dir.path().join("action"), &dir.path().join("tar"), "Dockerfile", &Over::default())
                .expect("packed")
        };
        let first = pack();
        let file = fs::File::open(dir.path().join("tar")).expect("the tar");
        let mut archive = tar::Archive::new(file);
        let names = archive.entries().expect("entries");
        let names: Vec<String> = names
            .map(|entry| entry.expect("an entry").path().expect("a path").to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, [".dockerignore", "Dockerfile", "src", "src/a"]);
        assert_eq!(first, pack());
        write("other", "3");
        assert_eq!(first, pack());
        write("src/a", "4");
        assert_ne!(first, pack());
    }
}
