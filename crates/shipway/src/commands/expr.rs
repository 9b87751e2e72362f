//! `shipway expr`: one expression over a JSON context, to try a condition out.

use crate::{
    cli::{say, talk},
    environment::Environment,
    exit::{Exit, Failure},
    render,
};
use clap::Args;
use serde_json::json;
use std::{fs, path::PathBuf};

/// What to evaluate.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  shipway expr \"startsWith(github.ref, 'refs/tags/')\" --context '{\"github\": {\"ref\": \"refs/tags/v1\"}}'\n  shipway expr \"github.ref\" --context-file contexts.json --json | jq -r .value\n\nExit codes: 0 evaluated, 2 an invalid expression or context"
)]
pub(crate) struct Options {
    /// The expression, with or without `${{ }}`
    expression: String,
    /// The contexts as a JSON object: `{"github": {...}, "matrix": {...}}`
    #[arg(long, value_name = "JSON", default_value = "{}", conflicts_with = "context_file")]
    context: String,
    /// A file with the contexts
    #[arg(long, value_name = "FILE")]
    context_file: Option<PathBuf>,
    /// Print an object: value, or what is wrong with the expression as error
    #[arg(long)]
    json: bool,
}

/// How the message about GitHub's only function begins that needs more than contexts.
const HASH_FILES: &str = "unrecognized function: 'hashfiles'";

/// Prints the value as JSON.
pub(crate) fn run(environment: &Environment, options: &Options) -> Result<Exit, Failure> {
    let text = match &options.context_file {
        None => options.context.clone(),
        Some(path) => fs::read_to_string(environment.folder.join(path))
            .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))?,
    };
    let contexts: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text)
        .map_err(|error| Failure::new(Exit::Usage, format!("the context is not a JSON object: {error}")))?;
    let expression = options.expression.trim();
    let inner = expression.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(expression);
    match shipway_workflow::expr::evaluate_json(inner.trim(), &contexts) {
        Ok(value) => {
            say(&if options.json { json!({ "value": value }) } else { value }.to_string());
            Ok(Exit::Ok)
        }
        Err(mut found) => {
            if found.message.to_ascii_lowercase().starts_with(HASH_FILES) {
                found = found.with_help(
                    "hashFiles reads the workspace of a job, and here is none; try it in a step with `shipway run`",
                );
            }
            if options.json {
                let (at, end) = (found.span.start, found.span.end);
                let error = json!({
                    "code": found.code, "message": found.message, "help": found.help, "line": at.line,
                    "column": at.column, "end_line": end.line, "end_column": end.column,
                });
                say(&json!({ "error": error }).to_string());
            }
            talk(&render::diagnostic(&found, environment.wants_colour()));
            Ok(Exit::Usage)
        }
    }
}
