//! Builds by BuildKit, as `docker build` on GitHub's machines, for Dockerfiles that the engine's older builder does not understand.
//!
//! Clients open a session for it, by which the engine asks for files and passwords. Without one it builds as well from the files
//! that it is sent, and pulls what anybody may.

use super::{engine::Engine, started::say};
use crate::executor::Chunk;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::BodyExt as _;
use hyper::{
    Request, StatusCode,
    body::{Body, Bytes},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    collections::BTreeSet, convert::Infallible, error::Error, fmt::Write as _, future::pending,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::mpsc,
    time::timeout,
};

/// Options of instructions that the older builder does not know.
const OPTIONS: [&str; 9] = [
    "--mount=",
    "--network=",
    "--security=",
    "--chmod=",
    "--link",
    "--parents",
    "--exclude=",
    "--checksum=",
    "--keep-git-dir",
];

/// The longest line that an engine may tell.
const LINE: usize = 16 << 20;

/// Whether a Dockerfile wants BuildKit: it names its syntax, or has options or texts within it (`<<EOF`) that are new. One that only
/// looks so is built by it as well.
pub(super) fn is_wanted(dockerfile: &str) -> bool {
    let mut at_the_top = true;
    dockerfile.trim_start_matches('\u{feff}').lines().any(|line| {
        let line = line.trim();
        let Some(comment) = line.strip_prefix('#') else {
            at_the_top = false;
            return line
                .split_whitespace()
                .any(|word| OPTIONS.iter().any(|option| word.starts_with(option)) || begins_a_text(word));
        };
        let names_it = comment.split_once('=').map(|(name, _)| name.trim().eq_ignore_ascii_case("syntax"));
        at_the_top &= names_it.is_some();
        at_the_top && names_it == Some(true)
    })
}

/// Whether a word is the beginning of a text within the file, such as `<<EOF` or `<<-"END"`, perhaps behind the number of a file.
fn begins_a_text(word: &str) -> bool {
    let Some(rest) = word.trim_start_matches(|first: char| first.is_ascii_digit()).strip_prefix("<<") else {
        return false;
    };
    let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start_matches(['"', '\'']);
    rest.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// What is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The name of the image.
    pub(super) name: &'a str,
    /// The path of the Dockerfile among the files that are sent.
    pub(super) dockerfile: &'a str,
    /// A label of the image.
    pub(super) label: (&'a str, &'a str),
    /// How long the engine may say nothing.
    pub(super) silence: Duration,
}

/// Builds an image from a tar of files. The error is what the engine says, and the last line of the program that failed.
pub(super) async fn build<B>(
    engine: &Engine,
    wanted: Wanted<'_>,
    tar: B,
    output: &mpsc::Sender<Chunk>,
) -> Result<(), String>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (label, value) = wanted.label;
    let labels = serde_json::json!({ label: value }).to_string();
    let path = format!(
        "/build?version=2&rm=1&t={}&dockerfile={}&buildargs={}&labels={}",
        encoded(wanted.name),
        encoded(wanted.dockerfile),
        encoded(&serde_json::json!(*engine.proxies).to_string()),
        encoded(&labels)
    );
    let request = Request::post(path)
        .header("host", "docker")
        .header("content-type", "application/x-tar")
        .body(tar)
        .map_err(|error| error.to_string())?;
    let failed = |error: std::io::Error| format!("the engine does not answer: {error}");
    match engine.address.strip_prefix("unix://") {
        Some(path) => {
            let stream = UnixStream::connect(path).await.map_err(failed)?;
            talk(stream, request, wanted.silence, output).await
        }
        None => {
            let address = engine.address.split_once("://").map_or(engine.address.as_str(), |(_, rest)| rest);
            let stream = TcpStream::connect(address.trim_end_matches('/')).await.map_err(failed)?;
            talk(stream, request, wanted.silence, output).await
        }
    }
}

/// Sends a request and tells what is answered, to its end.
async fn talk<B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<B>,
    silence: Duration,
    output: &mpsc::Sender<Chunk>,
) -> Result<(), String>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let lost = |error: hyper::Error| format!("the connection to the engine is lost: {error}");
    let silent = |_| format!("the build said nothing for {} minutes", silence.as_secs() / 60);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let answer = async {
        let response = timeout(silence, sender.send_request(request)).await.map_err(silent)?.map_err(lost)?;
        let (status, mut body) = (response.status(), response.into_body());
        let (mut told, mut line) = (Told::default(), Vec::new());
        while let Some(frame) = timeout(silence, body.frame()).await.map_err(silent)? {
            let Ok(bytes) = frame.map_err(lost)?.into_data() else { continue };
            for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if line.ends_with(b"\n") {
                    told.hear(&line, output).await?;
                    line.clear();
                } else if line.len() > LINE {
                    return Err("the engine tells lines without an end".to_owned());
                }
            }
        }
        if status != StatusCode::OK {
            let said: Value = serde_json::from_slice(&line).unwrap_or_default();
            let why = said["message"]
                .as_str()
                .map_or_else(|| format!("the engine answers {status}"), str::to_owned);
            return Err(why);
        }
        told.hear(&line, output).await
    };
    // How the connection ended, the answer tells.
    let drive = async {
        let _ended = connection.await;
        pending::<Infallible>().await
    };
    tokio::select! {
        answer = answer => answer,
        never = drive => match never {},
    }
}

/// What an engine has told of a build.
#[derive(Debug, Default)]
struct Told {
    /// Steps that were named.
    steps: BTreeSet<Vec<u8>>,
    /// The last line of a program.
    last: String,
}

