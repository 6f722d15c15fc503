//! Reads a file and everything that it includes.

use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use toml::Spanned;
use toml::de::DeValue;

use crate::error::{Errors, Finding};
use crate::reader::{Report, Value};
use crate::source::{At, Place, Source, position};
use crate::syntax;

/// `*` stops at `/`, and leaves out hidden files, such as an editor's.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The files, in the order of reading.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) sources: Vec<Source>,
    /// For each: its name without links, and where it was included.
    seen: Vec<(PathBuf, Option<Place>)>,
}

impl Files {
    /// Takes `source` and reads what it includes, depth first.
    pub(crate) fn add(&mut self, source: Source, included_at: Option<Place>, report: &Report) {
        let file = self.sources.len();
        let patterns = match syntax::document(&source.text) {
            Ok(root) => patterns(file, &root, report),
            // Those that take the document report the errors.
            Err(_) => Vec::new(),
        };
        let directory = source.directory().to_owned();
        self.seen.push((canonical(&source.path), included_at));
        self.sources.push(source);
        for pattern in patterns {
            for path in matches(&directory, &pattern, report) {
                self.include(&path, pattern.place, report);
            }
        }
    }

    fn include(&mut self, path: &Path, place: Place, report: &Report) {
        let name = canonical(path);
        if let Some((_, first)) = self.seen.iter().find(|(seen, _)| *seen == name) {
            let message = format!("{} is read a second time", path.display());
            let finding = Finding::new(place, message, "includes it again");
            let help = "a file is included once, and never by itself";
            report.add(match first {
                Some(first) => finding.related(*first, "included here").help(help),
                None => finding.help(help),
            });
            return;
        }
        match read(path) {
            Ok(text) => self.add(Source { path: path.to_owned(), text }, Some(place), report),
            Err(unreadable) => {
                let message = format!("{}: {}", path.display(), unreadable.message);
                self.seen.push((name, Some(place)));
                report.add(Finding::new(place, message, "included here").help(unreadable.help));
            }
        }
    }
}

/// The patterns of `include` in `[global]`. Whatever else `[global]` has is left to others.
fn patterns(file: usize, root: &Spanned<DeValue<'_>>, report: &Report) -> Vec<At<String>> {
    let include = root.get_ref().get("global").and_then(|global| global.get_ref().get("include"));
    let Some(include) = include else { return Vec::new() };
    let include = Value::new("include", file, include, report);
    let patterns = include.list(|pattern| pattern.string().map(str::to_owned));
    patterns.unwrap_or_default()
}

/// The files that a pattern means, in alphabetical order.
fn matches(directory: &Path, pattern: &At<String>, report: &Report) -> Vec<PathBuf> {
    let refuse = |message: String, help: &str| {
        report.add(Finding::new(pattern.place, message, "this pattern").help(help));
    };
    // An absolute pattern replaces the directory.
    let whole = if pattern.value.starts_with('/') {
        pattern.value.clone()
    } else {
        let directory = Pattern::escape(&directory.to_string_lossy());
        Path::new(&directory).join(&pattern.value).to_string_lossy().into_owned()
    };
    let paths = match glob::glob_with(&whole, MATCHING) {
        Ok(paths) => paths,
        Err(error) => {
            refuse(format!("`{}`: {}", pattern.value, error.msg), "`[*]` stands for a `*`");
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for path in paths {
        match path {
            Ok(path) => found.push(path),
            Err(error) => {
                let message = format!("{}: {}", error.path().display(), error.error());
                refuse(message, "let the daemon's user read the directory");
            }
        }
    }
    let has_wildcard = pattern.value.contains(['*', '?', '[']);
    if found.is_empty() && !has_wildcard {
        let message = format!("there is no file `{}`", pattern.value);
        refuse(message, "a name is relative to the directory of the file that includes it");
    }
    found
}

/// Why a file has no text.
#[derive(Debug)]
pub(crate) struct Unreadable {
    message: String,
    help: &'static str,
    offset: Option<(Vec<u8>, usize)>,
}

impl Unreadable {
    /// The error of the file that everything starts from.
    pub(crate) fn into_errors(self, path: &Path) -> Errors {
        let position = self.offset.map(|(bytes, offset)| position(&bytes, offset));
        Errors::unreadable(path, position, self.message, self.help)
    }
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<String, Unreadable> {
    let bytes = std::fs::read(path).map_err(|error| Unreadable {
        message: format!("cannot read the file: {error}"),
        help: match error.kind() {
            io::ErrorKind::NotFound => "check the name",
            io::ErrorKind::PermissionDenied => "let the user read it, or run as another one",
            _ => "a configuration is a plain file",
        },
        offset: None,
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Unreadable {
            message: "the file is not valid UTF-8".to_owned(),
            help: "save it in UTF-8",
            offset: Some((error.into_bytes(), offset)),
        }
    })
}

fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
