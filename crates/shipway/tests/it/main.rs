//! The binary as its users meet it: real processes, real repositories, real sockets.

mod documentation;
mod run;
mod support;
