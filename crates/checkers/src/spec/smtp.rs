//! `smtp_check`.

use super::{Connect, Tls};

/// `smtp_check`: passes when the server greets (220), answers EHLO, or HELO if it knows no EHLO
/// (250), and lets itself be left. keepalived: `SMTP_CHECK`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SmtpCheck {
    /// How the connection is made.
    pub connect: Connect,
    /// The name to greet with; `None`: the address that is connected from, in brackets (RFC 5321
    /// §4.1.3). keepalived: `helo_name`.
    pub helo_name: Option<String>,
    /// TLS, if any.
    pub encryption: SmtpEncryption,
}

/// How SMTP is protected.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SmtpEncryption {
    /// Not at all.
    #[default]
    None,
    /// After STARTTLS (RFC 3207), which the server has to offer.
    StartTls(Tls),
    /// From the first byte on (RFC 8314 §3).
    Smtps(Tls),
}
