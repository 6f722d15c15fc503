//! What became of a load.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An answer that took longer came over a path that was broken when the request began: the first
/// repetition of a lost SYN is due after one second.
pub const PROMPT: Duration = Duration::from_millis(500);

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// When it was started.
    pub start: Instant,
    /// How long it took.
    pub took: Duration,
    /// The name of the server that answered, or why none did.
    pub outcome: Result<Arc<str>, Arc<str>>,
}

impl Request {
    fn is_prompt(&self) -> bool {
        self.outcome.is_ok() && self.took <= PROMPT
    }
}

/// Requests in the order in which they were started. Shown, it is one line of figures and one
/// line for each kind of failure.
#[derive(Debug, Clone)]
pub struct Report {
    requests: Vec<Request>,
    began: Instant,
}

impl Report {
    pub(super) fn new(mut requests: Vec<Request>, began: Instant) -> Self {
        requests.sort_by_key(|request| request.start);
        Self { requests, began }
    }

    /// All requests.
    #[must_use]
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The number of requests.
    #[must_use]
    pub fn count(&self) -> usize {
        self.requests.len()
    }

    /// The number of requests that were not answered with status 200 within their deadline.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.requests.iter().filter(|request| request.outcome.is_err()).count()
    }

    /// The part whose requests were started at `from` or later.
    #[must_use]
    pub fn since(&self, from: Instant) -> Self {
        let first = self.requests.partition_point(|request| request.start < from);
        Self { requests: self.requests[first..].to_vec(), began: self.began }
    }

    /// The part whose requests were started before `end`.
    #[must_use]
    pub fn until(&self, end: Instant) -> Self {
        let first = self.requests.partition_point(|request| request.start < end);
        Self { requests: self.requests[..first].to_vec(), began: self.began }
    }

    /// The longest time without service: from the start of a request that failed, or was not
    /// answered within [`PROMPT`], to the start of the next one that was.
    #[must_use]
    pub fn outage(&self) -> Duration {
        let mut longest = Duration::ZERO;
        let mut broken_since = None;
        for request in &self.requests {
            if !request.is_prompt() {
                broken_since.get_or_insert(request.start);
            }
            if let Some(since) = broken_since {
                longest = longest.max(request.start - since);
            }
            if request.is_prompt() {
                broken_since = None;
            }
        }
        longest
    }

    /// How many answers each server gave.
    #[must_use]
    pub fn answers(&self) -> BTreeMap<&str, usize> {
        let mut answers = BTreeMap::new();
        for server in self.requests.iter().filter_map(|request| request.outcome.as_deref().ok()) {
            *answers.entry(server).or_default() += 1;
        }
        answers
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, failures) = (self.count(), self.failures());
        write!(f, "{count} requests, {failures} failed")?;
        if self.outage() > Duration::ZERO {
            write!(f, ", longest outage {:.1?}", self.outage())?;
        }
        for (server, answers) in self.answers() {
            write!(f, ", {server} {answers}")?;
        }
        let mut kinds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for request in &self.requests {
            if let Err(reason) = &request.outcome {
                let at = request.start.saturating_duration_since(self.began).as_secs_f64();
                kinds.entry(reason).or_default().push(at);
            }
        }
        for (reason, times) in kinds {
            let (first, last) = (times[0], times[times.len() - 1]);
            write!(f, "\n  {} x {reason}, started {first:.3} s to {last:.3} s", times.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request per 10 ms: `.` prompt, `s` slow, `x` failed.
    fn report(text: &str) -> Report {
        let began = Instant::now();
        let request = |(number, kind)| {
            let start = began + Duration::from_millis(10) * number;
            let took = Duration::from_millis(if kind == 's' { 1010 } else { 2 });
            let outcome = if kind == 'x' { Err("refused".into()) } else { Ok("rs1".into()) };
            Request { start, took, outcome }
        };
        let mut requests: Vec<Request> = (1..).zip(text.chars()).map(request).collect();
        // In the order in which they might have ended.
        requests.reverse();
        Report::new(requests, began)
    }

    #[test]
    fn an_outage_lasts_until_the_next_prompt_answer() {
        for (text, milliseconds) in [
            ("", 0),
            ("....", 0),
            ("..x..", 10),
            ("..xxsxs..x.", 50),
            (".x.xxx.", 30),
            // Nothing was answered after the first failure: at least to the last request.
            ("..xxx", 20),
        ] {
            assert_eq!(report(text).outage(), Duration::from_millis(milliseconds), "{text:?}");
        }
    }

    #[test]
    fn parts_are_cut_by_the_start_of_requests() {
        let whole = report("..xx.");
        let third = whole.requests()[2].start;
        assert_eq!((whole.until(third).count(), whole.until(third).failures()), (2, 0));
        assert_eq!((whole.since(third).count(), whole.since(third).failures()), (3, 2));
    }

    #[test]
    fn the_text_names_each_kind_of_failure_once() {
        assert_eq!(
            report("..xx.").to_string(),
            "5 requests, 2 failed, longest outage 20.0ms, rs1 3\n  \
             2 x refused, started 0.030 s to 0.040 s"
        );
    }
}
