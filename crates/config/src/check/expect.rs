//! What an answer has to contain, and bytes to send.

use checkers::{Digest, Expect, Expectation, Pattern, PatternError};

use crate::error::Finding;
use crate::leaf;
use crate::reader::{Table, Value};
use crate::source::{At, Place};

/// The keys of what a body has to be like. Also gives the place of the first.
pub(super) fn content(t: &mut Table<'_>) -> (Vec<Expectation>, Option<Place>) {
    let contains = t.optional("contains", texts);
    let contains_not = t.optional("contains_not", texts);
    let regex = t.optional("regex", |value| one_or_more(value, pattern));
    let regex_not = t.optional("regex_not", |value| one_or_more(value, pattern));
    let md5 = t.optional("md5", |value| digits(value, "md5sum").map(Digest::Md5));
    let sha256 = t.optional("sha256", |value| digits(value, "sha256sum").map(Digest::Sha256));

    for absent in contains_not.iter().flat_map(|absent| &absent.value) {
        let within = |present: &&At<String>| present.value.contains(&absent.value);
        if let Some(present) = contains.iter().flat_map(|texts| &texts.value).find(within) {
            let message = "no answer can contain this and not contain it";
            let finding = Finding::new(absent.place, message, "always fails");
            t.report.add(finding.related(present.place, "contains it"));
        }
    }
    let mut all = Vec::new();
    let mut place = None;
    let mut add = |at: Option<At<Vec<Expectation>>>| {
        if let Some(at) = at {
            place = place.or(Some(at.place));
            all.extend(at.value);
        }
    };
    add(contains.map(|texts| each(texts, Expectation::Contains)));
    add(contains_not.map(|texts| each(texts, Expectation::ContainsNot)));
    add(regex.map(|patterns| each(patterns, Expectation::Matches)));
    add(regex_not.map(|patterns| each(patterns, Expectation::MatchesNot)));
    add(md5.map(digest));
    add(sha256.map(digest));
    (all, place)
}

fn each<T>(list: At<Vec<At<T>>>, wrap: impl Fn(T) -> Expectation) -> At<Vec<Expectation>> {
    let value = list.value.into_iter().map(|at| wrap(at.value)).collect();
    At { value, place: list.place }
}

fn digest(digest: At<Digest>) -> At<Vec<Expectation>> {
    At { value: vec![Expectation::Digest(digest.value)], place: digest.place }
}

/// One value, or an array of them.
fn one_or_more<T>(value: Value<'_>, parse: impl Fn(Value<'_>) -> Option<T>) -> Option<Vec<At<T>>> {
    if value.as_str().is_some() {
        return Some(vec![At { value: parse(value)?, place: value.place }]);
    }
    value.list(parse)
}

fn texts(value: Value<'_>) -> Option<Vec<At<String>>> {
    one_or_more(value, |value| match value.string()? {
        "" => value.refuse(format!("`{}` is empty", value.key), "is in every answer", None),
        text => Some(text.to_owned()),
    })
}

pub(super) fn pattern(value: Value<'_>) -> Option<Pattern> {
    let text = value.string()?;
    Pattern::new(text).map_err(|error| refuse_pattern(value, text, error)).ok()
}

fn refuse_pattern(value: Value<'_>, text: &str, error: PatternError) {
    let key = value.key;
    let (message, help) = match error {
        PatternError::TooLarge => {
            let help = "shorten it: counted repetitions such as `{1000}` of classes such as `\\w` \
                        take the most";
            (format!("the expression of `{key}` is too large: {error}"), Some(help))
        }
        PatternError::Syntax(problem) => {
            let only_pcre =
                ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|&group| text.contains(group));
            let help = "look-around and back references could take for ever, and are not known \
                        here; `regex_not` says what must not match";
            (format!("`{key}` is no regular expression: {problem}"), only_pcre.then_some(help))
        }
    };
    let _: Option<()> = value.refuse(message, "cannot be used", help.map(str::to_owned));
}

