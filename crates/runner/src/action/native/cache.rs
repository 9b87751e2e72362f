//! `actions/cache`, `actions/cache/restore` and `actions/cache/save`, with the archives and the versions of `@actions/cache`: what one
//! side saves the other restores. The content goes from `tar` straight into the folder of caches and back.

mod inside;
mod stream;

use super::{super::part::Part, Inputs, Native};
use crate::{
    aside::Aside,
    error::{ErrorKind, RunnerError},
    executor::{Hands, Program, ProgramPlace, Streams},
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
    Texts,
    expr::{Condition, Object, STEP_IF},
    run::Conclusion,
};
use std::{
    fs::File,
    io::{Seek as _, Write as _},
    sync::Arc,
};
use stream::{Fed, Kept};

/// Part of every version, as in the toolkit.
const SALT: &str = "1.0";

/// What the end of the job has to save.
#[derive(Clone, Debug)]
pub(crate) struct SaveCache {
    key: String,
    paths: Vec<String>,
    /// The key of what was restored.
    restored: Option<String>,
}

impl SaveCache {
    /// As in the real action the paths are read again, and the key is the one that was looked for.
    pub(crate) fn with_inputs(self, inputs: &Object) -> Result<SaveCache, RunnerError> {
        let texts =
            inputs.iter().map(|(name, value)| (name.to_owned(), value.to_text().to_string())).collect();
        Ok(SaveCache { paths: paths(&Inputs::of(&texts))?, ..self })
    }
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
}

