//! Scripts, styles and icons, compiled in and named by their content.

use shipway_base::Digest;
use std::sync::LazyLock;

/// A file that browsers may keep for good, because its name changes with its content.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name in the source, such as `app.css`.
    pub name: &'static str,
    /// The media type.
    pub media_type: &'static str,
    /// The content.
    pub text: &'static str,
}

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// All assets.
pub const ALL: [Asset; 8] = [
    Asset { name: "app.css", media_type: CSS, text: include_str!("../../assets/app.css") },
    Asset { name: "app.js", media_type: JS, text: include_str!("../../assets/app.js") },
    Asset { name: "log.js", media_type: JS, text: include_str!("../../assets/log.js") },
    Asset { name: "icon.svg", media_type: SVG, text: include_str!("../../assets/icon.svg") },
    Asset { name: "icon-good.svg", media_type: SVG, text: include_str!("../../assets/icon-good.svg") },
    Asset { name: "icon-bad.svg", media_type: SVG, text: include_str!("../../assets/icon-bad.svg") },
    Asset { name: "icon-busy.svg", media_type: SVG, text: include_str!("../../assets/icon-busy.svg") },
    Asset { name: "icon-wait.svg", media_type: SVG, text: include_str!("../../assets/icon-wait.svg") },
];

static PATHS: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
    ALL.iter()
        .map(|asset| {
            let hash = Digest::of(asset.text.as_bytes()).short();
            let (stem, kind) = asset.name.rsplit_once('.').unwrap_or((asset.name, ""));
            (asset.name, format!("/assets/{stem}.{hash}.{kind}"))
        })
        .collect()
});

/// The path of an asset, by its name in the source.
pub(crate) fn path(name: &str) -> &'static str {
    PATHS.iter().find(|(known, _)| *known == name).map_or("/assets/missing", |(_, path)| path.as_str())
}

/// The asset of a path's last segment; its hash must be the present one.
pub(crate) fn find(file: &str) -> Option<&'static Asset> {
    let (name, _) = PATHS.iter().find(|(_, path)| path.strip_prefix("/assets/") == Some(file))?;
    ALL.iter().find(|asset| asset.name == *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stay_within_their_budget() {
        let size = |media: &str| {
            ALL.iter().filter(|asset| asset.media_type == media).map(|asset| asset.text.len()).sum::<usize>()
        };
        assert!(size(JS) <= 40_000, "{} bytes of scripts", size(JS));
        assert!(size(CSS) <= 30_000, "{} bytes of styles", size(CSS));
    }

    #[test]
    fn every_asset_is_found_by_its_path() {
        for asset in &ALL {
            let file = path(asset.name).trim_start_matches("/assets/");
            assert_eq!(find(file).map(|found| found.name), Some(asset.name));
        }
        assert!(find("app.css").is_none());
        assert!(find("../Cargo.toml").is_none());
    }
}
