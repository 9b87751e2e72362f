//! From parser events to the tree, under limits.

use super::{Mapping, Node, Scalar, ScalarKind, Value, mend::Mended, scalar};
use crate::{Diagnostic, Pos, Source, Span, Spanned};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use std::collections::{BTreeMap, BTreeSet};

/// What a document may cost. The defaults are GitHub's for workflow files: 1 MiB, depth 50 and 10 MiB of what comes of them;
/// aliases may multiply the tree up to `nodes` and `texts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of the text in bytes.
    pub bytes: usize,
    /// How deep nodes may nest.
    pub depth: usize,
    /// How many nodes the tree may have, aliases counted each time.
    pub nodes: usize,
    /// How many bytes its keys and values may have, aliases counted each time.
    pub texts: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 1 << 20, depth: 50, nodes: 500_000, texts: 10 << 20 }
    }
}

/// Reads a text of exactly one document; `None` when it holds nothing but comments.
///
/// # Errors
/// The first thing that is wrong: SW0001 syntax, SW0002 a key that is not a scalar, SW0003 a repeated key, SW0004 a
/// limit, SW0005 more than one document, SW0006 a tag.
pub fn parse(source: &Source, limits: Limits) -> Result<Option<Node>, Diagnostic> {
    let mut documents = parse_all(source, limits)?;
    match documents.len() {
        0 => Ok(None),
        1 => Ok(documents.pop().filter(|node| !node.is_null())),
        _ => Err(Diagnostic::error(
            "SW0005",
            source,
            documents[1].span,
            "this file may hold only one YAML document",
        )
        .with_help("remove the `---` and what follows it, or split the file")),
    }
}

/// Reads all documents of a text, empty ones (null) included.
///
/// # Errors
/// As [`parse`], less SW0005.
pub fn parse_all(source: &Source, limits: Limits) -> Result<Vec<Node>, Diagnostic> {
    if source.text.len() > limits.bytes {
        let message = format!("the file has {} bytes; at most {} are read", source.text.len(), limits.bytes);
        return Err(Diagnostic::error("SW0004", source, Span::START, message));
    }
    if let Some(at) = source.text.find('\0') {
        let pos = end_of(&source.text[..at]);
        let message = "this is not YAML: there is a NUL byte here".to_owned();
        return Err(Diagnostic::error("SW0001", source, Span::new(pos, pos), message)
            .with_help("remove it; where a script needs one, let the script make it, as printf '\\0' does"));
    }
    let mut text = Mended::new(&source.text);
    let mut first = None;
    loop {
        let mut wrong = None;
        let error = match load(source, limits, &text, &mut wrong) {
            Ok(documents) => return Ok(documents),
            Err(error) => error,
        };
        if !wrong.is_some_and(|wrong| text.mend(&wrong)) {
            // Of a bracket that is never closed the first line that is less deep tells more than what comes of that line as a part
            // of it, or than the end of the text.
            let within = text.is_moved(error.span.start.line) && !error.message.contains("bracket");
            let unclosed = within || error.message.contains("while parsing a flow");
            return Err(first.filter(|_| unclosed && error.code == "SW0001").unwrap_or(error));
        }
        first.get_or_insert(error);
    }
}

