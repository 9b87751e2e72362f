//! What a label under `runs-on` stands for here.

use std::{collections::BTreeMap, str::FromStr};

/// Where jobs with some label run when they name no container themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platform {
    /// On the machine.
    Host,
    /// In a container of this image.
    Image(String),
}

/// Platforms by label, in lower case.
pub type Platforms = BTreeMap<String, Platform>;

impl FromStr for Platform {
    type Err = String;

    /// Reads `host` or `docker://IMAGE`.
    fn from_str(text: &str) -> Result<Platform, String> {
        match (text, text.strip_prefix("docker://")) {
            ("host", _) => Ok(Platform::Host),
            (_, Some(image)) if !image.trim().is_empty() => Ok(Platform::Image(image.trim().to_owned())),
            _ => Err(format!("{text:?} is no platform; write host or docker://IMAGE")),
        }
    }
}

/// The image for a job with these labels: that of the first label that has a platform.
pub(crate) fn image_for<'a>(platforms: &'a Platforms, labels: &[String]) -> Option<&'a str> {
    let platform = labels.iter().find_map(|label| platforms.get(&label.to_lowercase()))?;
    match platform {
        Platform::Host => None,
        Platform::Image(image) => Some(image),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read_and_found_by_label() {
        assert_eq!("host".parse(), Ok(Platform::Host));
        assert_eq!("docker://a/b:1".parse(), Ok(Platform::Image("a/b:1".to_owned())));
        for wrong in ["", "docker://", "a/b", "Host"] {
            wrong.parse::<Platform>().expect_err(wrong);
        }
        let platforms = Platforms::from([
            ("linux".to_owned(), Platform::Image("x".to_owned())),
            ("plain".to_owned(), Platform::Host),
        ]);
        let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
        assert_eq!(image_for(&platforms, &labels(&["self-hosted", "Linux"])), Some("x"));
        assert_eq!(image_for(&platforms, &labels(&["plain", "linux"])), None);
        assert_eq!(image_for(&platforms, &labels(&["other"])), None);
    }
}
