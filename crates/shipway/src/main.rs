//! The `shipway` binary: one thin arm per role.

mod cli;
mod client;
mod commands;
mod demo;
mod environment;
mod exit;
mod history;
mod narrator;
mod render;
mod stop;

use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = environment::Environment::read();
    cli::main(&environment).into()
}
