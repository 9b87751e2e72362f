//! `action.yml`: composite, JavaScript and Docker actions.

mod read;

use crate::{
    document::{Fields, Step},
    expr::{Condition, Template},
};
use shipway_base::{Source, Spanned};

/// An action's manifest, `action.yml` or `action.yaml`.
#[derive(Clone, Debug)]
pub struct Action {
    /// The text it was read from.
    pub source: Source,
    /// `name`.
    pub name: Option<Spanned<String>>,
    /// `description`.
    pub description: Option<String>,
    /// `inputs` in the order of the text.
    pub inputs: Vec<ActionInput>,
    /// `outputs` in the order of the text.
    pub outputs: Vec<ActionOutput>,
    /// `runs`.
    pub runs: Runs,
    /// Keys of inputs that look misspelt, in words: nothing is wrong with them, and they mean nothing.
    pub misspelt: Vec<String>,
}

/// An entry of `inputs`.
#[derive(Clone, Debug)]
pub struct ActionInput {
    /// The key as written; compared without case.
    pub name: Spanned<String>,
    /// `description`.
    pub description: Option<String>,
    /// `required`; GitHub does not enforce it, so neither is it enforced here.
    pub required: bool,
    /// `default`.
    pub default: Option<Template>,
    /// `deprecationMessage`, shown as a warning when the input is given.
    pub deprecation_message: Option<String>,
}

/// An entry of `outputs`.
#[derive(Clone, Debug)]
pub struct ActionOutput {
    /// The key.
    pub name: Spanned<String>,
    /// `description`.
    pub description: Option<String>,
    /// `value`, of composite actions only.
    pub value: Option<Template>,
}

/// `runs`.
#[derive(Clone, Debug)]
pub enum Runs {
    /// `using: composite`.
    Composite(Composite),
    /// `using: node20` or another Node version.
    Node(Box<Node>),
    /// `using: docker`.
    Docker(Box<Docker>),
}

/// A composite action: steps of its own.
#[derive(Clone, Debug)]
pub struct Composite {
    /// `steps`; each `run` has a `shell`.
    pub steps: Vec<Step>,
}

/// A JavaScript action. Paths are relative to the action's folder.
#[derive(Clone, Debug)]
pub struct Node {
    /// `using`: `node20` or `node24`; older versions are run by the Node at hand, as GitHub does.
    pub using: Spanned<String>,
    /// `main`.
    pub main: Spanned<String>,
    /// `pre`: runs before the job's first step.
    pub pre: Option<Spanned<String>>,
    /// `pre-if`; `always()` when absent.
    pub pre_if: Condition,
    /// `post`: runs after the job's last step, in reverse order.
    pub post: Option<Spanned<String>>,
    /// `post-if`; `always()` when absent.
    pub post_if: Condition,
}

/// An action that is a container. Its programs are started one after the other in containers of the same image.
#[derive(Clone, Debug)]
pub struct Docker {
    /// `image`: `docker://` and an image, or the path of a Dockerfile in the action's folder.
    pub image: Spanned<String>,
    /// `entrypoint` instead of the image's.
    pub entrypoint: Option<Spanned<String>>,
    /// `args` instead of the image's command.
    pub args: Vec<Template>,
    /// `env` of the container, beside the step's.
    pub env: Fields,
    /// `pre-entrypoint`: runs before the job's first step.
    pub pre_entrypoint: Option<Spanned<String>>,
    /// `pre-if`; `always()` when absent.
    pub pre_if: Condition,
    /// `post-entrypoint`: runs after the job's last step, in reverse order.
    pub post_entrypoint: Option<Spanned<String>>,
    /// `post-if`; `always()` when absent.
    pub post_if: Condition,
}
