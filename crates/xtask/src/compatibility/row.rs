//! A row of the table: a feature, what shows that it works here, and what others document about it.

/// The part of GitHub Actions that a feature belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Area {
    Triggers,
    Workflow,
    Jobs,
    Steps,
    Actions,
    Expressions,
    Commands,
    Places,
    Services,
}

impl Area {
    pub(crate) const ALL: [Area; 9] = [
        Area::Triggers,
        Area::Workflow,
        Area::Jobs,
        Area::Steps,
        Area::Actions,
        Area::Expressions,
        Area::Commands,
        Area::Places,
        Area::Services,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Area::Triggers => "Events and filters",
            Area::Workflow => "Keys of a workflow",
            Area::Jobs => "Keys of a job",
            Area::Steps => "Steps",
            Area::Actions => "Actions",
            Area::Expressions => "Expressions",
            Area::Commands => "Commands, files, masks",
            Area::Places => "Containers and services",
            Area::Services => "What official actions need",
        }
    }
}

/// What is claimed for Shipway; the table is not written when the probe says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Works,
    /// Refused with this code.
    Refused(&'static str),
}

/// A text that the product's own parser and planner are given when the table is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probe {
    /// A workflow, planned for an event.
    Plan { event: &'static str, text: &'static str },
    /// A workflow, planned for a push, that calls the other one, `./.github/workflows/called.yml`.
    Calls { text: &'static str, called: &'static str },
    /// `action.yml`.
    Action(&'static str),
    /// An expression without contexts, and its value as JSON.
    Value { text: &'static str, json: &'static str },
    /// `.github/workflows/actions.lock`.
    Lock(&'static str),
    /// Only a run shows it: nothing but the suites and tests of the row speak for it.
    Run,
}

/// A test of the project: its file below `crates/`, and its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Test(pub(crate) &'static str, pub(crate) &'static str);

/// Whose documentation a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Act,
    Gitea,
    Forgejo,
}

impl Product {
    pub(crate) const ALL: [Product; 3] = [Product::Act, Product::Gitea, Product::Forgejo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Product::Act => "act",
            Product::Gitea => "Gitea",
            Product::Forgejo => "Forgejo",
        }
    }
}

/// What a product documents about a feature.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Said {
    /// No page that was read says anything.
    #[default]
    Nothing,
    /// It is documented as working.
    Works(Page),
    /// It is documented as working in part, or in another way.
    Partly(&'static str, Page),
    /// It is documented as ignored or missing.
    Missing(&'static str, Page),
}

/// A page of a product's documentation; see `sources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Page {
    ActUnsupported,
    ActMatrix,
    ActUsage,
    ActRunners,
    GiteaComparison,
    GiteaFaq,
    GiteaPermissions,
    GiteaScoped,
    GiteaRunner,
    ForgejoDifferences,
    ForgejoReference,
    ForgejoBasics,
    ForgejoActions,
    ForgejoAdvanced,
}

/// A feature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) area: Area,
    pub(crate) feature: &'static str,
    pub(crate) claim: Claim,
    pub(crate) probe: Probe,
    pub(crate) suites: &'static [&'static str],
    pub(crate) tests: &'static [Test],
    pub(crate) note: &'static str,
    pub(crate) act: Said,
    pub(crate) gitea: Said,
    pub(crate) forgejo: Said,
}

/// A feature that works; what else there is to say follows by the methods.
pub(crate) fn works(area: Area, feature: &'static str, probe: Probe) -> Row {
    let (suites, tests, note): (&[&str], &[Test], &str) = (&[], &[], "");
    let (act, gitea, forgejo) = (Said::Nothing, Said::Nothing, Said::Nothing);
    Row { area, feature, claim: Claim::Works, probe, suites, tests, note, act, gitea, forgejo }
}

impl Row {
    /// It is refused with a code.
    pub(crate) fn refused(self, code: &'static str) -> Row {
        Row { claim: Claim::Refused(code), ..self }
    }

    /// The conformance suites that are about it.
    pub(crate) fn suites(self, suites: &'static [&'static str]) -> Row {
        Row { suites, ..self }
    }

    /// The tests that show it.
    pub(crate) fn tests(self, tests: &'static [Test]) -> Row {
        Row { tests, ..self }
    }

    /// What is to be known beside.
    pub(crate) fn note(self, note: &'static str) -> Row {
        Row { note, ..self }
    }

    pub(crate) fn act(self, act: Said) -> Row {
        Row { act, ..self }
    }

    pub(crate) fn gitea(self, gitea: Said) -> Row {
        Row { gitea, ..self }
    }

    pub(crate) fn forgejo(self, forgejo: Said) -> Row {
        Row { forgejo, ..self }
    }

    /// What a product documents about it.
    pub(crate) fn said(&self, product: Product) -> Said {
        match product {
            Product::Act => self.act,
            Product::Gitea => self.gitea,
            Product::Forgejo => self.forgejo,
        }
    }
}
