//! What a server's certificate says of itself (RFC 5280), as far as its end is concerned. Whether it
//! is to be trusted is for the library of TLS to say.

use x509_cert::der::{DateTime, Decode};

/// So many characters of a subject are shown.
const SHOWN: usize = 200;

/// What there is to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The moment at which it expires.
    pub not_after: DateTime,
    /// Whom it is for (RFC 4514), made safe to show.
    pub subject: String,
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let read = x509_cert::Certificate::from_der(der).map_err(|error| error.to_string())?;
        let tbs = read.tbs_certificate;
        Ok(Self {
            not_after: tbs.validity.not_after.to_date_time(),
            subject: safe(&tbs.subject.to_string()),
        })
    }
}

/// Without what would move a terminal's cursor or turn the direction of the text.
fn safe(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars().take(SHOWN) {
        if c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ' {
            safe.push(c);
        } else {
            safe.extend(c.escape_unicode());
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        safe.push_str("...");
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by OpenSSL 3.0: `openssl req -x509`, with the subject below, on 2026-11-21 for 3650 days.
    const DER: &[u8] = include_bytes!("../../fuzz/seeds/certificate/self-signed.der");

    #[test]
    fn the_end_and_the_subject_are_those_that_openssl_prints() {
        let read = Certificate::read(DER).unwrap();
        assert_eq!(read.subject, r"CN=www.example.org,OU=Web\, second,O=Example");
        assert_eq!(read.not_after.to_string(), "2036-11-18T16:27:52Z");
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for wrong in [&DER[..DER.len() - 1], b"", b"-----BEGIN CERTIFICATE-----"] {
            assert!(Certificate::read(wrong).is_err());
        }
    }

    #[test]
    fn a_subject_cannot_play_with_the_terminal() {
        assert_eq!(safe("CN=\u{1b}[2J\u{202e}Müller"), r"CN=\u{1b}[2J\u{202e}Müller");
        assert_eq!(safe(&"x".repeat(201)), "x".repeat(200) + "...");
    }
}
