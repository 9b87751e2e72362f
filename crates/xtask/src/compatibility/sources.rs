//! The pages of others that the table cites, with the version that was read.

use super::row::{Page, Product};

/// A page: whose, its title, its address, and the version that was read.
pub(crate) struct Source {
    pub(crate) product: Product,
    pub(crate) title: &'static str,
    pub(crate) address: &'static str,
    pub(crate) version: &'static str,
}

impl Page {
    pub(crate) fn source(self) -> Source {
        let (product, title, address) = match self {
            Page::ActUnsupported => (Product::Act, "Unsupported functionality", "not_supported.html"),
            Page::ActMatrix => (Product::Act, "Supported options", "support_matrix.html"),
            Page::ActUsage => (Product::Act, "Usage guide", "usage/index.html"),
            Page::ActRunners => (Product::Act, "Runners", "usage/runners.html"),
            Page::GiteaComparison => (Product::Gitea, "Compared to GitHub Actions", "comparison"),
            Page::GiteaFaq => (Product::Gitea, "Frequently asked questions", "faq"),
            Page::GiteaPermissions => (Product::Gitea, "Job token permissions", "token-permissions"),
            Page::GiteaScoped => (Product::Gitea, "Scoped workflows", "scoped-workflows"),
            Page::GiteaRunner => (Product::Gitea, "Runner", "runner"),
            Page::ForgejoDifferences => (Product::Forgejo, "GitHub Actions", "github-actions"),
            Page::ForgejoReference => (Product::Forgejo, "Reference", "reference"),
            Page::ForgejoBasics => (Product::Forgejo, "Basic concepts", "basic-concepts"),
            Page::ForgejoActions => (Product::Forgejo, "Actions", "actions"),
            Page::ForgejoAdvanced => (Product::Forgejo, "Advanced features", "advanced-features"),
        };
        let version = match product {
            Product::Act => "nektos/act-docs at 35cab61 of 2025-05-01",
            Product::Gitea => "1.27, as of 1.27.0-rc0 of 2026-07-01",
            Product::Forgejo => "the documentation repository at c4080e1 of 2026-04-22",
        };
        Source { product, title, address, version }
    }
}

impl Source {
    /// The address in full.
    pub(crate) fn url(&self) -> String {
        let base = match self.product {
            Product::Act => "https://nektosact.com",
            Product::Gitea => "https://docs.gitea.com/1.27/usage/actions",
            Product::Forgejo => "https://forgejo.org/docs/next/user/actions",
        };
        format!("{base}/{}", self.address)
    }
}
