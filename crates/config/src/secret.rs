//! Covers secret values in a source text before an error shows a line of it.
//!
//! The work is done on tokens, so that it also holds where a key is misspelt or the text is no
//! valid TOML. In the latter case no token can be trusted, and whole lines are covered too.

use toml::de::DeTable;
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// A key that contains one of these has a secret value, and so has every key below it.
const SECRET: [&str; 7] = ["pass", "pwd", "sword", "secret", "token", "auth", "cookie"];

/// Longest distance of a misspelt `password` or `authentication`.
const MISSPELT: usize = 3;

/// The text with each secret value covered. Bytes and characters stay where they are.
pub(crate) fn mask(text: &str) -> String {
    let masked = mask_values(text);
    if DeTable::parse(text).is_ok() { masked } else { mask_lines(&masked) }
}

/// Covers the values of secret keys.
fn mask_values(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut path = Path::default();
    for token in Source::new(text).lex() {
        let span = token.span();
        // No token covers a byte order mark.
        masked.push_str(text.get(masked.len()..span.start()).unwrap_or_default());
        let piece = text.get(span.start()..span.end()).unwrap_or_default();
        if path.next(token.kind(), piece) {
            masked.extend(piece.chars().map(cover));
        } else {
            masked.push_str(piece);
        }
    }
    masked
}

/// Covers everything after the `=` that follows a secret key, line by line.
pub(crate) fn mask_lines(text: &str) -> String {
    let mask_line = |line: &str| {
        let lower = line.to_ascii_lowercase();
        let word = SECRET.iter().filter_map(|word| lower.find(word)).min();
        let equals = word.and_then(|word| Some(word + lower.get(word..)?.find('=')? + 1));
        let (shown, secret) = line.split_at(equals.unwrap_or(line.len()));
        let covered: String =
            secret.chars().map(|c| if c.is_whitespace() { c } else { cover(c) }).collect();
        format!("{shown}{covered}")
    };
    text.split_inclusive('\n').map(mask_line).collect()
}

/// A cover of the same length in UTF-8.
fn cover(c: char) -> char {
    match (c, c.len_utf8()) {
        ('\r' | '\n', _) => c,
        (_, 1) => '*',
        (_, 2) => '\u{b7}',
        (_, 3) => '\u{2022}',
        _ => '\u{1f512}',
    }
}

/// Where in the document a token stands, as far as secrets are concerned. Nothing is taken for
/// granted: the document may be broken anywhere.
#[derive(Default)]
struct Path {
    /// Whether the tokens of a header such as `[x.authentication]` are being read.
    header: bool,
    /// Whether the section of the last header is secret.
    section: bool,
    /// The open brackets.
    open: Vec<Open>,
    /// What may turn out to be a dotted key.
    key: Vec<String>,
    /// Within a value: whether it is secret.
    value: Option<bool>,
}

struct Open {
    secret: bool,
    array: bool,
}

impl Path {
    /// Takes the next token; says whether it is to be covered.
    fn next(&mut self, kind: TokenKind, piece: &str) -> bool {
        use TokenKind as Kind;
        let in_array = self.open.last().filter(|open| open.array).map(|open| open.secret);
        match kind {
            Kind::Whitespace | Kind::Comment | Kind::Dot | Kind::Eof => return false,
            Kind::Atom
            | Kind::LiteralString
            | Kind::BasicString
            | Kind::MlLiteralString
            | Kind::MlBasicString => {
                self.key.push(piece.trim_matches(['"', '\'']).to_lowercase());
                return self.value == Some(true);
            }
            Kind::Equals => {
                let inherited = self.section || self.open.iter().any(|open| open.secret);
                let is_type = self.key.last().is_some_and(|key| key == "type");
                self.value = Some(!is_type && (inherited || self.key_is_secret()));
            }
            Kind::LeftSquareBracket if self.value.is_none() => self.header = true,
            Kind::RightSquareBracket if self.header => {
                self.section = self.key_is_secret();
                self.header = false;
            }
            Kind::LeftSquareBracket | Kind::LeftCurlyBracket => {
                let array = kind == Kind::LeftSquareBracket;
                let secret = self.value.unwrap_or_default();
                self.open.push(Open { secret, array });
                self.value = array.then_some(secret);
            }
            Kind::RightSquareBracket | Kind::RightCurlyBracket => {
                self.value = self.open.pop().map(|open| open.secret);
            }
            Kind::Comma | Kind::Newline => {
                self.header = false;
                self.value = in_array;
            }
        }
        self.key.clear();
        false
    }

    fn key_is_secret(&self) -> bool {
        self.key.iter().any(|key| is_secret(key))
    }
}

fn is_secret(key: &str) -> bool {
    SECRET.iter().any(|word| key.contains(word))
        || ["password", "authentication"]
            .iter()
            .any(|word| strsim::osa_distance(key, word) <= MISSPELT)
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn secrets_are_covered_and_nothing_moves() {
        for (text, masked) in [
            ("password = \"1111\"\nname = \"x\"", "password = ******\nname = \"x\""),
            ("a = { type = \"pass\", password = '1' }", "a = { type = \"pass\", password = *** }"),
            // A misspelt key, in its table and without.
            (
                "[v.x.authentication]\ntype='pass'\nw = 'se'",
                "[v.x.authentication]\ntype='pass'\nw = ****",
            ),
            (
                "authentication = { x = 'se', type = 'ah' }\ny = 1",
                "authentication = { x = ****, type = 'ah' }\ny = 1",
            ),
            ("passwrd = 1111", "passwrd = ****"),
            ("authentication.key = 'a'", "authentication.key = ***"),
            // No TOML.
            ("password = \"11\n[x]\ny = 2", "password = ***\n[x]\ny = 2"),
            ("password = 11 22 # no", "password = ** ** * **"),
            ("x = \"a password = \"1111\"", "x = \"a password = ******"),
            ("password = \"\"\"\n1\n", "password = ***\n*\n"),
            ("x = {\npassword = 'a'\ny = 'b'", "x = {\npassword = ***\ny = 'b'"),
            ("x = [\npassword = 'a'", "x = [\npassword = ***"),
            (
                "x = { a = 1\n[v.authentication]\nw = 'a'",
                "x = { a = 1\n[v.authentication]\nw = ***",
            ),
            // Characters keep their length.
            ("password = 'ä€'; x", "password = *\u{b7}\u{2022}** *"),
            ("\u{feff}password = 'a'", "\u{feff}password = ***"),
            (
                "headers = { Authorization = \"Basic x\" }",
                "headers = { Authorization = ********* }",
            ),
            ("passwords = ['a', 'b']\nc = 'd'", "passwords = [***, ***]\nc = 'd'"),
        ] {
            assert_eq!(mask(text), masked);
            assert_eq!(mask(text).len(), text.len());
        }
    }
}
