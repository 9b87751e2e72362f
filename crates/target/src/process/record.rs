//! What is kept on disk of each instance, so that it is found again after this program died.

use super::procfs::Identity;
use crate::InstanceSpec;
use serde_json::{Map, Value, json};
use shipway_base::Timestamp;
use shipway_rollout::{
    delivery::{Exit, InstancePhase},
    document::HealthCheck,
};
use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// One instance on disk. The form is versioned (`v`); an unknown version is refused rather than guessed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) spec: InstanceSpec,
    pub(super) port: u16,
    pub(super) started_at: Timestamp,
    pub(super) stage: RecordStage,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum RecordStage {
    /// It is about to be started; a process may or may not exist.
    Intended,
    /// It was started.
    Running { identity: Identity, was_ready: bool },
    /// It has ended, or could not be started.
    Ended { phase: InstancePhase, last_lines: Vec<String> },
}

impl Record {
    /// Writes the record so that a crash leaves the old or the new one.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("new");
        let mut file = fs::File::create(&temporary)?;
        file.write_all(self.to_json().to_string().as_bytes())?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    }

    pub(super) fn load(path: &Path) -> io::Result<Record> {
        let bytes = fs::read(path)?;
        let value: Value = serde_json::from_slice(&bytes)?;
        Record::from_json(&value)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is no record of an instance"))
    }

    fn to_json(&self) -> Value {
        let spec = &self.spec;
        let check = &spec.health_check;
        let stage = match &self.stage {
            RecordStage::Intended => json!({"is": "intended"}),
            RecordStage::Running { identity, was_ready } => json!({
                "is": "running", "pid": identity.pid, "startTicks": identity.start_ticks, "boot": identity.boot,
                "wasReady": was_ready,
            }),
            RecordStage::Ended { phase, last_lines } => {
                json!({"is": "ended", "phase": phase_to_json(phase), "lastLines": last_lines})
            }
        };
        json!({
            "v": 1, "id": spec.id, "service": spec.service, "version": spec.version,
            "directory": spec.directory.to_string_lossy(), "command": spec.command, "env": spec.env,
            "health": {
                "path": check.path, "intervalMs": millis(check.interval), "timeoutMs": millis(check.timeout),
                "healthy": check.healthy_threshold, "unhealthy": check.unhealthy_threshold,
                "startTimeoutMs": millis(check.start_timeout),
            },
            "stopTimeoutMs": millis(spec.stop_timeout), "port": self.port,
            "startedAt": self.started_at.as_micros(), "stage": stage,
        })
    }

    fn from_json(value: &Value) -> Option<Record> {
        let top = value.as_object().filter(|top| top.get("v") == Some(&json!(1)))?;
        let health = top.get("health")?.as_object()?;
        let stage = top.get("stage")?.as_object()?;
        let env = top.get("env")?.as_object()?;
        let spec = InstanceSpec {
            id: text(top, "id")?,
            service: text(top, "service")?,
            version: text(top, "version")?,
            directory: PathBuf::from(text(top, "directory")?),
            command: texts(top, "command")?,
            env: env
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
            health_check: HealthCheck {
                path: text(health, "path")?,
                interval: duration(health, "intervalMs")?,
                timeout: duration(health, "timeoutMs")?,
                healthy_threshold: u32::try_from(number(health, "healthy")?).ok()?,
                unhealthy_threshold: u32::try_from(number(health, "unhealthy")?).ok()?,
                start_timeout: duration(health, "startTimeoutMs")?,
            },
            stop_timeout: duration(top, "stopTimeoutMs")?,
        };
        let stage = match text(stage, "is")?.as_str() {
            "intended" => RecordStage::Intended,
            "running" => RecordStage::Running {
                identity: Identity {
                    pid: i32::try_from(number(stage, "pid")?).ok()?,
                    start_ticks: stage.get("startTicks")?.as_u64()?,
                    boot: text(stage, "boot")?,
                },
                was_ready: stage.get("wasReady")?.as_bool()?,
            },
            "ended" => RecordStage::Ended {
                phase: phase_from_json(stage.get("phase")?)?,
                last_lines: texts(stage, "lastLines")?,
            },
            _ => return None,
        };
        let port = u16::try_from(number(top, "port")?).ok()?;
        Some(Record { spec, port, started_at: Timestamp::from_micros(number(top, "startedAt")?), stage })
    }
}

fn phase_to_json(phase: &InstancePhase) -> Value {
    match phase {
        InstancePhase::CannotStart { reason } => json!({"cannotStart": reason}),
        InstancePhase::Exited(Exit::Code(code)) => json!({"code": code}),
        InstancePhase::Exited(Exit::Signal(signal)) => json!({"signal": signal}),
        InstancePhase::Exited(Exit::Unknown)
        | InstancePhase::Starting
        | InstancePhase::Ready
        | InstancePhase::Unready
        | InstancePhase::Stopping => json!({"unknown": true}),
    }
}

fn phase_from_json(value: &Value) -> Option<InstancePhase> {
    let map = value.as_object()?;
    let whole = |key: &str| number(map, key).and_then(|number| i32::try_from(number).ok());
    if let Some(reason) = text(map, "cannotStart") {
        return Some(InstancePhase::CannotStart { reason });
    }
    let exit = whole("code").map(Exit::Code).or_else(|| whole("signal").map(Exit::Signal));
    Some(InstancePhase::Exited(exit.unwrap_or(Exit::Unknown)))
}

fn text(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key)?.as_str().map(str::to_owned)
}

fn texts(map: &Map<String, Value>, key: &str) -> Option<Vec<String>> {
    map.get(key)?.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn number(map: &Map<String, Value>, key: &str) -> Option<i64> {
    map.get(key)?.as_i64()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn duration(map: &Map<String, Value>, key: &str) -> Option<Duration> {
    Some(Duration::from_millis(map.get(key)?.as_u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("folder");
        let spec = InstanceSpec {
            id: "web-1".to_owned(),
            service: "web".to_owned(),
            version: "v1".to_owned(),
            directory: folder.path().to_owned(),
            command: vec!["./web".to_owned(), "a b\"c\n".to_owned()],
            env: BTreeMap::from([("A".to_owned(), "ü=1".to_owned())]),
            health_check: HealthCheck::default(),
            stop_timeout: Duration::from_millis(1_500),
        };
        let identity = Identity { pid: 77, start_ticks: u64::MAX, boot: "b".to_owned() };
        let ended = |phase| RecordStage::Ended { phase, last_lines: vec!["bye".to_owned()] };
        for stage in [
            RecordStage::Intended,
            RecordStage::Running { identity, was_ready: true },
            ended(InstancePhase::Exited(Exit::Code(3))),
            ended(InstancePhase::Exited(Exit::Signal(9))),
            ended(InstancePhase::Exited(Exit::Unknown)),
            ended(InstancePhase::CannotStart { reason: "no".to_owned() }),
        ] {
            let record =
                Record { spec: spec.clone(), port: 8_080, started_at: Timestamp::from_millis(5), stage };
            let path = folder.path().join("web-1.json");
            record.save(&path).expect("saved");
            assert_eq!(Record::load(&path).expect("loaded"), record);
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.json");
        for text in ["", "{}", "[1]", "{\"v\":2}", "{\"v\":1,\"id\":\"x\"}"] {
            fs::write(&path, text).expect("written");
            assert!(Record::load(&path).is_err(), "{text}");
        }
    }
}
