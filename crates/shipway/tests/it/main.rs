//! The binary as its users meet it: real processes, real repositories, real sockets.

mod back;
mod calls;
mod documentation;
mod faults;
mod full;
mod kill;
mod lint;
mod packages;
mod plan;
mod plant;
mod rerun;
mod run;
mod schedule;
mod split;
mod story;
mod support;
mod trust;
mod why;
