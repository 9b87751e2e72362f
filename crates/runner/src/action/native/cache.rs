//! `actions/cache`, `actions/cache/restore` and `actions/cache/save`, with the archives and the versions of `@actions/cache`: what one
//! side saves the other restores. The content goes from `tar` straight into the folder of caches and back.

use super::{super::part::Part, Inputs, Native};
use crate::{
    error::{ErrorKind, RunnerError},
    executor::{Program, ProgramPlace},
    glob::{Find, Patterns},
    host::find_program,
    job::Job,
    listen::Hearing,
    report::{Annotation, Level},
    script::expression,
    services::{CachePlace, FoundCache},
    steps::{Came, Current},
};
use sha2::{Digest as _, Sha256};
use shipway_base::{Digest, Source, Span};
use shipway_workflow::{
    expr::{Condition, STEP_IF},
    run::Conclusion,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Component, Path, PathBuf},
};

/// Part of every version, as in the toolkit.
const SALT: &str = "1.0";

/// Concatenates the parts of a content for `tar`. The first argument is the folder, the second how to unpack.
const UNPACK: &str =
    r#"dir=$1 with=$2; shift 2; cat -- "$@" | tar --use-compress-program "$with" -xf - -P -C "$dir""#;

/// What the end of the job has to save.
#[derive(Clone, Debug)]
pub(crate) struct SaveCache {
    key: String,
    paths: Vec<String>,
    /// The key of what was restored.
    restored: Option<String>,
}

/// How archives are compressed: by `zstd` where the machine has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    Zstd,
    Gzip,
}

impl Compression {
    /// Its name in a version.
    fn name(self) -> &'static str {
        match self {
            Compression::Zstd => "zstd-without-long",
            Compression::Gzip => "gzip",
        }
    }

    fn pack(self) -> &'static str {
        match self {
            Compression::Zstd => "zstdmt",
            Compression::Gzip => "gzip",
        }
    }

    fn unpack(self) -> &'static str {
        match self {
            Compression::Zstd => "unzstd",
            Compression::Gzip => "gzip -d",
        }
    }
}

