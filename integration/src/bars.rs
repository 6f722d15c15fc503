//! What the benchmarks are held to.

use std::fmt;

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

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bars\n{}", self.0.join("\n"))
    }
}
