//! From a written container to what a container engine needs to know.

use super::{Container, ContainerMapping, ContainerSpec, Credentials, Entries, Items, Key, Services};
use crate::expr::{Object, Scope, Template, Value};
use shipway_base::{Diagnostic, Secret, Span};
use std::sync::Arc;

impl Default for Items {
    fn default() -> Items {
        Items::Entries(Vec::new())
    }
}

impl Container {
    /// The container; none when its image turns out empty, which on GitHub means that the job runs without it.
    ///
    /// `scope` offers the job's contexts and, for `env` and `credentials`, `secrets` and `env` as well.
    ///
    /// # Errors
    /// An expression that cannot be evaluated (SW02xx) or gives something else than its key needs (SW0117).
    pub fn eval(&self, scope: &dyn Scope) -> Result<Option<ContainerSpec>, Diagnostic> {
        match self {
            Container::Image(template) => from_value(template, "the container", &template.eval_value(scope)?),
            Container::Mapping(mapping) => mapping.eval(scope),
        }
    }

    /// The image as it is written.
    pub fn image(&self) -> &Template {
        match self {
            Container::Image(image) => image,
            Container::Mapping(mapping) => &mapping.image,
        }
    }
}

impl Services {
    /// The services by name, in the order of the text, less those whose image turns out empty.
    ///
    /// # Errors
    /// As [`Container::eval`].
    pub fn eval(&self, scope: &dyn Scope) -> Result<Vec<(String, ContainerSpec)>, Diagnostic> {
        let mut all = Entries::new();
        match self {
            Services::Entries(entries) => {
                for (key, container) in entries {
                    let image = container.image();
                    match key {
                        Key::Name(name) => {
                            all.add(&name.value, container.eval(scope)?, image.source(), name.span)?;
                        }
                        Key::Expression(key) => {
                            let name = key.eval_string(scope)?;
                            all.add(&name, container.eval(scope)?, image.source(), key.span())?;
                        }
                        Key::Insert(span) => add(&mut all, image, scope, *span)?,
                    }
                }
            }
            Services::Expression(template) => add(&mut all, template, scope, template.span())?,
        }
        Ok(all.into_inner().into_iter().filter_map(|(name, spec)| Some((name, spec?))).collect())
    }
}

/// Adds the services of the object that an expression gives.
fn add(
    all: &mut Entries<Option<ContainerSpec>>,
    template: &Template,
    scope: &dyn Scope,
    span: Span,
) -> Result<(), Diagnostic> {
    let value = template.eval_value(scope)?;
    for (name, value) in object(template, "services", &value)?.iter() {
        let spec = from_value(template, &format!("the service {name:?}"), value)?;
        all.add(name, spec, template.source(), span)?;
    }
    Ok(())
}

impl ContainerMapping {
    fn eval(&self, scope: &dyn Scope) -> Result<Option<ContainerSpec>, Diagnostic> {
        let image = without_scheme(&self.image.eval_string(scope)?);
        if image.is_empty() {
            return Ok(None);
        }
        let text = |template: &Option<Template>| -> Result<Option<String>, Diagnostic> {
            let text = template.as_ref().map(|template| template.eval_string(scope)).transpose()?;
            Ok(text.map(|text| text.as_ref().to_owned()))
        };
        let env = self.env.eval(scope)?.into_iter().map(|(name, text)| (name, text.as_ref().to_owned()));
        Ok(Some(ContainerSpec {
            image,
            credentials: match &self.credentials {
                Some(credentials) => credentials.eval(scope)?,
                None => None,
            },
            env: env.collect(),
            ports: self.ports.eval(scope, "ports")?,
            volumes: self.volumes.eval(scope, "volumes")?,
            options: text(&self.options)?.unwrap_or_default(),
            // An empty one leaves the image's in force.
            entrypoint: text(&self.entrypoint)?.filter(|text| !text.is_empty()),
            command: text(&self.command)?.filter(|text| !text.is_empty()),
        }))
    }
}

impl Credentials {
    /// User name and password; none when both are empty, so that a fork without the secrets pulls anonymously.
    fn eval(&self, scope: &dyn Scope) -> Result<Option<(String, Secret)>, Diagnostic> {
        match self {
            Credentials::Entries { username, password } => {
                let text = |template: &Option<Template>| -> Result<Arc<str>, Diagnostic> {
                    template.as_ref().map_or(Ok(Arc::from("")), |template| template.eval_string(scope))
                };
                Ok(pair(&text(username)?, &text(password)?))
            }
            Credentials::Expression(template) => from_credentials(template, &template.eval_value(scope)?),
        }
    }
}

impl Items {
    /// The texts.
    ///
    /// # Errors
    /// An expression that cannot be evaluated (SW02xx), or that gives no array of texts (SW0117).
    pub fn eval(&self, scope: &dyn Scope, place: &str) -> Result<Vec<String>, Diagnostic> {
        match self {
            Items::Entries(templates) => {
                let mut texts = Vec::new();
                for template in templates {
                    texts.extend(template.eval_items(scope)?.iter().map(|text| text.as_ref().to_owned()));
                }
                Ok(texts)
            }
            Items::Expression(template) => texts(template, place, &template.eval_value(scope)?),
        }
    }
}

