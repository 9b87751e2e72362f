//! `container` and `services`, as they are written and as they come out.

use super::{super::Key, Fields};
use crate::expr::Template;
use shipway_base::{Secret, Span};

/// `container` of a job, or one entry of `services`.
#[derive(Clone, Debug)]
pub enum Container {
    /// Only an image, or an expression that gives one or a whole mapping.
    Image(Template),
    /// A mapping.
    Mapping(Box<ContainerMapping>),
}

/// The mapping form of a container. GitHub's rules: an empty image means that there is no container.
#[derive(Clone, Debug)]
pub struct ContainerMapping {
    /// `image`.
    pub image: Template,
    /// `credentials` of the registry.
    pub credentials: Option<Credentials>,
    /// `env` of the container.
    pub env: Fields,
    /// `ports`.
    pub ports: Items,
    /// `volumes`.
    pub volumes: Items,
    /// `options`: further options of `docker create`.
    pub options: Option<Template>,
    /// `entrypoint`; of services only.
    pub entrypoint: Option<Template>,
    /// `command`; of services only.
    pub command: Option<Template>,
    /// Its place.
    pub span: Span,
}

/// A sequence of texts, whose whole may also come from one expression.
#[derive(Clone, Debug)]
pub enum Items {
    /// Written out.
    Entries(Vec<Template>),
    /// `${{ ... }}`, which must give an array.
    Expression(Template),
}

/// `credentials` of a container registry.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Written out.
    Entries {
        /// `username`.
        username: Option<Template>,
        /// `password`.
        password: Option<Template>,
    },
    /// `${{ ... }}`, which must give an object with both.
    Expression(Template),
}

/// `services`.
#[derive(Clone, Debug)]
pub enum Services {
    /// Written out, by name in the order of the text; the container of `${{ insert }}` is the expression of all that
    /// stand in its place.
    Entries(Vec<(Key, Container)>),
    /// `${{ ... }}`, which must give an object of containers by name.
    Expression(Template),
}

/// A container with everything evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSpec {
    /// The image, without `docker://`; never empty.
    pub image: String,
    /// User name and password of the registry.
    pub credentials: Option<(String, Secret)>,
    /// Environment, in the order of the text.
    pub env: Vec<(String, String)>,
    /// Ports as `docker create -p` takes them.
    pub ports: Vec<String>,
    /// Volumes as `docker create -v` takes them.
    pub volumes: Vec<String>,
    /// Further options of `docker create`, one text.
    pub options: String,
    /// The program instead of the image's; of services only.
    pub entrypoint: Option<String>,
    /// The arguments instead of the image's; of services only.
    pub command: Option<String>,
}

/// `snapshot` is known, and always refused: it asks for an image of GitHub's own machines.
pub(crate) const SNAPSHOT_KEYS: &[&str] = &["image-name", "version", "if"];
