//! An image made on the spot: nothing but busybox.

use bollard::{
    Docker, body_full,
    query_parameters::{BuildImageOptions, CreateImageOptions},
};
use futures_util::StreamExt as _;
use std::{collections::BTreeSet, fs, path::Path, process::Command};
use tokio::sync::OnceCell;

/// Its name.
pub(crate) const NAME: &str = "shipway-test/box:6";

const PROGRAMS: [&str; 37] = [
    "sh", "tail", "cat", "ls", "grep", "tr", "sleep", "kill", "echo", "env", "id", "chown", "chmod", "mkdir",
    "touch", "nc", "httpd", "wget", "ps", "head", "ln", "rm", "cp", "mv", "test", "true", "false", "pwd",
    "date", "sed", "find", "sort", "nslookup", "setsid", "stat", "wc", "stty",
];

/// Makes the image once in this process.
pub(crate) async fn ensure(engine: &Docker) {
    static MADE: OnceCell<()> = OnceCell::const_new();
    MADE.get_or_init(|| async {
        if engine.inspect_image(NAME).await.is_err() {
            import(engine, NAME, &busybox(), &["ENV FROM_IMAGE=yes", "ENV PATH=/bin:/usr/bin"]).await;
        }
    })
    .await;
}

/// A tar of a root folder with busybox.
pub(crate) fn busybox() -> Vec<u8> {
    let program = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
    let program = fs::read(program.expect("busybox: install busybox-static")).expect("busybox");
    let mut tar = tar::Builder::new(Vec::new());
    for folder in ["bin", "tmp", "etc", "proc", "dev", "sys"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if folder == "tmp" { 0o1777 } else { 0o755 });
        header.set_size(0);
        tar.append_data(&mut header, folder, std::io::empty()).expect("a folder");
    }
    let mut file = |name: &str, mode, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).expect("a file");
    };
    file("bin/busybox", 0o755, &program);
    file("etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\nme:x:1001:1001:me:/tmp:/bin/sh\n");
    for program in PROGRAMS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{program}"), "/bin/busybox").expect("a link");
    }
    tar.into_inner().expect("a tar")
}

/// A root folder without some programs of busybox.
pub(crate) fn without(programs: &[&str], from: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(from).entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").into_owned();
        if programs.iter().any(|program| path == Path::new("bin").join(program)) {
            continue;
        }
        let mut header = entry.header().clone();
        match entry.link_name().expect("a link") {
            Some(target) => tar.append_link(&mut header, path, target).expect("a link"),
            None => tar.append_data(&mut header, path, &mut entry).expect("a file"),
        }
    }
    tar.into_inner().expect("a tar")
}

/// The same with programs of this machine and all that they need, and with files of these texts.
pub(crate) fn with(programs: &[(&str, &Path)], texts: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let (base, mut folders) = (busybox(), BTreeSet::new());
    let mut from = tar::Archive::new(base.as_slice());
    for entry in from.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").into_owned();
        let mut header = entry.header().clone();
        folders.insert(path.clone());
        match entry.link_name().expect("a link") {
            Some(target) => tar.append_link(&mut header, path, target).expect("a link"),
            None => tar.append_data(&mut header, path, &mut entry).expect("a file"),
        }
    }
    let mut file = |to: &str, bytes: &[u8]| {
        let to = Path::new(to.trim_start_matches('/'));
        let above = to.ancestors().skip(1).filter(|folder| *folder != Path::new(""));
        for folder in above.map(Path::to_owned).collect::<Vec<_>>().into_iter().rev() {
            // Those that only stand in the paths of files would be root's alone.
            if folders.insert(folder.clone()) {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
                header.set_size(0);
                tar.append_data(&mut header, &folder, std::io::empty()).expect("a folder");
            }
        }
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, to, bytes).expect("a file");
    };
    texts.iter().for_each(|(to, text)| file(to, text.as_bytes()));
    let mut needed = BTreeSet::new();
    for (to, program) in programs {
        let program = fs::canonicalize(program).expect("a program");
        file(to, &fs::read(&program).expect("a program"));
        needed.extend(libraries(&program));
    }
    needed.iter().for_each(|path| file(path, &fs::read(path).expect("a library")));
    tar.into_inner().expect("a tar")
}

/// The paths that `ldd` prints.
#[expect(clippy::disallowed_methods, reason = "an image is made of what is on this machine")]
fn libraries(program: &Path) -> Vec<String> {
    let output = Command::new("ldd").arg(program).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    paths.map(str::to_owned).collect()
}

/// Makes an image of a root folder.
pub(crate) async fn import(engine: &Docker, name: &str, tar: &[u8], changes: &[&str]) {
    let root = if changes.is_empty() { name.to_owned() } else { format!("{name}-root") };
    // The whole name in one, as clients of Docker send it: Podman reads no tag beside it.
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(root.clone()),
        ..CreateImageOptions::default()
    };
    let body = body_full(tar.to_vec().into());
    let mut news = Box::pin(engine.create_image(Some(options), Some(body), None));
    while let Some(news) = news.next().await {
        news.expect("imported");
    }
    if !changes.is_empty() {
        // Podman takes the changes of an import for a single one.
        let dockerfile = format!("FROM {root}\n{}\n", changes.join("\n"));
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(dockerfile.len() as u64);
        tar.append_data(&mut header, "Dockerfile", dockerfile.as_bytes()).expect("a file");
        let body = body_full(tar.into_inner().expect("a tar").into());
        let options =
            BuildImageOptions { t: Some(name.to_owned()), rm: true, ..BuildImageOptions::default() };
        let mut news = Box::pin(engine.build_image(options, None, Some(body)));
        while let Some(news) = news.next().await {
            news.expect("built");
        }
    }
    engine.inspect_image(name).await.expect("the image");
}