impl Told {
    /// Takes a line of the answer.
    async fn hear(&mut self, line: &[u8], output: &mpsc::Sender<Chunk>) -> Result<(), String> {
        let Ok(news) = serde_json::from_slice::<Value>(line) else { return Ok(()) };
        if let Some(why) = news["errorDetail"]["message"].as_str().or(news["error"].as_str()) {
            let last = if self.last.is_empty() {
                String::new()
            } else {
                format!("; its last line was: {}", self.last)
            };
            return Err(format!("{why}{last}"));
        }
        let mut lines = Vec::new();
        if let Some(text) = news["stream"].as_str() {
            lines.push(text.to_owned());
        }
        if news["id"].as_str() == Some("moby.buildkit.trace")
            && let Some(Ok(bytes)) = news["aux"].as_str().map(|text| STANDARD.decode(text))
        {
            lines.extend(self.status(&bytes));
        }
        for line in lines.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()) {
            say(output, line).await;
        }
        Ok(())
    }

    /// What is new in a message of BuildKit (`StatusResponse`): the names of steps that have begun, and what programs print.
    fn status(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, value) in Fields(bytes) {
            match number {
                // A step: its digest, its name, and when it began.
                1 => {
                    let field =
                        |wanted| Fields(value).find(|(number, _)| *number == wanted).map(|(_, value)| value);
                    if let (Some(digest), Some(name), Some(_)) = (field(1), field(3), field(5)) {
                        let name = String::from_utf8_lossy(name).into_owned();
                        if !name.starts_with("[internal]") && self.steps.insert(digest.to_owned()) {
                            lines.push(name);
                        }
                    }
                }
                // What a program prints.
                3 => {
                    for (_, text) in Fields(value).filter(|(number, _)| *number == 4) {
                        let text = String::from_utf8_lossy(text).into_owned();
                        if let Some(last) = text.lines().map(str::trim).rfind(|line| !line.is_empty()) {
                            last.clone_into(&mut self.last);
                        }
                        lines.push(text);
                    }
                }
                _ => {}
            }
        }
        lines
    }
}

/// The fields of a message of protobuf with their numbers. Those that are numbers themselves have no bytes; what is not in order is
/// the end.
#[derive(Clone, Copy, Debug)]
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<(u64, &'a [u8])> {
        let key = self.number()?;
        let length = match key & 7 {
            0 => {
                self.number()?;
                0
            }
            1 => {
                self.take(8)?;
                0
            }
            2 => self.number()?,
            5 => {
                self.take(4)?;
                0
            }
            _ => return None,
        };
        Some((key >> 3, self.take(usize::try_from(length).ok()?)?))
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// A text as a part of an address.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _in_memory = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buildkit_is_asked_for_what_the_older_builder_does_not_know() {
        for text in [
            "# syntax=docker/dockerfile:1\nFROM x",
            "# check=skip=all\n#Syntax = docker/dockerfile:1\nFROM x",
            "FROM x\nRUN --mount=type=cache,target=/x make",
            "FROM x\nCOPY --chmod=755 a /a",
            "FROM x\nRUN <<EOF\necho a\nEOF",
            "FROM x\nCOPY <<-'END' /a\nb\nEND",
            "FROM x\nRUN 3<<E cat",
            "FROM x\nRUN \\\n  --network=none make",
        ] {
            assert!(is_wanted(text), "{text}");
        }
        for text in [
            "",
            "FROM x\n# syntax=docker/dockerfile:1\n",
            "# about it\n# syntax=docker/dockerfile:1\nFROM x",
            "FROM x\nRUN echo $((1<<2)) && cat <<< word\n# RUN --mount=x\nCOPY --from=a --chown=b:c d /e",
        ] {
            assert!(!is_wanted(text), "{text}");
        }
    }

    /// A field whose value is bytes.
    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).expect("short");
        [&[number << 3 | 2, length][..], value].concat()
    }

    #[tokio::test]
    async fn steps_and_lines_are_told_once_and_the_end_with_the_last_line() {
        let step = |began: bool| {
            let fields = [field(1, b"sha256:1"), field(3, b"[2/2] RUN make"), vec![4 << 3, 1]];
            let began = if began { field(5, b"\x08\x01") } else { Vec::new() };
            field(1, &[fields.concat(), began].concat())
        };
        let line = field(3, &[field(1, b"sha256:1"), field(4, b"one\nno rule\n\n")].concat());
        let internal = field(1, &[field(1, b"2"), field(3, b"[internal] load"), field(5, b"")].concat());
        let news = |bytes: &[u8]| {
            let aux = STANDARD.encode(bytes);
            format!("{{\"id\":\"moby.buildkit.trace\",\"aux\":\"{aux}\"}}\n").into_bytes()
        };
        let (sender, mut receiver) = mpsc::channel(9);
        let mut told = Told::default();
        for bytes in [step(false), [step(true), internal].concat(), [step(true), line].concat()] {
            told.hear(&news(&bytes), &sender).await.expect("news");
        }
        told.hear(b"no JSON", &sender).await.expect("passed over");
        let error = told.hear(br#"{"errorDetail":{"message":"exit code: 2"},"error":"x"}"#, &sender).await;
        assert_eq!(error, Err("exit code: 2; its last line was: no rule".to_owned()));
        drop(sender);
        let mut text = Vec::new();
        while let Some(chunk) = receiver.recv().await {
            text.extend(chunk);
        }
        assert_eq!(String::from_utf8_lossy(&text), "[2/2] RUN make\none\nno rule\n");
    }

    #[test]
    fn addresses_hold_any_text() {
        assert_eq!(encoded("a-b:1/ü"), "a-b%3A1%2F%C3%BC");
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "\\PC{0,40}") {
            let _ = Told::default().status(&bytes);
            let _ = is_wanted(&text);
        }
    }
}
