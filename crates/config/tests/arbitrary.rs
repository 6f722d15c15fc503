//! No text makes the reader panic, lose an error, or point outside of the text.

use std::path::Path;

use proptest::prelude::*;

const EVERYTHING: &str = include_str!("good/everything.toml");

/// Pieces that a slip of the hand may leave in a file.
const PIECES: [&str; 16] = [
    "",
    "\"",
    "'''",
    "[",
    "]]",
    "{",
    "}",
    "=",
    "\n",
    ",",
    "0",
    "-1",
    "\u{e4}\u{1f512}",
    "\r\n",
    "nat",
    "x = 1\n",
];

fn read(text: &str) -> Result<(), TestCaseError> {
    let Err(errors) = config::parse(Path::new("arbitrary.toml"), text) else { return Ok(()) };
    prop_assert!(errors.len() > 0);
    let lines = text.matches('\n').count() + 1;
    for error in &errors {
        let position = error.position.expect("the file was read");
        prop_assert!((1..=lines).contains(&position.line), "{error}");
        prop_assert!(!error.message.contains(char::is_control), "{error:?}");
    }
    let rendered = errors.render(false);
    prop_assert!(rendered.contains("error: "));
    if text.contains("password = \"1111\"") {
        prop_assert!(!rendered.contains("1111"), "the password is shown:\n{rendered}");
    }
    errors.render(true);
    Ok(())
}

/// An edit: where, how many bytes are replaced, and by which piece.
fn edits() -> impl Strategy<Value = Vec<(usize, usize, &'static str)>> {
    let edit = (0..EVERYTHING.len(), 0..40_usize, prop::sample::select(PIECES.to_vec()));
    prop::collection::vec(edit, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text(text in "\\PC*|(?s).{0,200}") {
        if let Err(errors) = config::parse(Path::new("arbitrary.toml"), text) {
            prop_assert!(errors.render(true).contains("error"));
        }
    }

    #[test]
    fn damaged_text(edits in edits()) {
        let mut text = EVERYTHING.to_owned();
        for (start, length, piece) in edits {
            let start = text.floor_char_boundary(start.min(text.len()));
            let end = text.floor_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, piece);
        }
        read(&text)?;
    }

    #[test]
    fn a_missing_line(line in 0..EVERYTHING.lines().count()) {
        let lines = EVERYTHING.lines().enumerate().filter(|(number, _)| *number != line);
        let text: String = lines.map(|(_, line)| format!("{line}\n")).collect();
        read(&text)?;
    }
}