/// A container that an expression gives: an image, or a mapping like the written one.
fn from_value(source: &Template, place: &str, value: &Value) -> Result<Option<ContainerSpec>, Diagnostic> {
    if value.is_primitive() {
        let image = without_scheme(&value.to_text());
        return Ok((!image.is_empty()).then(|| ContainerSpec { image, ..ContainerSpec::default() }));
    }
    let mut spec = ContainerSpec::default();
    for (key, value) in object(source, place, value)?.iter() {
        match key {
            "image" => spec.image = without_scheme(&text(source, key, value)?),
            "options" => spec.options = text(source, key, value)?,
            "entrypoint" => spec.entrypoint = Some(text(source, key, value)?).filter(|text| !text.is_empty()),
            "command" => spec.command = Some(text(source, key, value)?).filter(|text| !text.is_empty()),
            "ports" => spec.ports = texts(source, key, value)?,
            "volumes" => spec.volumes = texts(source, key, value)?,
            "env" => {
                for (name, value) in object(source, key, value)?.iter() {
                    spec.env.push((name.to_owned(), text(source, name, value)?));
                }
            }
            "credentials" => spec.credentials = from_credentials(source, value)?,
            _ => {
                let message =
                    format!("this expression gives {place} the key {key:?}, which no container has");
                return Err(Diagnostic::error("SW0117", source.source(), source.span(), message));
            }
        }
    }
    Ok((!spec.image.is_empty()).then_some(spec))
}

fn from_credentials(source: &Template, value: &Value) -> Result<Option<(String, Secret)>, Diagnostic> {
    let object = object(source, "credentials", value)?;
    let field = |name: &str| object.get(name).map_or(Ok(String::new()), |value| text(source, name, value));
    Ok(pair(&field("username")?, &field("password")?))
}

fn pair(username: &str, password: &str) -> Option<(String, Secret)> {
    (!(username.is_empty() && password.is_empty())).then(|| (username.to_owned(), Secret::new(password)))
}

fn object<'v>(source: &Template, place: &str, value: &'v Value) -> Result<&'v Object, Diagnostic> {
    value.as_object().ok_or_else(|| wrong(source, place, "an object", value))
}

fn text(source: &Template, place: &str, value: &Value) -> Result<String, Diagnostic> {
    match value.is_primitive() {
        true => Ok(value.to_text().as_ref().to_owned()),
        false => Err(wrong(source, place, "text", value)),
    }
}

fn texts(source: &Template, place: &str, value: &Value) -> Result<Vec<String>, Diagnostic> {
    let items = value.as_array().ok_or_else(|| wrong(source, place, "an array of texts", value))?;
    items.iter().map(|item| text(source, place, item)).collect()
}

fn wrong(source: &Template, place: &str, expected: &str, value: &Value) -> Diagnostic {
    let message = format!(
        "this expression must give {expected} for {place}, but it gives a value of the kind {}",
        value.kind().to_lowercase()
    );
    Diagnostic::error("SW0117", source.source(), source.span(), message)
}

