//! Sample workflows: one with every kind of input, one that nobody can start, one with errors.

use crate::fake::NOW;
use shipway_api::{Workflow, WorkflowInput, WorkflowInputKind, WorkflowSchedule, Workflows};
use std::time::Duration;

pub(super) fn sample() -> Workflows {
    let schedule = WorkflowSchedule {
        cron: "0 3 * * 1".to_owned(),
        timezone: Some("Europe/Berlin".to_owned()),
        next_at: Some(NOW + Duration::from_secs(7_200)),
    };
    Workflows {
        default_branch: "main".to_owned(),
        refs: vec!["main".to_owned(), "release/1.4".to_owned(), "v1".to_owned()],
        git_ref: Some("refs/heads/main".to_owned()),
        sha: Some("4d6e16f0".repeat(5)),
        items: vec![
            workflow("ci.yml", "CI", &["push", "pull_request"], None),
            Workflow {
                schedules: vec![schedule],
                ..workflow("deploy.yml", "Deploy <b>", &["workflow_dispatch", "schedule"], Some(inputs()))
            },
            Workflow {
                findings: vec![
                    ".github/workflows/old.yml:3:5: error[SW0102]: unknown key \"stpes\"".to_owned(),
                ],
                ..workflow("old.yml", "Old", &["workflow_dispatch"], Some(Vec::new()))
            },
        ],
    }
}

fn workflow(file: &str, name: &str, events: &[&str], inputs: Option<Vec<WorkflowInput>>) -> Workflow {
    Workflow {
        file: file.to_owned(),
        path: format!(".github/workflows/{file}"),
        name: name.to_owned(),
        events: events.iter().map(|&event| event.to_owned()).collect(),
        inputs,
        schedules: Vec::new(),
        findings: Vec::new(),
        unheard: Vec::new(),
    }
}

fn inputs() -> Vec<WorkflowInput> {
    let input = |name: &str, kind, required, default: Option<&str>| WorkflowInput {
        name: name.to_owned(),
        description: None,
        kind,
        options: Vec::new(),
        required,
        default: default.map(str::to_owned),
    };
    let colours = ["red", "blue"].map(str::to_owned).to_vec();
    vec![
        WorkflowInput {
            options: colours,
            description: Some("Which \"colour\"".to_owned()),
            ..input("colour", WorkflowInputKind::Choice, false, Some("blue"))
        },
        input("loud", WorkflowInputKind::Boolean, false, Some("true")),
        input("times", WorkflowInputKind::Number, false, Some("3")),
        input("where", WorkflowInputKind::Environment, false, None),
        input("ref", WorkflowInputKind::String, true, None),
    ]
}
