//! Errors that point at the place.

use std::fmt;
use std::path::{Path, PathBuf};

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::secret;
use crate::source::{Place, Position, Source};

/// In characters.
const LONGEST_MESSAGE: usize = 160;

/// Everything that is wrong with a configuration: at least one [`Error`], in the order of the
/// files and of the places in them.
///
/// [`Display`](fmt::Display) shows each with its source line, without colours. Values of
/// passwords and other secrets are covered by asterisks.
#[derive(Debug, Clone)]
pub struct Errors {
    sources: Vec<Source>,
    errors: Vec<Error>,
}

/// What a label is, what it points at, and its words.
type Label<'a> = (AnnotationKind, Place, &'a str);

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// The file.
    pub file: PathBuf,
    /// Where in the file; `None` when the file as a whole is meant (it cannot be read).
    pub position: Option<Position>,
    /// What is wrong: lower-case, one line, without trailing stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that matter, such as the first of two definitions.
    pub related: Vec<Related>,
    place: Option<Place>,
    label: String,
}

/// Another place that matters for an error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Related {
    /// The file.
    pub file: PathBuf,
    /// Where in the file.
    pub position: Position,
    /// Why it matters.
    pub label: String,
    place: Place,
}

/// `FILE:LINE:COLUMN: MESSAGE`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(position) = self.position {
            write!(f, "{position}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for Error {}

impl Errors {
    /// The findings about `sources`, sorted by place.
    pub(crate) fn new(sources: Vec<Source>, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.place);
        let errors = findings.into_iter().map(|finding| finding.resolve(&sources)).collect();
        let sources = sources
            .into_iter()
            .map(|source| Source { text: secret::mask(&source.text), ..source })
            .collect();
        Self { sources, errors }
    }

    /// The one error of a file that could not be read at all.
    pub(crate) fn unreadable(
        path: &Path,
        position: Option<Position>,
        message: String,
        help: &str,
    ) -> Self {
        let error = Error {
            file: path.to_owned(),
            position,
            message,
            help: Some(help.to_owned()),
            related: Vec::new(),
            place: None,
            label: String::new(),
        };
        Self { sources: Vec::new(), errors: vec![error] }
    }

    /// The errors, for machines.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        self.errors.iter()
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.errors.len()
    }

    /// The errors for people: each with its source lines and help, with a blank line between
    /// two. `color` adds ANSI escape sequences.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let rendered: Vec<String> =
            self.errors.iter().map(|error| renderer.render(&self.report(error))).collect();
        rendered.join("\n\n")
    }

    fn report<'a>(&'a self, error: &'a Error) -> Vec<Group<'a>> {
        let mut group = Group::with_title(Level::ERROR.primary_title(error.message.as_str()));
        match error.place {
            Some(place) => {
                let primary = (AnnotationKind::Primary, place, error.label.as_str());
                let related = error.related.iter().map(|related| {
                    (AnnotationKind::Context, related.place, related.label.as_str())
                });
                let labels: Vec<_> = std::iter::once(primary).chain(related).collect();
                group = group.elements(self.snippets(place.file, &labels));
            }
            None => {
                let mut origin = Origin::path(error.file.to_string_lossy());
                if let Some(Position { line, column }) = error.position {
                    origin = origin.line(line).char_column(column);
                }
                group = group.element(origin);
            }
        }
        if let Some(help) = &error.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        vec![group]
    }

    /// One snippet per file that has labels, `first` before the others.
    fn snippets<'a>(
        &'a self,
        first: usize,
        labels: &[Label<'a>],
    ) -> Vec<Snippet<'a, Annotation<'a>>> {
        let others = (0..self.sources.len()).filter(|&file| file != first);
        std::iter::once(first)
            .chain(others)
            .filter_map(|file| {
                let here: Vec<_> =
                    labels.iter().filter(|(_, place, _)| place.file == file).collect();
                let start = here.iter().map(|(_, place, _)| place.start).min()?;
                let end = here.iter().map(|(_, place, _)| place.end).max()?;
                let source = self.sources.get(file)?;
                // The renderer looks at all that it is given, for every error.
                let lines = source.lines_around(start..end);
                let span = |place: &Place| place.start - lines.start..place.end - lines.start;
                let annotations =
                    here.iter().map(|(kind, place, label)| kind.span(span(place)).label(*label));
                Some(
                    Snippet::source(source.text.get(lines.clone())?)
                        .line_start(source.position(lines.start).line)
                        .path(source.path.to_string_lossy())
                        .annotations(annotations),
                )
            })
            .collect()
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a Error;
    type IntoIter = std::slice::Iter<'a, Error>;

    fn into_iter(self) -> Self::IntoIter {
        self.errors.iter()
    }
}

/// [`Errors::render`] without colours.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Errors {}

/// A message in one line of moderate length, whatever the values that it quotes bring in.
fn one_line(text: &str) -> String {
    let escape = |c: char| {
        if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
    };
    let text: String = text.chars().map(escape).collect();
    let text = secret::mask_lines(&text);
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((cut, _)) => format!("{} ...", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}

/// An error while it is being found: places are still offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    place: Place,
    message: String,
    label: String,
    help: Option<String>,
    related: Vec<(Place, String)>,
}

impl Finding {
    /// `message` says what is wrong, `label` stands next to the caret.
    pub(crate) fn new(place: Place, message: impl Into<String>, label: impl Into<String>) -> Self {
        let (message, label) = (one_line(&message.into()), label.into());
        Self { place, message, label, help: None, related: Vec::new() }
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Shows another place.
    pub(crate) fn related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push((place, label.into()));
        self
    }

    /// Whether both say the same of the same place.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.place == other.place && self.message == other.message
    }

    fn resolve(self, sources: &[Source]) -> Error {
        let place = |place: Place| match sources.get(place.file) {
            Some(source) => {
                (source.path.clone(), source.position(place.start), source.first_line(place))
            }
            None => (PathBuf::new(), Position { line: 1, column: 1 }, place),
        };
        let related = self.related.into_iter().map(|(at, label)| {
            let (file, position, place) = place(at);
            Related { file, position, label, place }
        });
        let related = related.collect();
        let (file, position, place) = place(self.place);
        Error {
            file,
            position: Some(position),
            message: self.message,
            help: self.help,
            related,
            place: Some(place),
            label: self.label,
        }
    }
}
