//! What the worker has in force, as the guard keeps it for the next worker: a text that the guard
//! does not understand, and that it keeps in memory alone, since it may hold passwords.

use serde::{Deserialize, Serialize};

/// Bytes of text in one message, which escapes may make six times as long.
const PIECE: usize = 64 << 10;

/// A piece of the text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Where it begins. 0: the text before is forgotten as soon as this one is whole.
    at: usize,
    text: String,
    last: bool,
}

/// The text may hold passwords.
impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Piece").field("at", &self.at).finish_non_exhaustive()
    }
}

/// The pieces of a text, in the order in which they are to be sent.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece> {
    let mut at = 0;
    std::iter::from_fn(move || {
        // An empty text is nothing to keep.
        (at < text.len()).then(|| {
            let end = text.floor_char_boundary(at + PIECE);
            let piece = Piece { at, text: text[at..end].to_owned(), last: end == text.len() };
            at = end;
            piece
        })
    })
}

/// The last whole text, and the next one as it comes in.
#[derive(Default)]
pub struct Keepsake {
    whole: Option<String>,
    coming: String,
}

/// The text may hold passwords.
impl std::fmt::Debug for Keepsake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keepsake").field("whole", &self.whole.is_some()).finish_non_exhaustive()
    }
}

impl Keepsake {
    /// What the program before an upgrade kept.
    pub fn new(whole: Option<String>) -> Self {
        Self { whole, coming: String::new() }
    }

    /// The last text that came in whole.
    pub fn whole(&self) -> Option<&str> {
        self.whole.as_deref()
    }

    /// Takes a piece. One that does not follow the one before is of a text whose sender has ended.
    pub fn take(&mut self, piece: &Piece) {
        if piece.at == 0 {
            self.coming.clear();
        }
        if piece.at != self.coming.len() {
            return;
        }
        self.coming.push_str(&piece.text);
        if piece.last {
            self.coming.shrink_to_fit();
            self.whole = Some(std::mem::take(&mut self.coming));
        }
    }

    /// Forgets a text that was not finished: its sender has ended.
    pub fn forget_half(&mut self) {
        self.coming.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two bytes each, so that no piece can end where it would like to.
    fn long() -> String {
        format!("x{}", "ü".repeat(PIECE))
    }

    #[test]
    fn a_text_is_whole_again_with_its_last_piece() {
        let (text, mut keepsake) = (long(), Keepsake::default());
        let pieces: Vec<Piece> = pieces(&text).collect();
        assert_eq!(pieces.len(), 3);
        for piece in &pieces[..2] {
            keepsake.take(piece);
            assert_eq!(keepsake.whole(), None);
        }
        keepsake.take(&pieces[2]);
        assert_eq!(keepsake.whole(), Some(text.as_str()));
    }

    #[test]
    fn half_a_text_replaces_nothing() {
        let (text, mut keepsake) = (long(), Keepsake::new(Some("before".to_owned())));
        let pieces: Vec<Piece> = pieces(&text).collect();
        keepsake.take(&pieces[0]);
        keepsake.forget_half();
        for piece in &pieces[1..] {
            keepsake.take(piece);
        }
        assert_eq!(keepsake.whole(), Some("before"));
        for piece in &pieces {
            keepsake.take(piece);
        }
        assert_eq!(keepsake.whole(), Some(text.as_str()));
    }

    #[test]
    fn a_piece_fits_into_a_message_whatever_it_says() {
        let text = "\u{1}".repeat(PIECE);
        for piece in pieces(&text) {
            assert!(serde_json::to_vec(&piece).unwrap().len() < 1 << 20);
        }
    }
}
