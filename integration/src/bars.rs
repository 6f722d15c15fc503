//! What the benchmarks are held to.

use std::fmt;

use anyhow::{Context, Result};

/// The bars, with what was measured.
#[derive(Debug, Default)]
pub struct Bars(Vec<String>);

impl Bars {
    /// Notes that `figure` should be at most `bar`.
    pub fn add(&mut self, what: &str, figure: f64, bar: f64, unit: &str) {
        let verdict = if figure <= bar { "reached" } else { "NOT REACHED" };
        self.0.push(format!("  {what:<66} {figure:>7.3}{unit:<4} bar {bar:>6}{unit:<4} {verdict}"));
    }
}

/// A number from the environment.
///
/// # Errors
/// When something else is there.
pub fn number(name: &str, default: u32) -> Result<u32> {
    let Ok(text) = std::env::var(name) else { return Ok(default) };
    text.parse().with_context(|| format!("{name} is {text:?}, which is no number"))
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bars\n{}", self.0.join("\n"))
    }
}
