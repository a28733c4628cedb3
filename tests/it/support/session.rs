//! Sessions of the library, without a job.

use std::path::Path;
use std::time::Duration;

use dwsload::error::Result;
use dwsload::wire::connect::connect;
use dwsload::wire::environment::Environment;
use dwsload::wire::session::Session;
use dwsload::wire::settings::Settings;
use dwsload::wire::target::Target;

/// Runs `work` to its end.
///
/// # Panics
/// It does not end within half a minute: a deadlock.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(30), work).await })
        .expect("it does not end: a deadlock")
}

/// Connects by settings of libpq, in an environment with this home folder and nothing else.
///
/// # Errors
/// The settings make no sense, or there is no login.
pub(crate) async fn log_in(settings: &Settings, home: &Path) -> Result<Session> {
    let environment = Environment::new([], Some(home.to_owned()), Some("nobody".into()));
    connect(&Target::resolve(settings, &environment)?, "dwsload:test").await
}

/// A session on the server at `url`.
///
/// # Panics
/// There is no login.
pub(crate) async fn session(url: &str) -> Session {
    let settings = Settings::from_url(url).expect("a URL");
    let session = log_in(&settings, Path::new("/nonexistent")).await;
    session.unwrap_or_else(|error| panic!("{}", dwsload::error::render(&error)))
}
