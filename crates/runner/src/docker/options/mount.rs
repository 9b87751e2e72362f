//! `--mount`. Errors continue a sentence.

use super::values::{full_pair, pair, size, truth};
use bollard::models::{
    Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType,
    MountVolumeOptions, MountVolumeOptionsDriverConfig,
};

/// `type=bind,source=/a,target=/b,readonly`, and the like for volumes and tmpfs.
pub(super) fn mount(text: &str) -> Result<Mount, String> {
    let mut mount = Mount { typ: Some(MountType::VOLUME), ..Mount::default() };
    for field in text.split(',') {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value)),
            None => (field.trim(), None),
        };
        let needed = || value.map(str::to_owned).ok_or_else(|| format!("{key} needs a value"));
        match key {
            "type" => mount.typ = Some(kind(&needed()?)?),
            "source" | "src" => mount.source = Some(needed()?),
            "target" | "destination" | "dst" => mount.target = Some(needed()?),
            "readonly" | "ro" => mount.read_only = Some(value.map_or(Ok(true), truth)?),
            "bind-propagation" => bind(&mut mount).propagation = Some(propagation(&needed()?)?),
            "volume-nocopy" => volume(&mut mount).no_copy = Some(value.map_or(Ok(true), truth)?),
            "volume-subpath" => volume(&mut mount).subpath = Some(needed()?),
            "volume-label" => volume(&mut mount).labels.get_or_insert_default().extend([pair(&needed()?)]),
            "volume-driver" => driver(&mut mount).name = Some(needed()?),
            "volume-opt" => {
                driver(&mut mount).options.get_or_insert_default().extend([full_pair(&needed()?)?])
            }
            "consistency" => mount.consistency = Some(needed()?),
            "bind-nonrecursive" => bind(&mut mount).non_recursive = Some(value.map_or(Ok(true), truth)?),
            "tmpfs-size" => tmpfs(&mut mount).size_bytes = Some(size(&needed()?)?),
            "tmpfs-mode" => {
                let mode = needed()?;
                let read =
                    i64::from_str_radix(&mode, 8).map_err(|_| format!("{mode:?} is no mode such as 1777"));
                tmpfs(&mut mount).mode = Some(read?);
            }
            other => return Err(format!("the field {other:?} is not supported")),
        }
    }
    if mount.target.is_none() {
        return Err("it names no target".to_owned());
    }
    if mount.typ == Some(MountType::BIND) && !mount.source.as_ref().is_some_and(|path| path.starts_with('/'))
    {
        return Err("a bind mount needs an absolute path of this machine as its source".to_owned());
    }
    Ok(mount)
}

fn kind(text: &str) -> Result<MountType, String> {
    match text {
        "bind" => Ok(MountType::BIND),
        "volume" => Ok(MountType::VOLUME),
        "tmpfs" => Ok(MountType::TMPFS),
        other => Err(format!("the type {other:?} is neither bind, volume nor tmpfs")),
    }
}

fn propagation(text: &str) -> Result<MountBindOptionsPropagationEnum, String> {
    use MountBindOptionsPropagationEnum as P;
    match text {
        "private" => Ok(P::PRIVATE),
        "rprivate" => Ok(P::RPRIVATE),
        "shared" => Ok(P::SHARED),
        "rshared" => Ok(P::RSHARED),
        "slave" => Ok(P::SLAVE),
        "rslave" => Ok(P::RSLAVE),
        other => Err(format!("there is no propagation {other:?}")),
    }
}

fn bind(mount: &mut Mount) -> &mut MountBindOptions {
    mount.bind_options.get_or_insert_default()
}

fn volume(mount: &mut Mount) -> &mut MountVolumeOptions {
    mount.volume_options.get_or_insert_default()
}

fn driver(mount: &mut Mount) -> &mut MountVolumeOptionsDriverConfig {
    volume(mount).driver_config.get_or_insert_default()
}

fn tmpfs(mount: &mut Mount) -> &mut MountTmpfsOptions {
    mount.tmpfs_options.get_or_insert_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mounts_are_read_and_refused() {
        let found = mount("type=bind,src=/a,dst=/b,ro").expect("a mount");
        assert_eq!((found.typ, found.read_only), (Some(MountType::BIND), Some(true)));
        assert_eq!(
            mount("type=tmpfs,target=/t,tmpfs-mode=1777").expect("tmpfs").tmpfs_options.and_then(|t| t.mode),
            Some(0o1777)
        );
        let found = mount(
            "src=v,dst=/b,volume-driver=local,volume-opt=type=nfs,volume-opt=o=a=b,volume-label=l,consistency=cached",
        );
        let found = found.expect("a volume");
        let options = found.volume_options.expect("options");
        let driver = options.driver_config.expect("a driver");
        let given = driver.options.map(|mut given| (given.remove("type"), given.remove("o"), given.len()));
        assert_eq!(given, Some((Some("nfs".to_owned()), Some("a=b".to_owned()), 0)));
        assert_eq!((driver.name.as_deref(), found.consistency.as_deref()), (Some("local"), Some("cached")));
        assert_eq!(options.labels.map(|labels| labels.len()), Some(1));
        for wrong in ["", "type=bind,src=a,dst=/b", "type=x,dst=/b", "dst=/b,volume-opt=x", "src=/a", "dst"] {
            mount(wrong).expect_err(wrong);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(type=|src=|dst=|bind|,|/a|ro|tmpfs-mode=|9|=){0,8}") {
            let _ = mount(&text);
        }
    }
}
