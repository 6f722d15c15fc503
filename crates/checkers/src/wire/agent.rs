//! The words of HAProxy's agent protocol (its configuration manual, `agent-check`).

use crate::outcome::{Advice, Cause, Failure};

/// So many bytes of an answer are read.
pub const LIMIT: usize = 1024;
/// The largest share of a weight that can be asked for, in per cent.
const MAX_PERCENT: u32 = 10_000;

/// What a server that is up has to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The share of its weight that it asks for.
    pub advice: Option<Advice>,
    /// What decides nothing.
    pub note: Option<String>,
}

/// Judges an answer: words between blanks, tabs and commas, up to the end of the line. What is
/// behind `#` describes the word before it, up to the end of the line.
///
/// # Errors
/// When the server is down, or its answer has no known word or an unknown one.
pub fn judge(answer: &[u8]) -> Result<Report, Failure> {
    let end = answer.iter().position(|byte| b"\r\n\0".contains(byte)).unwrap_or(answer.len());
    let line = String::from_utf8_lossy(&answer[..end.min(LIMIT)]);
    let (words, description) = match line.split_once('#') {
        Some((words, description)) => (words, Some(printable(description.trim()))),
        None => (&*line, None),
    };
    let words = words.split([' ', '\t', ',']).filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(|word| (word, Word::parse(word))).collect();
    let has = |wanted: Word| words.iter().find(|(_, word)| *word == wanted);

    // Who is leaving service means it, whatever else there is.
    for (word, cause) in [(Word::Maintenance, Cause::Maintenance), (Word::Down, Cause::Reported)] {
        if let Some((name, _)) = has(word) {
            let name = format!("the agent says {}", name.to_lowercase());
            return Err(Failure::new(cause, with(name, description)));
        }
    }
    if let Some((name, _)) = has(Word::Unknown) {
        let text = format!("the agent says `{}`, which is not known", printable(name));
        return Err(Failure::new(Cause::Protocol, text));
    }
    if words.is_empty() {
        return Err(Failure::new(Cause::Protocol, "the agent says nothing"));
    }
    let percent = words.iter().filter_map(|(_, word)| match word {
        Word::Percent(percent) => Some(*percent),
        Word::Drain => Some(0),
        _ => None,
    });
    let drains = has(Word::Drain).map(|_| "the agent says drain".to_owned());
    let limit = has(Word::MaxConnections);
    let limit = limit.map(|(name, _)| format!("{} is not used", printable(name)));
    let note = match (drains.or(limit), description) {
        (Some(note), description) => Some(with(note, description)),
        (None, description) => description,
    };
    Ok(Report { advice: percent.min().map(Advice::Percent), note })
}

/// A word of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// `up`, `ready`: as is.
    Up,
    /// `down`, `fail`, `stopped`.
    Down,
    /// `drain`.
    Drain,
    /// `maint`.
    Maintenance,
    /// `75%`.
    Percent(u32),
    /// `maxconn:30`, for which IPVS has thresholds, but nothing here changes them.
    MaxConnections,
    Unknown,
}

impl Word {
    fn parse(word: &str) -> Self {
        let word = word.to_ascii_lowercase();
        if let Some(digits) = word.strip_suffix('%') {
            let percent = number(digits).filter(|percent| *percent <= MAX_PERCENT);
            return percent.map_or(Self::Unknown, Self::Percent);
        }
        if let Some(digits) = word.strip_prefix("maxconn:") {
            return number(digits).map_or(Self::Unknown, |_| Self::MaxConnections);
        }
        match &*word {
            "up" | "ready" => Self::Up,
            "down" | "fail" | "stopped" => Self::Down,
            "drain" => Self::Drain,
            "maint" => Self::Maintenance,
            _ => Self::Unknown,
        }
    }
}

/// A number without a sign.
fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn with(name: String, description: Option<String>) -> String {
    match description {
        Some(description) => format!("{name}: {description}"),
        None => name,
    }
}

fn printable(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(percent: Option<u32>, note: Option<&str>) -> Result<Report, Failure> {
        Ok(Report { advice: percent.map(Advice::Percent), note: note.map(str::to_owned) })
    }

    fn failure(cause: Cause, text: &str) -> Result<Report, Failure> {
        Err(Failure::new(cause, text))
    }

    #[test]
    fn who_is_up_may_ask_for_a_share() {
        for (answer, expected) in [
            ("up\n", report(None, None)),
            ("READY\r\n", report(None, None)),
            ("75%", report(Some(75), None)),
            ("up 75%\n", report(Some(75), None)),
            ("ready,up\t150%\nignored", report(Some(150), None)),
            ("0%\n", report(Some(0), None)),
            ("up maxconn:30\n", report(None, Some("maxconn:30 is not used"))),
            ("up # all well\n", report(None, Some("all well"))),
        ] {
            assert_eq!(judge(answer.as_bytes()), expected, "{answer:?}");
        }
    }

    #[test]
    fn who_drains_is_up_with_no_share() {
        for (answer, note) in [
            ("drain\n", "the agent says drain"),
            ("50% drain#new release\n", "the agent says drain: new release"),
            ("drain 50%\n", "the agent says drain"),
        ] {
            assert_eq!(judge(answer.as_bytes()), report(Some(0), Some(note)), "{answer:?}");
        }
    }

    #[test]
    fn who_is_down_says_why() {
        for (answer, cause, text) in [
            ("down\n", Cause::Reported, "the agent says down"),
            ("down#disk full, sorry\n", Cause::Reported, "the agent says down: disk full, sorry"),
            ("Stopped #x\x07y", Cause::Reported, "the agent says stopped: x?y"),
            ("75% fail", Cause::Reported, "the agent says fail"),
            ("up down", Cause::Reported, "the agent says down"),
            ("maint#until noon", Cause::Maintenance, "the agent says maint: until noon"),
            ("down maint", Cause::Maintenance, "the agent says maint"),
        ] {
            assert_eq!(judge(answer.as_bytes()), failure(cause, text), "{answer:?}");
        }
    }

    #[test]
    fn what_is_not_known_fails() {
        for (answer, text) in [
            ("", "the agent says nothing"),
            ("\n", "the agent says nothing"),
            (" ,\t\n", "the agent says nothing"),
            ("up fine\n", "the agent says `fine`, which is not known"),
            ("75", "the agent says `75`, which is not known"),
            ("+75%", "the agent says `+75%`, which is not known"),
            ("%", "the agent says `%`, which is not known"),
            ("10001%", "the agent says `10001%`, which is not known"),
            ("99999999999%", "the agent says `99999999999%`, which is not known"),
            ("maxconn:", "the agent says `maxconn:`, which is not known"),
        ] {
            assert_eq!(judge(answer.as_bytes()), failure(Cause::Protocol, text), "{answer:?}");
        }
        assert!(judge(&[0xff; 5000]).unwrap_err().text.len() < 1000);
    }
}
