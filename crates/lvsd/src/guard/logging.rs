//! Log lines go to standard error, where systemd's journal takes them.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sets up the log with the least level or filter that the user asked for.
///
/// # Errors
/// When it is neither.
pub fn init(filter: &str) -> anyhow::Result<()> {
    // Nothing between two commas is no filter.
    let parts: Vec<&str> = filter.split(',').filter(|part| !part.trim().is_empty()).collect();
    let filter: Targets = parts
        .join(",")
        .parse()
        .with_context(|| format!("`--log {filter}` is no log level or filter"))?;
    // Netlink dumps at TRACE drown everything else.
    let lines = tracing_subscriber::registry().with(filter.with_target("neli", LevelFilter::INFO));
    let layer = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    // The journal stamps each line itself.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        lines.with(layer.without_time()).init();
    } else {
        lines.with(layer).init();
    }
    Ok(())
}
