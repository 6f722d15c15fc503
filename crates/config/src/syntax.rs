//! Errors of the TOML itself.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Finding;
use crate::source::Place;

/// The document of a text, or every syntax error that a parser with recovery finds. A document
/// that it had to mend is not looked at: its gaps would be mistaken for errors of their own.
pub(crate) fn document(text: &str) -> Result<Spanned<DeValue<'_>>, Vec<toml::de::Error>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors);
    }
    let span = table.span();
    Ok(Spanned::new(span, DeValue::Table(table.into_inner())))
}

/// What is to be said of the syntax errors of a file. A section that is there twice is one error,
/// whatever it holds.
pub(crate) fn findings(file: usize, text: &str, errors: &[toml::de::Error]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut errors: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or(0..0), error.message())).collect();
    errors.sort_by_key(|(span, _)| span.start);
    // Where the section that is there twice ends.
    let mut skip_to = 0;
    for (span, message) in errors {
        if message != "duplicate key" {
            findings.push(Finding::new(Place::new(file, span), message, "not valid TOML"));
            continue;
        }
        if span.start < skip_to {
            continue;
        }
        let name = text.get(span.clone()).unwrap_or_default();
        let line = line_around(text, span.start);
        let is_header = line.text.starts_with('[');
        let first = if is_header {
            skip_to = next_header(text, span.start);
            lines(text).find(|earlier| earlier.text == line.text)
        } else {
            let section = lines(text).take_while(|earlier| earlier.start < line.start);
            let is_same = |earlier: &Line<'_>| {
                let rest = earlier.text.strip_prefix(name).map(str::trim_start);
                rest.is_some_and(|rest| rest.starts_with('='))
            };
            // The last header or equal key before: if it is the header, the first key is written
            // in a way that is not looked for.
            let earlier = section.filter(|line| line.text.starts_with('[') || is_same(line)).last();
            earlier.filter(is_same)
        };
        let message = format!("`{name}` is there twice");
        let finding = Finding::new(Place::new(file, span), message, "the second time");
        findings.push(match first.filter(|first| first.start < line.start) {
            Some(first) => {
                let span = first.start..first.start + first.text.len();
                finding.related(Place::new(file, span), "the first time")
            }
            None => finding,
        });
    }
    findings
}

/// A line without the blanks around it.
struct Line<'a> {
    start: usize,
    text: &'a str,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut next = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = next + line.len() - line.trim_start().len();
        next += line.len();
        Line { start, text: line.trim() }
    })
}

fn line_around(text: &str, offset: usize) -> Line<'_> {
    let before = lines(text).take_while(|line| line.start <= offset);
    before.last().unwrap_or(Line { start: 0, text: "" })
}

fn next_header(text: &str, offset: usize) -> usize {
    let mut after = lines(text).skip_while(|line| line.start <= offset);
    after.find(|line| line.text.starts_with('[')).map_or(text.len(), |line| line.start)
}
