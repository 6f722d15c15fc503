//! Reads definitions that are sent to lvsd.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::Context;
use api::{Definitions, SourceText};
use config::{Config, Source};

/// Reads a file and its includes. When they are wrong, prints every error as `lvsctl check` does;
/// then there is nothing more to say.
pub(crate) fn read(file: &Path) -> anyhow::Result<Option<(Config, Definitions)>> {
    let (config, sources) = match config::load_with_sources(file) {
        Ok(read) => read,
        Err(errors) => {
            eprintln!("{}", errors.render(std::io::stderr().is_terminal()));
            return Ok(None);
        }
    };
    let mut texts = sources.into_iter().map(text);
    let file = texts.next().context("a configuration without a file")??;
    let includes = texts.collect::<anyhow::Result<_>>()?;
    Ok(Some((config, Definitions { file, includes })))
}

fn text(source: Source) -> anyhow::Result<SourceText> {
    let path = std::path::absolute(&source.path)
        .with_context(|| format!("the directory of {}", source.path.display()))?;
    Ok(SourceText { path: path.display().to_string(), text: source.text })
}