/// Reads all documents of `text`, which is that of the source but for blanks. `wrong` becomes what the parser complains about.
fn load(
    source: &Source,
    limits: Limits,
    text: &Mended<'_>,
    wrong: &mut Option<ScanError>,
) -> Result<Vec<Node>, Diagnostic> {
    let end = end_of(&source.text);
    let mut loader = Loader { source, text, limits, nodes: 0, texts: 0, anchors: BTreeMap::new(), end };
    let mut parser = Parser::new_from_str(&text.text);
    let mut documents = Vec::new();
    let mut stack: Vec<Frame> = Vec::new();
    while let Some(event) = parser.next_event() {
        let (event, at) = event.map_err(|error| {
            let told = loader.syntax_error(*error.marker(), error.info());
            *wrong = Some(error);
            told
        })?;
        let span = Span::new(loader.pos(at.start), loader.pos(at.end));
        let finished =
            match event {
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => None,
                Event::DocumentStart(_) => {
                    loader.anchors.clear();
                    None
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = matches!(style, ScalarStyle::Plain);
                    let kind = match tag.as_deref() {
                        None if plain => scalar::resolve_plain(&text),
                        None => ScalarKind::String,
                        Some(tag) => scalar::resolve_tagged(&tag.handle, &tag.suffix, &text)
                            // As on GitHub, what is quoted is text, whatever its tag.
                            .filter(|kind| plain || *kind == ScalarKind::String)
                            .ok_or_else(|| loader.tag_error(span, &tag.suffix))?,
                    };
                    let node =
                        Node { value: Value::Scalar(Scalar { text: text.into_owned(), kind, plain }), span };
                    Some((loader.count(node, stack.len())?, anchor))
                }
                Event::SequenceStart(anchor, _) => {
                    stack.push(loader.open(
                        Frame::Sequence { items: Vec::new(), anchor, start: span.start },
                        stack.len(),
                    )?);
                    None
                }
                Event::MappingStart(anchor, _) => {
                    let frame = Frame::Mapping {
                        pairs: Vec::new(),
                        seen: BTreeSet::new(),
                        key: None,
                        anchor,
                        start: span.start,
                    };
                    stack.push(loader.open(frame, stack.len())?);
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => stack.pop().map(|frame| frame.close(span.end)),
                Event::Alias(anchor) => Some((loader.alias(anchor, span, stack.len())?, 0)),
            };
        let Some((node, anchor)) = finished else { continue };
        if anchor > 0 {
            loader.anchors.insert(anchor, node.clone());
        }
        match stack.last_mut() {
            None => documents.push(node),
            Some(frame) => loader.place(frame, node)?,
        }
    }
    Ok(documents)
}

struct Loader<'a> {
    source: &'a Source,
    text: &'a Mended<'a>,
    limits: Limits,
    nodes: usize,
    texts: usize,
    anchors: BTreeMap<usize, Node>,
    /// Where the text ends. The parser puts what is missing at the end one line further on.
    end: Pos,
}

enum Frame {
    Sequence {
        items: Vec<Node>,
        anchor: usize,
        start: Pos,
    },
    Mapping {
        pairs: Vec<(Spanned<String>, Node)>,
        seen: BTreeSet<String>,
        key: Option<Spanned<String>>,
        anchor: usize,
        start: Pos,
    },
}

impl Frame {
    /// The finished node and its anchor. A block collection ends where its last child does: the parser reports the
    /// beginning of whatever follows.
    fn close(self, end: Pos) -> (Node, usize) {
        match self {
            Frame::Sequence { items, anchor, start } => {
                let end = items.last().map_or(end, |last| last.span.end.max(start));
                (Node { value: Value::Sequence(items), span: Span::new(start, end) }, anchor)
            }
            Frame::Mapping { pairs, anchor, start, .. } => {
                let end = pairs.last().map_or(end, |(_, last)| last.span.end.max(start));
                (Node { value: Value::Mapping(Mapping(pairs)), span: Span::new(start, end) }, anchor)
            }
        }
    }
}