impl Job<'_> {
    /// Restores; the first part of `actions/cache`, and all of `actions/cache/restore`.
    pub(super) async fn restore_cache(
        &mut self,
        native: Native,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let key = key(inputs)?;
        let paths = paths(inputs)?;
        let more = inputs.text("restore-keys").unwrap_or_default();
        let keys: Vec<String> = std::iter::once(key.clone()).chain(list(more)).collect();
        let (must, only_look) = (is_true(inputs, "fail-on-cache-miss"), is_true(inputs, "lookup-only"));
        let step = Some(current.index);
        let mut outputs = Texts::new();
        if native == Native::RestoreCache {
            outputs.insert("cache-primary-key".to_owned(), key.clone());
        }
        let compression = self.compression().await;
        let version = version(&paths, compression);
        let found = self.find_cache(&keys, &version, current).await?;
        let restored = match found {
            Some(found) if only_look => {
                let line = format!("Cache found and can be restored from key: {}", found.key);
                self.log.line(step, &line).await;
                Some(found.key)
            }
            Some(found) => self.unpack_cache(found, &paths, compression, current).await?,
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
                let error = RunnerError::new(ErrorKind::ActionInput, text);
                // The key is an output all the same.
                self.complain_about(current, &error).await;
                return Ok(Came { outputs, ..Came::of(Conclusion::Failure) });
            }
            None => {
                let line = format!("Cache not found for input keys: {}", keys.join(", "));
                self.log.line(step, &line).await;
            }
        }
        if native == Native::Cache {
            let save = Part::SaveCache(SaveCache { key, paths, restored });
            self.add_post(save, None, &when_all_went_well()?, current);
        }
        Ok(Came { outputs, ..Came::of(Conclusion::Success) })
    }

    /// `actions/cache/save`.
    pub(super) async fn save_cache_now(
        &mut self,
        inputs: &Inputs,
        current: &Current,
    ) -> Result<Came, RunnerError> {
        let save =
            key(inputs).and_then(|key| paths(inputs).map(|paths| SaveCache { key, paths, restored: None }));
        match save {
            Ok(save) => self.save_cache(&save, current).await,
            Err(error) => {
                self.not_saved(&format!("no cache is saved: {}", error.message), current).await;
                Ok(Came::of(Conclusion::Success))
            }
        }
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
        let why = match self.cached(paths, current).await {
            Ok(found) if found.files == 0 => Some("none of its paths is there".to_owned()),
            Ok(found) => self.pack_cache(key, paths, &found.names, current).await?.err(),
            Err(error) if error.kind == ErrorKind::ActionInput => Some(error.message),
            Err(error) => return Err(error),
        };
        match why {
            None => self.log.line(step, &format!("Cache saved with key: {key}")).await,
            Some(why) => self.not_saved(&format!("the cache {key} is not saved: {why}"), current).await,
        }
        Ok(Came::of(Conclusion::Success))
    }

    async fn not_saved(&mut self, text: &str, current: &Current) {
        let step = Some(current.index);
        self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
    }

    /// Archives; the error is why the cache was refused or could not be written.
    async fn pack_cache(
        &mut self,
        key: &str,
        paths: &[String],
        names: &[u8],
        current: &Current,
    ) -> Result<Result<(), String>, RunnerError> {
        let Some(services) = self.context.services.clone() else { return Ok(Err(NO_CACHES.to_owned())) };
        let compression = self.compression().await;
        let version = version(paths, compression);
        let place = match services.begin_cache(&self.identity, key, &version).await {
            Ok(place) => place,
            Err(refused) => return Ok(Err(refused.message)),
        };
        let packed = self.tar(&place, names, compression, current).await;
        let whole = matches!(packed, Ok(Ok(())));
        let ended = services.end_cache(&self.identity, place, whole).await;
        let packed = packed?;
        Ok(packed.and(ended.map_err(|refused| refused.message)))
    }

    /// Lets `tar` archive the paths of that list. What comes of it goes through the runner, which stops when it is too much.
    async fn tar(
        &mut self,
        place: &CachePlace,
        names: &[u8],
        compression: Compression,
        current: &Current,
    ) -> Result<Result<(), String>, RunnerError> {
        let (path, mut list) = self.scratch_file("cache")?;
        let written = list.write_all(names).and_then(|()| list.rewind());
        written.map_err(|error| RunnerError::io("write", &path, error))?;
        let file = File::create_new(&place.file);
        let file = file.map_err(|error| RunnerError::io("write", &place.file, error))?;
        let (reader, writer) = stream::pipe()?;
        let most = place.most;
        let kept = tokio::task::spawn_blocking(move || stream::keep(reader, file, most));
        let argv = ["tar", "--posix", "--use-compress-program", compression.pack(), "-cf", "-", "-P", "-C"];
        let workspace = self.map.inside_text(&self.folders.workspace);
        // Names that begin with a dash would be options of a list without zero bytes.
        let argv = argv.into_iter().chain([workspace.as_str(), "--null", "--files-from", "-"]);
        let streams = Streams { input: Some(Arc::new(list)), output: Some(Arc::new(writer)) };
        let ended = self.run_tar(argv.map(str::to_owned).collect(), streams, current).await;
        let kept = kept.await.map_err(|error| stream::stopped(&error))?;
        match kept.map_err(|error| RunnerError::io("write", &place.file, error))? {
            Kept::Whole => ended,
            // Whatever `tar` says of it when nobody listens any more.
            Kept::TooMuch => {
                Ok(Err(format!("it has more than {most} bytes, which is the most that one cache may have")))
            }
        }
    }

    async fn unpack_cache(
        &mut self,
        found: FoundCache,
        paths: &[String],
        compression: Compression,
        current: &Current,
    ) -> Result<Option<String>, RunnerError> {
        let (parts, size) = (found.parts.clone(), found.size);
        let step = Some(current.index);
        self.log.line(step, &format!("Cache Size: ~{} MB ({size} B)", size.div_ceil(1 << 20))).await;
        let workspace = self.map.inside_text(&self.folders.workspace);
        // Whoever filled the cache may have meant harm, so `tar` gets no member that lies elsewhere than in the paths; and leaves the
        // workspace only for them.
        let rules = self.rules(paths, size)?;
        let anywhere: &[&str] = if rules.inside() { &[] } else { &["-P"] };
        let argv = [&["tar", "-xf", "-"], anywhere, &["-C", &workspace]].concat();
        // Through a pipe, so that no process of the job ever has the file of a cache, which is others' too.
        let (reader, writer) = stream::pipe()?;
        let fed = Aside::begin(move |over| stream::feed(parts, compression, writer, &rules, over));
        let streams = Streams { input: Some(Arc::new(reader)), output: None };
        let ended = self.run_tar(argv.into_iter().map(str::to_owned).collect(), streams, current).await;
        // Nothing is given any more to a `tar` that was stopped.
        let ended = ended?;
        let fed = fed.until(self.stop.error(current.survives, current.limit)).await??;
        let (why, for_good) = match (fed, ended) {
            (Fed::Given, Ok(())) => {
                self.log.line(step, &format!("Cache restored from key: {}", found.key)).await;
                return Ok(Some(found.key));
            }
            (Fed::Given, Err(why)) => (why, false),
            (Fed::Unfit { why, for_good }, _) => (why, for_good),
        };
        let mut text = format!("the cache {} cannot be restored: {why}", found.key);
        if for_good {
            text += &self.forget_cache(&found).await;
        }
        self.log.annotate(Annotation { step, ..Annotation::new(Level::Warning, text) }).await;
        Ok(None)
    }

    /// Lets go of a cache that nobody can restore, so that its key can be saved again; says what became of it.
    async fn forget_cache(&self, found: &FoundCache) -> String {
        let Some(services) = &self.context.services else { return String::new() };
        match services.forget_cache(&self.identity, found).await {
            Ok(true) => "; it is removed, so that it can be saved again".to_owned(),
            Ok(false) => String::new(),
            Err(refused) => format!("; it cannot be removed: {}", refused.message),
        }
    }

    /// Runs `tar` on the files of the job, with no more rights than the job has; the inner error is how it failed, in words.
    async fn run_tar(
        &mut self,
        argv: Vec<String>,
        streams: Streams,
        current: &Current,
    ) -> Result<Result<(), String>, RunnerError> {
        let program = Program { place: self.tar_place(), streams, ..self.tool(argv) };
        let (code, heard) = self.run_quietly(&program, current, Hearing::Plain).await?;
        if code == Some(0) {
            return Ok(Ok(()));
        }
        // What it meets first is the cause of what follows.
        let said = heard.first_lines.lines().find(|line| !line.trim().is_empty());
        let said = said.map_or_else(String::new, |line| format!(": {}", line.trim_start_matches("tar: ")));
        Ok(Err(format!("tar ended with exit code {}{said}", code.unwrap_or(-1))))
    }

    /// Where `tar` runs.
    fn tar_place(&self) -> ProgramPlace {
        match self.executor.hands(&self.identity) {
            Hands::Runner if !self.contained => ProgramPlace::Machine,
            Hands::Runner | Hands::Helper => ProgramPlace::Job,
        }
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

    /// A program of the runner's where `tar` is, with what the machine or the image says about its environment.
    fn tool(&self, argv: Vec<String>) -> Program {
        let env = self.base.as_ref().unwrap_or(&self.context.host_env);
        Program { env: env.clone(), ..self.own_program(argv) }
    }

    async fn compression(&self) -> Compression {
        match self.has("zstd").await {
            true => Compression::Zstd,
            false => Compression::Gzip,
        }
    }

    /// Whether there may be what the built-in caches need; what the container of a job has is seen when it is there.
    pub(crate) fn may_cache(&self) -> bool {
        let path = self.context.host_env.get("PATH").map_or("", String::as_str);
        self.contained || find_program("tar", path, &self.folders.workspace).is_some()
    }

    /// Whether a program is where `tar` is.
    async fn has(&self, name: &str) -> bool {
        let Program { env, directory, .. } = self.tool(Vec::new());
        let path = env.get("PATH").map_or("", String::as_str);
        self.executor.has_program(&self.identity, name, path, &directory).await
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
}
