//! All documents of a file: services, and the templates they refer to.

use super::{
    CanaryStep, CanaryStrategy, Service,
    fields::{Reader, SHAPE},
    service,
};
use shipway_analysis::AnalysisTemplate;
use shipway_base::{
    Diagnostic, Diagnostics, Source,
    yaml::{Limits, Node, closest, parse_all},
};

/// A document of a kind that nobody knows.
const KIND: &str = "SW0304";
/// A name is taken twice, or the service asked for is not there.
const NAME: &str = "SW0308";

/// What a delivery file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// The services in order.
    pub services: Vec<Service>,
    /// The analysis templates in order.
    pub templates: Vec<AnalysisTemplate>,
}

impl Documents {
    /// Reads all documents of a file and resolves the templates that its services refer to, with all findings. A
    /// service with errors is left out.
    pub fn parse(source: &Source) -> (Documents, Diagnostics) {
        let mut reader = Reader::new(source);
        let mut documents = Documents::default();
        match parse_all(source, Limits::default()) {
            Ok(nodes) => {
                for node in nodes.iter().filter(|node| !node.is_null()) {
                    documents.read(node, &mut reader);
                }
            }
            Err(error) => reader.found.push(error),
        }
        documents.check_names(&mut reader);
        let templates = documents.templates.clone();
        for service in &mut documents.services {
            service.canary.resolve(&templates, &mut reader);
        }
        (documents, reader.found)
    }

    fn read(&mut self, node: &Node, reader: &mut Reader<'_>) {
        let known = ["apiVersion", "kind", "metadata", "spec", "status"];
        let Some(document) = Reader::new(reader.source).open(node, "a document", &known, &[]) else {
            reader.error(
                SHAPE,
                node.span,
                format!("a document must be a mapping, but this is {}", node.kind_name()),
            );
            return;
        };
        let (Some(kind), Some(version)) =
            (document.text("kind", reader), document.text("apiVersion", reader))
        else {
            reader.error(SHAPE, node.span, "a document needs `apiVersion` and `kind`");
            return;
        };
        match (version.value.as_str(), kind.value.as_str()) {
            ("shipway.dev/v1", "Service") => {
                let known = ["apiVersion", "kind", "metadata", "spec"];
                let before = reader.found.iter().count();
                let service = reader.open(node, "a service document", &known, &[]);
                let service = service.and_then(|document| service::service(&document, reader));
                let clean = reader
                    .found
                    .iter()
                    .skip(before)
                    .all(|found| found.severity != shipway_base::Severity::Error);
                self.services.extend(service.filter(|_| clean));
            }
            ("argoproj.io/v1alpha1", "AnalysisTemplate" | "ClusterAnalysisTemplate") => {
                let (template, found) = AnalysisTemplate::parse(node, reader.source);
                reader.found.append(found);
                self.templates.extend(template);
            }
            ("argoproj.io/v1alpha1", "Rollout" | "Experiment" | "Application" | "AnalysisRun") => {
                let instead =
                    "write a Service (apiVersion shipway.dev/v1); its `strategy.canary` takes the same steps";
                reader.unsupported(kind.span, format!("`kind: {}`", kind.value), instead);
            }
            (_, other) => {
                let help = match closest(other, ["Service", "AnalysisTemplate"]) {
                    Some(meant) if meant != other => format!("did you mean `{meant}`?"),
                    Some(_) | None => {
                        "it may be a Service of shipway.dev/v1 or an AnalysisTemplate of argoproj.io/v1alpha1"
                            .to_owned()
                    }
                };
                let message = format!("a delivery file cannot hold `{other}` of `{}`", version.value);
                reader.found.push(Diagnostic::error(KIND, reader.source, kind.span, message).with_help(help));
            }
        }
    }

    fn check_names(&self, reader: &mut Reader<'_>) {
        let services: Vec<_> = self.services.iter().map(|service| &service.name).collect();
        let templates: Vec<_> = self.templates.iter().map(|template| &template.name).collect();
        for (what, names) in [("service", services), ("analysis template", templates)] {
            for (index, name) in names.iter().enumerate() {
                if names[..index].iter().any(|other| other.value == name.value) {
                    reader.error(NAME, name.span, format!("there are two {what}s called `{}`", name.value));
                }
            }
        }
    }
}

impl CanaryStrategy {
    pub(super) fn resolve(&mut self, templates: &[AnalysisTemplate], reader: &mut Reader<'_>) {
        if let Some(background) = &mut self.background {
            background.analysis.resolve(templates, reader);
        }
        for step in &mut self.steps {
            match &mut step.value {
                CanaryStep::Analysis(analysis) => analysis.resolve(templates, reader),
                CanaryStep::SetWeight(_) | CanaryStep::Pause { .. } => {}
            }
        }
    }
}

/// The one service of that name; the finding names those there are.
pub(crate) fn pick(documents: Documents, name: &str, source: &Source) -> Result<Service, Diagnostic> {
    let known: Vec<String> = documents.services.iter().map(|service| service.name.value.clone()).collect();
    documents.services.into_iter().find(|service| service.name.value == name).ok_or_else(|| {
        let message = format!("there is no service `{name}` in this file");
        let help = match (closest(name, known.iter().map(String::as_str)), known.is_empty()) {
            (Some(meant), _) => format!("did you mean `{meant}`?"),
            (None, true) => "add a document of `kind: Service`".to_owned(),
            (None, false) => format!("it has {}", known.join(", ")),
        };
        Diagnostic::error(NAME, source, shipway_base::Span::START, message).with_help(help)
    })
}