impl Loader<'_> {
    fn pos(&self, marker: Marker) -> Pos {
        let at = Pos::new(number(marker.line()).max(1), number(marker.col()).saturating_add(1));
        self.text.source(at).min(self.end)
    }

    fn syntax_error(&self, at: Marker, info: &str) -> Diagnostic {
        let start = self.pos(at);
        Diagnostic::error("SW0001", self.source, Span::new(start, start), format!("this is not YAML: {info}"))
            .with_help("check indentation, quotes and brackets on this line and the one before")
    }

    fn tag_error(&self, span: Span, tag: &str) -> Diagnostic {
        let message = format!("this value cannot be read as the tag {tag:?} wants");
        Diagnostic::error("SW0006", self.source, span, message)
            .with_help("remove the tag, or use !!str, !!int, !!float, !!bool or !!null on a value that fits")
    }

    fn count(&mut self, node: Node, depth: usize) -> Result<Node, Diagnostic> {
        self.spend(measure(&node), node.span, depth)?;
        Ok(node)
    }

    fn open(&mut self, frame: Frame, depth: usize) -> Result<Frame, Diagnostic> {
        let (Frame::Sequence { start, .. } | Frame::Mapping { start, .. }) = &frame;
        self.spend(Size { nodes: 1, height: 1, texts: 0 }, Span::new(*start, *start), depth)?;
        Ok(frame)
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        // An alias inside its own anchor is not yet known here, so cycles cannot arise.
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error(
                "SW0001",
                self.source,
                span,
                "this alias refers to an anchor that is not complete",
            ));
        };
        let size = measure(node);
        let node = node.clone();
        self.spend(size, span, depth)?;
        Ok(Node { span, ..node })
    }

    /// Counts what is put at a depth.
    fn spend(&mut self, size: Size, span: Span, depth: usize) -> Result<(), Diagnostic> {
        self.nodes += size.nodes;
        self.texts += size.texts;
        if depth + size.height > self.limits.depth {
            let message = format!("this nests deeper than {} levels", self.limits.depth);
            return Err(Diagnostic::error("SW0004", self.source, span, message));
        }
        if self.nodes > self.limits.nodes {
            let message = format!("the document grows beyond {} nodes", self.limits.nodes);
            return Err(Diagnostic::error("SW0004", self.source, span, message)
                .with_help("anchors that refer to each other multiply; write less of it by alias"));
        }
        if self.texts > self.limits.texts {
            let message = format!("the texts of the document grow beyond {} bytes", self.limits.texts);
            return Err(Diagnostic::error("SW0004", self.source, span, message)
                .with_help("each alias counts as what it stands for; write less of it by alias"));
        }
        Ok(())
    }

    fn place(&self, frame: &mut Frame, node: Node) -> Result<(), Diagnostic> {
        match frame {
            Frame::Sequence { items, .. } => items.push(node),
            Frame::Mapping { pairs, seen, key, .. } => match key.take() {
                Some(name) => pairs.push((name, node)),
                None => {
                    let Value::Scalar(scalar) = node.value else {
                        return Err(Diagnostic::error(
                            "SW0002",
                            self.source,
                            node.span,
                            "a key must be a plain text",
                        ));
                    };
                    if !seen.insert(scalar.text.clone()) {
                        let message = format!("the key `{}` stands here twice", scalar.text);
                        return Err(Diagnostic::error("SW0003", self.source, node.span, message)
                            .with_help("remove or rename one of them"));
                    }
                    *key = Some(Spanned::new(scalar.text, node.span));
                }
            },
        }
        Ok(())
    }
}

/// What a tree takes.
struct Size {
    nodes: usize,
    height: usize,
    texts: usize,
}

/// What a tree takes; trees are at most `Limits::depth` deep, so recursion is bounded.
fn measure(node: &Node) -> Size {
    let (children, keys): (Vec<&Node>, usize) = match &node.value {
        Value::Scalar(scalar) => return Size { nodes: 1, height: 0, texts: scalar.text.len() },
        Value::Sequence(items) => (items.iter().collect(), 0),
        Value::Mapping(mapping) => {
            let keys = mapping.iter().map(|(key, _)| key.value.len()).sum();
            (mapping.iter().map(|(_, value)| value).collect(), keys)
        }
    };
    let whole = Size { nodes: 1, height: 1, texts: keys };
    children.into_iter().map(measure).fold(whole, |whole, part| Size {
        nodes: whole.nodes + part.nodes,
        height: whole.height.max(part.height + 1),
        texts: whole.texts + part.texts,
    })
}

fn end_of(text: &str) -> Pos {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Pos::new(number(text.split('\n').count()), number(last.chars().count() + 1))
}

pub(super) fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
