//! Takes values out of a TOML document, recording an error for each that is not as it should be
//! and going on, so that one run finds them all.
//!
//! Two rules make that work. A parser returns `None` only after recording an error. And a table
//! is asked for *all* its keys before anything is concluded from one of them, for a key that was
//! never asked for is reported as unknown.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use toml::de::DeValue;

use crate::error::Finding;
use crate::names;
use crate::source::{At, Place};

/// The errors found so far.
#[derive(Debug, Default)]
pub(crate) struct Report(RefCell<Vec<Finding>>);

impl Report {
    /// Records an error, unless the same was said of the same place before.
    pub(crate) fn add(&self, finding: Finding) {
        let mut findings = self.0.borrow_mut();
        if !findings.iter().any(|earlier| earlier.repeats(&finding)) {
            findings.push(finding);
        }
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.0.into_inner()
    }
}

/// A value of the document, with the key that it stands under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    pub(crate) key: &'a str,
    pub(crate) place: Place,
    node: &'a DeValue<'a>,
    pub(crate) report: &'a Report,
}

impl<'a> Value<'a> {
    pub(crate) fn new(
        key: &'a str,
        file: usize,
        node: &'a toml::Spanned<DeValue<'a>>,
        report: &'a Report,
    ) -> Self {
        Self { key, place: Place::new(file, node.span()), node: node.get_ref(), report }
    }

    /// Records that the value is not as it should be.
    pub(crate) fn refuse<T>(
        self,
        message: impl Into<String>,
        label: impl Into<String>,
        help: Option<String>,
    ) -> Option<T> {
        let finding = Finding::new(self.place, message, label);
        self.report.add(match help {
            Some(help) => finding.help(help),
            None => finding,
        });
        None
    }