fn without_scheme(image: &str) -> String {
    image.strip_prefix("docker://").unwrap_or(image).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{Job, Workflow};
    use super::*;
    use serde_json::json;
    use shipway_base::Source;

    struct World;

    impl Scope for World {
        fn context(&self, name: &str) -> Option<Value> {
            let vars = json!({
                "EMPTY": "", "IMAGE": "docker://redis:7",
                "WHOLE": {"image": "a", "ports": ["80"], "env": {"K": 1}, "credentials": {"username": "u", "password": "p"}},
                "ALL": {"db": "postgres", "none": "", "web": {"image": "w", "command": "serve"}},
                "WRONG": {"image": "a", "ports": "80"}, "UNKNOWN": {"imgae": "a"},
            });
            (name == "vars").then(|| Value::from_json(&vars))
        }

        fn function(&self, _: &str, _: &[Value]) -> Option<Result<Value, String>> {
            None
        }
    }

    fn job(keys: &str) -> Job {
        let text = format!("on: push\njobs: {{a: {{runs-on: x, {keys}}}}}\n");
        let (workflow, found) = Workflow::parse(&Source::new("w.yml", text));
        let workflow = workflow.unwrap_or_else(|| panic!("{found}"));
        workflow.jobs["a"].as_ref().clone()
    }

    fn container(written: &str) -> Result<Option<ContainerSpec>, Diagnostic> {
        let job = job(&format!("container: {written}"));
        let container = job.steps().and_then(|body| body.container.as_ref());
        container.map_or(Ok(None), |container| container.eval(&World))
    }

    #[test]
    fn an_empty_image_of_a_service_is_refused_where_all_is_written() {
        let told = |keys: &str| {
            let text = format!("on: push\njobs: {{a: {{runs-on: x, {keys}}}}}\n");
            Workflow::parse(&Source::new("w.yml", text)).1.to_string()
        };
        let help = "(an expression may give an empty image, which means that the service is left out)";
        for (service, expect) in [
            ("''", format!("w.yml:2:38: error[SW0103]: the service \"s\" must not be empty {help}")),
            ("{image: ''}", format!("w.yml:2:46: error[SW0103]: image must not be empty {help}")),
            (
                "{image: 'docker://'}",
                "w.yml:2:46: error[SW0103]: image names no image behind `docker://`".to_owned(),
            ),
            (
                "{options: x}",
                "w.yml:2:38: error[SW0102]: the service \"s\" needs the key \"image\"".to_owned(),
            ),
        ] {
            assert_eq!(told(&format!("services: {{s: {service}}}")).trim(), expect);
        }
        assert!(told("services: ").contains("services must be a mapping, but this is empty"));
        assert!(told("container: 'docker://'").contains("names no image behind"));
    }

    fn services(written: &str) -> Result<Vec<(String, ContainerSpec)>, Diagnostic> {
        let job = job(&format!("services: {written}"));
        let services = job.steps().and_then(|body| body.services.as_ref());
        services.map_or(Ok(Vec::new()), |services| services.eval(&World))
    }

    #[test]
    fn every_form_comes_to_the_same_kind_of_thing() {
        let plain = |image: &str| Some(ContainerSpec { image: image.to_owned(), ..ContainerSpec::default() });
        assert_eq!(container("alpine"), Ok(plain("alpine")));
        assert_eq!(container("'${{ vars.IMAGE }}'"), Ok(plain("redis:7")));
        let whole = ContainerSpec {
            credentials: Some(("u".to_owned(), Secret::new("p"))),
            env: vec![("K".to_owned(), "1".to_owned())],
            ports: vec!["80".to_owned()],
            ..plain("a").unwrap_or_default()
        };
        assert_eq!(container("'${{ vars.WHOLE }}'"), Ok(Some(whole.clone())));
        let written = "{image: a, ports: [80], env: {K: 1}, credentials: {username: u, password: p}}";
        assert_eq!(container(written), Ok(Some(whole)));
    }

    #[test]
    fn the_items_of_an_array_take_the_place_of_its_expression() {
        let ports = |written: &str| {
            let found = container(&format!("{{image: a, ports: {written}}}"));
            found.map(|spec| spec.unwrap_or_default().ports.join("+")).map_err(|found| found.to_string())
        };
        let nested = "'${{ fromJSON(''[[1]]'') }}'";
        assert_eq!(ports("[80, '${{ vars.WHOLE.ports }}', 82]"), Ok("80+80+82".to_owned()));
        assert!(ports(&format!("[{nested}]")).is_err_and(|found| found.contains("gives an array")));
    }

    #[test]
    fn an_empty_image_means_none() {
        assert_eq!(container("''"), Ok(None));
        assert_eq!(container("'${{ vars.EMPTY }}'"), Ok(None));
        assert_eq!(container("{image: '${{ vars.EMPTY }}', options: x}"), Ok(None));
        assert_eq!(container("{image: '', options: x}"), Ok(None));
        assert_eq!(container("{image: '', env: {A: '${{ github.ref }}'}}"), Ok(None));
        assert_eq!(container("{image: 'docker://', env: {A: '${{ github.ref }}'}}"), Ok(None));
        let names = |written: &str| -> Vec<String> {
            let found = services(written).unwrap_or_else(|found| panic!("{found}"));
            found.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(
            names("{db: a, off: '${{ vars.EMPTY }}', web: {image: '${{ vars.IMAGE }}'}}"),
            ["db", "web"]
        );
        assert_eq!(names("'${{ vars.ALL }}'"), ["db", "web"]);
        // Written, it is a mistake unless an expression stands somewhere among the services.
        assert_eq!(names("{db: '${{ vars.IMAGE }}', a: '', c: {image: ''}, d: 'docker://'}"), ["db"]);
        assert_eq!(names("{a: b, '${{ insert }}': '${{ vars.ALL }}'}"), ["a", "db", "web"]);
        assert_eq!(names("{'x${{ github.none }}': b}"), ["x"]);
    }

    #[test]
    fn what_is_no_container_is_told_at_its_place() {
        let check = |written: &str, expect: &str| {
            let found = container(written).map_or_else(|found| found.to_string(), |spec| format!("{spec:?}"));
            assert!(found.starts_with("w.yml:2:") && found.contains(expect), "{written}: {found}");
        };
        check("'${{ vars.WRONG }}'", "error[SW0117]: this expression must give an array of texts for ports");
        check("'${{ vars.UNKNOWN }}'", "which no container has");
        check("{image: a, volumes: '${{ vars.IMAGE }}'}", "an array of texts for volumes");
        check("{image: '${{ vars.ALL }}'}", "error[SW0206]");
    }
}
