//! The router over real sockets: what passes through, what is refused, what is counted, and that shifting loses
//! nothing.

mod evidence;
mod hostile;
mod life;
mod load;
mod passing;
mod shift;
mod sticky;
mod world;