    /// Records that the value has the wrong type.
    pub(crate) fn wrong_type<T>(self, expected: &str, help: Option<String>) -> Option<T> {
        let found = match self.node {
            DeValue::Integer(_) => "an integer",
            DeValue::Array(_) => "an array",
            DeValue::String(_) => "a string",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{}` is {found}, not {expected}", self.key);
        self.refuse(message, format!("expected {expected}"), help)
    }

    /// A string.
    pub(crate) fn string(self) -> Option<&'a str> {
        match self.node {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type("a string", None),
        }
    }

    /// The string, if it is one.
    pub(crate) fn as_str(self) -> Option<&'a str> {
        self.node.as_str()
    }

    /// Whether it is an integer.
    pub(crate) fn is_integer(self) -> bool {
        self.node.is_integer()
    }

    /// Whether it is a table.
    pub(crate) fn is_table(self) -> bool {
        self.node.is_table()
    }

    /// Whether it is an array without elements.
    pub(crate) fn is_empty_array(self) -> bool {
        self.node.as_array().is_some_and(|array| array.is_empty())
    }

    /// `true` or `false`.
    pub(crate) fn bool(self) -> Option<bool> {
        match self.node {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("`true` or `false`", None),
        }
    }

    /// An integer within `range`; `unit` says what it counts.
    pub(crate) fn integer<T: TryFrom<i64>>(
        self,
        range: RangeInclusive<i64>,
        unit: &str,
    ) -> Option<T> {
        let expected = format!("an integer from {} to {}{unit}", range.start(), range.end());
        let DeValue::Integer(digits) = self.node else {
            return self.wrong_type(&expected, None);
        };
        i64::from_str_radix(digits.as_str(), digits.radix())
            .ok()
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .or_else(|| {
                let message = format!("`{}` is out of range", self.key);
                self.refuse(message, format!("expected {expected}"), None)
            })
    }

    /// One of the words of `choices`.
    pub(crate) fn choice<T: Copy>(self, choices: &[(&'static str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let Some(text) = self.as_str() else {
            return self.wrong_type("a string", Some(names::one_of("one of", &words)));
        };
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let help = match names::nearest(text, &words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => names::one_of("one of", &words),
        };
        self.refuse(format!("`{}` cannot be `{text}`", self.key), "not known here", Some(help))
    }

    /// An array; elements that are refused are left out.
    pub(crate) fn list<T>(self, mut parse: impl FnMut(Self) -> Option<T>) -> Option<Vec<At<T>>> {
        let DeValue::Array(array) = self.node else {
            return self.wrong_type("an array", None);
        };
        let elements = array.iter().filter_map(|node| {
            let element = Value::new(self.key, self.place.file, node, self.report);
            Some(At { value: parse(element)?, place: element.place })
        });
        Some(elements.collect())
    }

    /// A table whose keys are names that the user chose.
    pub(crate) fn entries(self) -> Option<Vec<Entry<'a>>> {
        let DeValue::Table(table) = self.node else {
            return self.wrong_type("a table", None);
        };
        let mut entries: Vec<_> = table
            .iter()
            .map(|(name, node)| Entry {
                name: name.get_ref(),
                place: Place::new(self.place.file, name.span()),
                value: Value::new(name.get_ref(), self.place.file, node, self.report),
            })
            .collect();
        entries.sort_by_key(|entry| entry.place);
        Some(entries)
    }

    /// A table with known keys; `what` names it in messages, with its article.
    pub(crate) fn table<T>(
        self,
        what: &str,
        read: impl FnOnce(&mut Table<'a>) -> Option<T>,
    ) -> Option<T> {
        let entries = self.entries()?;
        Table::new(entries, self.place, self.report).read(what, read)
    }
}

/// A key with its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: Place,
    pub(crate) value: Value<'a>,
}

/// A table that is being read.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    entries: Vec<Entry<'a>>,
    known: Vec<&'static str>,
    /// Its header or opening bracket.
    pub(crate) place: Place,
    pub(crate) report: &'a Report,
    missing: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(entries: Vec<Entry<'a>>, place: Place, report: &'a Report) -> Self {
        Self { entries, known: Vec::new(), place, report, missing: Vec::new() }
    }

    /// Lets `read` ask for all keys, then reports those that it did not ask for and those that
    /// it missed.
    pub(crate) fn read<T>(
        mut self,
        what: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let result = read(&mut self);
        for entry in self.unknown() {
            let message = format!("unknown key `{}` in {what}", entry.name);
            let help = names::hint(entry.name, &self.known);
            self.report.add(Finding::new(entry.place, message, "not known here").help(help));
        }
        for key in &self.missing {
            // A key that is misspelt is not missing too.
            let misspelt = |entry: &Entry<'_>| names::nearest(entry.name, &[key]).is_some();
            if !self.unknown().any(misspelt) {
                let message = format!("{what} needs `{key}`");
                self.report.add(Finding::new(self.place, message, format!("`{key}` is missing")));
            }
        }
        result
    }

    /// The entries that were not asked for so far.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|entry| !self.known.contains(&entry.name))
    }

    /// Whether the table has none of these keys, not even with a wrong value.
    pub(crate) fn has_none(&self, keys: &[&str]) -> bool {
        !self.entries.iter().any(|entry| keys.contains(&entry.name))
    }

    /// The value of `key`, if the table has it.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|entry| entry.name == key).map(|entry| entry.value)
    }

    /// The value of `key`; `None` if it is absent or refused.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Option<At<T>> {
        let value = self.value(key)?;
        Some(At { value: parse(value)?, place: value.place })
    }

    /// The value of `key`, whose absence is an error.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Option<At<T>> {
        let Some(value) = self.value(key) else {
            self.missing.push(key);
            return None;
        };
        Some(At { value: parse(value)?, place: value.place })
    }

    /// The value of `key`, or `default` in its absence; `None` if it is refused. The place of a
    /// default is the table's.
    pub(crate) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Option<At<T>> {
        let default = At { value: default, place: self.place };
        match self.value(key) {
            Some(value) => Some(At { value: parse(value)?, place: value.place }),
            None => Some(default),
        }
    }
}
