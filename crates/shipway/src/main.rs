//! The `shipway` binary: one thin arm per role.

mod annotate;
mod cli;
mod client;
mod commands;
mod demo;
mod environment;
mod exit;
mod history;
mod narrator;
mod output;
mod render;
mod replace;
mod stop;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before any thread is started: the kernel lets only a program without threads change its namespaces.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((verb, rest)) = arguments.split_first()
        && verb == shipway_runner::sandbox::VERB
    {
        return shipway_runner::sandbox::play(rest).into();
    }
    let environment = environment::Environment::read();
    cli::main(&environment).into()
}