impl Job<'_> {
    /// Restores; the first part of `actions/cache`, and all of `actions/cache/restore`.
    pub(super) async fn restore_cache(
        &mut self,
        native: Native,
        uses: &str,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let key = key(inputs)?;
        let paths = paths(inputs)?;
        let more = inputs.text("restore-keys").unwrap_or_default();
        let keys: Vec<String> = std::iter::once(key.clone()).chain(list(more)).collect();
        let (must, only_look) = (is_true(inputs, "fail-on-cache-miss"), is_true(inputs, "lookup-only"));
        let step = Some(current.index);
        let mut outputs = BTreeMap::new();
        if native == Native::RestoreCache {
            outputs.insert("cache-primary-key".to_owned(), key.clone());
        }
        let version = version(&paths, self.compression());
        let found = self.find_cache(&keys, &version, current).await?;
        let restored = match found {
            Some(found) if only_look => {
                let line = format!("Cache found and can be restored from key: {}", found.key);
                self.log.line(step, &line).await;
                Some(found.key)
            }
            Some(found) => self.unpack_cache(found, current).await?,
            None => None,
        };
        match &restored {
            Some(matched) => {
                outputs.insert("cache-hit".to_owned(), same(matched, &key).to_string());
                if native == Native::RestoreCache {
                    outputs.insert("cache-matched-key".to_owned(), matched.clone());
                }
            }
            None if must => {
                let text = format!("no cache was restored, and fail-on-cache-miss is set; the key is {key}");
                return Err(RunnerError::new(ErrorKind::ActionInput, text));
            }
            None => {
                let line = format!("Cache not found for input keys: {}", keys.join(", "));
                self.log.line(step, &line).await;
            }
        }
        if native == Native::Cache {
            self.add_post(
                uses,
                Part::SaveCache(SaveCache { key, paths, restored }),
                &when_all_went_well()?,
                current,
            );
        }
        Ok(Came { outcome: Conclusion::Success, exit_code: None, outputs })
    }

    /// `actions/cache/save`.
    pub(super) async fn save_cache_now(
        &mut self,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let save = SaveCache { key: key(inputs)?, paths: paths(inputs)?, restored: None };
        self.save_cache(&save, current).await
    }

    /// Saves, unless the very key was restored. What prevents it is told, and is no failure: the work of the job is done.
    pub(crate) async fn save_cache(
        &mut self,
        save: &SaveCache,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let SaveCache { key, paths, restored } = save;
        let step = Some(current.index);
        if restored.as_ref().is_some_and(|restored| same(restored, key)) {
            let line = format!("Cache hit occurred on the primary key {key}, not saving cache.");
            self.log.line(step, &line).await;
            return Ok(Came::of(Conclusion::Success));
        }
        let files = self.cached_paths(paths)?;
        let why = if files.is_empty() {
            Some("none of its paths is there".to_owned())
        } else {
            self.pack_cache(key, paths, &files, current).await?.err()
        };
        match why {
            None => self.log.line(step, &format!("Cache saved with key: {key}")).await,
            Some(why) => {
                let text = format!("the cache {key} is not saved: {why}");
                self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
            }
        }
        Ok(Came::of(Conclusion::Success))
    }

    /// The paths to archive, relative to the workspace.
    fn cached_paths(&self, paths: &[String]) -> Result<Vec<PathBuf>, RunnerError> {
        let patterns =
            Patterns::parse(paths.iter().map(String::as_str), &self.folders.workspace, &self.folders.home)
                .map_err(|why| RunnerError::new(ErrorKind::ActionInput, why))?;
        let find = Find { descendants: false, folders: true, hidden: true, through_links: true };
        let found = patterns.search(find)?;
        Ok(found.iter().map(|path| relative(&self.folders.workspace, path)).collect())
    }

    /// Archives; the error is why the cache was refused or could not be written.
    async fn pack_cache(
        &mut self,
        key: &str,
        paths: &[String],
        files: &[PathBuf],
        current: &Current,
    ) -> Result<Result<(), String>, RunnerError> {
        let Some(services) = self.context.services.clone() else { return Ok(Err(NO_CACHES.to_owned())) };
        let compression = self.compression();
        let version = version(paths, compression);
        let place = match services.begin_cache(&self.identity, key, &version).await {
            Ok(place) => place,
            Err(refused) => return Ok(Err(refused.message)),
        };
        let packed = self.tar(&place, files, compression, current).await;
        let whole = matches!(packed, Ok(Ok(())));
        let ended = services.end_cache(&self.identity, place, whole).await;
        let packed = packed?;
        Ok(packed.and(ended.map_err(|refused| refused.message)))
    }

    async fn tar(
        &mut self,
        place: &CachePlace,
        files: &[PathBuf],
        compression: Compression,
        current: &Current,
    ) -> Result<Result<(), String>, RunnerError> {
        use std::os::unix::ffi::OsStrExt as _;
        let list = self.folders.temp.join(format!("_cache_{}_{}", current.index, self.uploads));
        self.uploads += 1;
        let names: Vec<&[u8]> = files.iter().map(|file| file.as_os_str().as_bytes()).collect();
        let text = names.join(&b"\n"[..]);
        fs::write(&list, text).map_err(|error| RunnerError::io("write", &list, error))?;
        let to = place.file.to_string_lossy().into_owned();
        let list = list.to_string_lossy().into_owned();
        let argv = ["tar", "--posix", "--use-compress-program", compression.pack(), "-cf", &to, "-P", "-C"];
        let workspace = self.folders.workspace.to_string_lossy().into_owned();
        let argv = argv.into_iter().chain([workspace.as_str(), "--files-from", &list]);
        let argv = argv.map(str::to_owned).collect();
        Ok(self.run_tar(argv, current).await?.map_err(|code| format!("tar ended with exit code {code}")))
    }

    async fn unpack_cache(
        &mut self,
        found: FoundCache,
        current: &Current,
    ) -> Result<Option<String>, RunnerError> {
        let FoundCache { key, parts, size } = found;
        let step = Some(current.index);
        self.log.line(step, &format!("Cache Size: ~{} MB ({size} B)", size.div_ceil(1 << 20))).await;
        let workspace = self.folders.workspace.to_string_lossy().into_owned();
        let with = self.compression().unpack();
        let parts: Vec<&str> = parts.iter().filter_map(|part| part.to_str()).collect();
        let argv: Vec<&str> = match parts.as_slice() {
            [only] => ["tar", "--use-compress-program", with, "-xf", only, "-P", "-C", &workspace].into(),
            several => ["sh", "-c", UNPACK, "sh", &workspace, with].iter().chain(several).copied().collect(),
        };
        let argv = argv.into_iter().map(str::to_owned).collect();
        match self.run_tar(argv, current).await? {
            Ok(()) => {
                self.log.line(step, &format!("Cache restored from key: {key}")).await;
                Ok(Some(key))
            }
            Err(code) => {
                let text = format!("the cache {key} cannot be restored: tar ended with exit code {code}");
                self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
                Ok(None)
            }
        }
    }

    /// Runs a program of the machine; the error is its exit code.
    async fn run_tar(
        &mut self,
        argv: Vec<String>,
        current: &Current,
    ) -> Result<Result<(), i32>, RunnerError> {
        let program = Program {
            job: self.identity.clone(),
            folders: self.folders.clone(),
            argv,
            script: None,
            directory: self.folders.workspace.clone(),
            env: self.context.host_env.as_ref().clone(),
            place: ProgramPlace::Machine,
        };
        let (code, _) = self.run_quietly(&program, current, Hearing::Step).await?;
        Ok(match code {
            Some(0) => Ok(()),
            Some(code) => Err(code),
            None => Err(-1),
        })
    }

    async fn find_cache(
        &mut self,
        keys: &[String],
        version: &str,
        current: &Current,
    ) -> Result<Option<FoundCache>, RunnerError> {
        let step = Some(current.index);
        let Some(services) = self.context.services.clone() else {
            let warning = Annotation::new(Level::Warning, NO_CACHES);
            self.log.annotate(Annotation { step, ..warning }).await;
            return Ok(None);
        };
        match services.find_cache(&self.identity, keys, version).await {
            Ok(found) => Ok(found),
            Err(refused) if refused.is_the_askers => {
                Err(RunnerError::new(ErrorKind::ActionInput, refused.message))
            }
            Err(refused) => {
                let text = format!("no cache can be restored: {}", refused.message);
                self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
                Ok(None)
            }
        }
    }

    fn compression(&self) -> Compression {
        match self.has_on_machine("zstd") {
            true => Compression::Zstd,
            false => Compression::Gzip,
        }
    }

    /// Whether the machine has what the built-in caches need. Only a job that runs on the machine itself has its paths.
    pub(crate) fn may_cache(&self) -> bool {
        self.base.is_none() && self.executor.may_follow_links(&self.identity) && self.has_on_machine("tar")
    }

    fn has_on_machine(&self, name: &str) -> bool {
        let path = self.context.host_env.get("PATH").map_or("", String::as_str);
        find_program(name, path, &self.folders.workspace).is_some()
    }
}

