//! An empty filter on indymilter: every callback registered, each answers "continue".
//!
//! It shows in `tests/bench/run` what the library costs before mailward does anything.
//! Usage: `empty_indymilter unix:PATH`.

use indymilter::{Callbacks, Config, Status};
use std::{
    env,
    future::{pending, ready},
    io,
};
use tokio::net::UnixListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    let argument = env::args().nth(1).unwrap_or_default();
    let Some(path) = argument.strip_prefix("unix:") else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: empty_indymilter unix:PATH"));
    };
    // The default of 100 lets the idle sessions of the memory measurement wait in the backlog.
    let config = Config { max_connections: 4000, ..Config::default() };
    indymilter::run(UnixListener::bind(path)?, callbacks(), config, pending::<()>()).await
}

fn callbacks() -> Callbacks<()> {
    Callbacks::new()
        .on_connect(|_, _, _| Box::pin(ready(Status::Continue)))
        .on_helo(|_, _| Box::pin(ready(Status::Continue)))
        .on_mail(|_, _| Box::pin(ready(Status::Continue)))
        .on_rcpt(|_, _| Box::pin(ready(Status::Continue)))
        .on_data(|_| Box::pin(ready(Status::Continue)))
        .on_header(|_, _, _| Box::pin(ready(Status::Continue)))
        .on_eoh(|_| Box::pin(ready(Status::Continue)))
        .on_body(|_, _| Box::pin(ready(Status::Continue)))
        .on_eom(|_| Box::pin(ready(Status::Continue)))
        .on_abort(|_| Box::pin(ready(Status::Continue)))
        .on_close(|_| Box::pin(ready(Status::Continue)))
        .on_unknown(|_, _| Box::pin(ready(Status::Continue)))
}
