//! What can be told from the name of an image, and from the environment in its configuration.

/// The host of the registry that credentials for an image are sent to; empty for the default registry. The rule is that
/// of GitHub's runner.
pub(super) fn registry_host(image: &str) -> &str {
    let mut parts = image.split('/');
    let (first, count) = (parts.next().unwrap_or_default(), 1 + parts.count());
    if count > 2 || count == 2 && first.contains([':', '.']) { first } else { "" }
}

/// The `PATH` among the variables of a container; empty when there is none.
pub(super) fn path_of(env: &[String]) -> &str {
    env.iter().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or_default()
}

/// The name with the tag that is meant when none is written.
pub(super) fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or_default();
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::run_file;
    use proptest::prelude::*;
    use serde_json::Value;

    fn same<T: PartialEq + std::fmt::Debug>(found: T, expect: T) -> Option<Result<(), String>> {
        Some(if found == expect { Ok(()) } else { Err(format!("{found:?} instead of {expect:?}")) })
    }

    #[test]
    fn conformance_docker_registry_host() {
        run_file("docker-registry-host.json", |input, expect| {
            same(Some(registry_host(input["image"].as_str()?)), expect["registry"].as_str())
        });
    }

    #[test]
    fn conformance_docker_image_path() {
        run_file("docker-image-path.json", |input, expect| {
            let env = input["env"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned);
            let env: Vec<String> = env.collect();
            same(Some(path_of(&env)), expect["path"].as_str())
        });
    }

    #[test]
    fn a_tag_is_added_where_none_is() {
        assert_eq!(with_tag("a/b"), "a/b:latest");
        assert_eq!(with_tag("localhost:5000/b"), "localhost:5000/b:latest");
        assert_eq!(with_tag("b:1"), "b:1");
        assert_eq!(with_tag("b@sha256:0"), "b@sha256:0");
    }

    proptest! {
        #[test]
        fn never_panics(image in "\\PC{0,24}") {
            let _ = (registry_host(&image), with_tag(&image));
        }
    }
}