/// A digest as `tool` writes it.
fn digits<const N: usize>(value: Value<'_>, tool: &str) -> Option<[u8; N]> {
    let text = value.string()?;
    hex(text).and_then(|bytes| bytes.try_into().ok()).or_else(|| {
        value.refuse(
            format!("`{text}` is no {} digest", value.key),
            format!("expected {} hexadecimal digits", 2 * N),
            Some(format!("`curl -s URL | {tool}` prints it")),
        )
    })
}

/// The bytes of hexadecimal digits, between which blanks may stand.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> =
        text.chars().filter(|c| *c != ' ').map(|c| c.to_digit(16)).collect();
    let digits = digits?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| u8::try_from(high << 4 | low).ok()).collect()
}

fn hex_bytes(value: Value<'_>) -> Option<Vec<u8>> {
    let text = value.string()?;
    match hex(text) {
        Some(bytes) if !bytes.is_empty() => Some(bytes),
        _ => value.refuse(
            format!("`{text}` is no bytes in hexadecimal"),
            "expected pairs of hexadecimal digits",
            Some("write two digits a byte, as in \"0d 0a\"".to_owned()),
        ),
    }
}

pub(super) fn text_bytes(value: Value<'_>) -> Option<Vec<u8>> {
    match value.string()? {
        "" => value.refuse(format!("`{}` is empty", value.key), "expected a text", None),
        text => Some(text.as_bytes().to_vec()),
    }
}

/// `send`: a text, or `{ hex = "..." }`.
pub(super) fn send(value: Value<'_>) -> Option<Vec<u8>> {
    if !value.is_table() {
        return text_bytes(value);
    }
    value.table("`send`", |t| Some(t.required("hex", hex_bytes)?.value))
}

/// `expect`: a text, `{ hex = "..." }` or `{ regex = "..." }`.
pub(super) fn expect(value: Value<'_>) -> Option<Expect> {
    if !value.is_table() {
        return text_bytes(value).map(Expect::Bytes).and_then(|expect| fits(value, expect));
    }
    value.table("`expect`", |t| {
        let hex = t.optional("hex", hex_bytes);
        let regex = t.optional("regex", pattern);
        let hex = hex.and_then(|bytes| fits(value, Expect::Bytes(bytes.value)));
        one_way(t, hex, regex, Expect::Matches)
    })
}

/// The one of `hex` and `regex` that is written.
pub(super) fn one_way<T>(
    t: &mut Table<'_>,
    hex: Option<T>,
    regex: Option<At<Pattern>>,
    wrap: impl FnOnce(Pattern) -> T,
) -> Option<T> {
    let written = (t.value("hex").is_some(), t.value("regex").is_some());
    let message = match written {
        (true, true) => "`expect` has one of `hex` and `regex`, not both",
        (false, false) if t.unknown().next().is_none() => "`expect` needs `hex` or `regex`",
        _ => return hex.or_else(|| regex.map(|regex| wrap(regex.value))),
    };
    t.report.add(Finding::new(t.place, message, "what is expected?"));
    None
}

fn fits(value: Value<'_>, expect: Expect) -> Option<Expect> {
    match &expect {
        Expect::Bytes(bytes) if bytes.len() > Expect::LIMIT => {
            let label = format!("no more than {} bytes of an answer are read", Expect::LIMIT);
            value.refuse("`expect` is longer than what is read", label, None)
        }
        _ => Some(expect),
    }
}

/// A body to send; it may have any characters.
pub(super) fn body(value: Value<'_>) -> Option<String> {
    value.string().map(str::to_owned)
}

/// How much of a body is read.
pub(super) fn body_limit(value: Value<'_>) -> Option<u32> {
    value.integer(1..=16 << 20, " bytes")
}

/// Name of a protocol (RFC 7301): 1 to 255 bytes.
pub(super) fn protocol(value: Value<'_>) -> Option<String> {
    let name = leaf::text(value)?;
    if name.len() <= 255 {
        return Some(name);
    }
    value.refuse(format!("`{name}` is no protocol"), "expected 1 to 255 bytes", None)
}
