//! `--device`, `--gpus`, `--ulimit`, `--restart`. Errors continue a sentence.

use super::values::number;
use bollard::models::{DeviceMapping, DeviceRequest, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum};

/// `/dev/here[:/dev/there][:rwm]`.
pub(super) fn device(text: &str) -> Result<DeviceMapping, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_mode = |text: &str| !text.is_empty() && text.chars().all(|letter| "rwm".contains(letter));
    let (host, container, mode) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, mode] if is_mode(mode) => (host, host, mode),
        [host, container] => (host, container, "rwm"),
        [host, container, mode] if is_mode(mode) => (host, container, mode),
        _ => return Err(format!("{text:?} is no device such as /dev/fuse:/dev/fuse:rwm")),
    };
    Ok(DeviceMapping {
        path_on_host: Some(host.to_owned()),
        path_in_container: Some(container.to_owned()),
        cgroup_permissions: Some(mode.to_owned()),
    })
}

/// `all`, a number, or `device=0,1`.
pub(super) fn gpus(text: &str) -> Result<DeviceRequest, String> {
    let mut request =
        DeviceRequest { capabilities: Some(vec![vec!["gpu".to_owned()]]), ..DeviceRequest::default() };
    let text = text.trim_matches('"');
    match text.strip_prefix("device=") {
        Some(ids) => request.device_ids = Some(ids.split(',').map(str::to_owned).collect()),
        None if text == "all" => request.count = Some(-1),
        None => {
            request.count =
                Some(number(text).map_err(|_| format!("{text:?} is neither all, a number nor device=ID"))?);
        }
    }
    Ok(request)
}

/// `nofile=1024:2048`.
pub(super) fn ulimit(text: &str) -> Result<ResourcesUlimits, String> {
    let wrong = || format!("{text:?} is no limit such as nofile=1024:2048");
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let (soft, hard) = (number(soft).map_err(|_| wrong())?, number(hard).map_err(|_| wrong())?);
    Ok(ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(hard) })
}

/// `no`, `always`, `unless-stopped`, `on-failure[:times]`.
pub(super) fn restart(text: &str) -> Result<RestartPolicy, String> {
    let (name, times) = match text.split_once(':') {
        Some((name, times)) => (name, Some(number(times)?)),
        None => (text, None),
    };
    let name = match name {
        "no" => RestartPolicyNameEnum::NO,
        "always" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        _ => return Err(format!("{text:?} is neither no, always, unless-stopped nor on-failure")),
    };
    Ok(RestartPolicy { name: Some(name), maximum_retry_count: times })
}
