//! The `skyplan` command: sets up logs and TLS, and hands over to [`skyplan::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        // What libraries log is for looking into skyplan itself: only when it is asked for.
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing_subscriber::filter::LevelFilter::OFF.into())
                .with_env_var("SKYPLAN_LOG")
                .from_env_lossy(),
        )
        .with_writer(std::io::stderr)
        .init();
    // The TLS library has no default; a second installation in one process is refused and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    skyplan::cli::run(std::env::args_os()).into()
}