/// `post-if` of the official action.
fn when_all_went_well() -> Result<Condition, RunnerError> {
    let source = Source::new("actions/cache", "success()");
    Condition::parse(&source.text, Span::START, &source, &STEP_IF).map_err(|found| expression(&found))
}

const NO_CACHES: &str = "there are no caches here";

fn key(inputs: &Inputs) -> Result<String, RunnerError> {
    let missing = || RunnerError::new(ErrorKind::ActionInput, "the input key is required");
    inputs.text("key").map(str::to_owned).ok_or_else(missing)
}

fn paths(inputs: &Inputs) -> Result<Vec<String>, RunnerError> {
    let paths = list(inputs.text("path").unwrap_or_default());
    if paths.is_empty() {
        return Err(RunnerError::new(ErrorKind::ActionInput, "the input path is required"));
    }
    Ok(paths)
}

/// The lines of an input, as `actions/cache` reads them: they count in the version.
fn list(text: &str) -> Vec<String> {
    let line = |line: &str| match line.strip_prefix('!') {
        Some(rest) => format!("!{}", rest.trim()),
        None => line.trim().to_owned(),
    };
    text.split('\n').map(line).filter(|line| !line.is_empty()).collect()
}

fn is_true(inputs: &Inputs, name: &str) -> bool {
    inputs.text(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Keys are compared without case, as by the official action.
fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// What tells caches of other paths or another compression apart.
fn version(paths: &[String], compression: Compression) -> String {
    let parts: Vec<&str> = paths.iter().map(String::as_str).chain([compression.name(), SALT]).collect();
    Digest::from_bytes(Sha256::digest(parts.join("|")).into()).hex()
}

/// The way from one folder to a path.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(common)).collect();
    if way.as_os_str().is_empty() { PathBuf::from(".") } else { way }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_toolkit() {
        // echo -n 'node_modules|~/.npm|zstd-without-long|1.0' | sha256sum
        let paths = list(" node_modules \n\n~/.npm\r\n");
        assert_eq!(paths, ["node_modules", "~/.npm"]);
        assert_eq!(
            version(&paths, Compression::Zstd),
            "1cbc60d75cb9cbdfdc7cee051451c7a3706c8311eed5c886ca3ea62cbc8efee6"
        );
        assert_eq!(
            version(&paths, Compression::Gzip),
            "a072ae0a60f18e624fcb0d2dc43832b7a31e011c968ff64b1c67dc23125cdc7f"
        );
        assert_eq!(list("a\n!  b\n  ! c"), ["a", "!b", "! c"]);
    }

    #[test]
    fn paths_are_told_from_the_workspace() {
        let check = |to: &str, expect: &str| {
            assert_eq!(relative(Path::new("/j/0/workspace"), Path::new(to)), Path::new(expect), "{to}");
        };
        check("/j/0/workspace", ".");
        check("/j/0/workspace/a/b", "a/b");
        check("/j/0/home/.npm", "../home/.npm");
        check("/opt/x", "../../../opt/x");
    }
}
