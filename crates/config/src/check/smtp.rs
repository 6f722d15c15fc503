//! `smtp_check`.

use checkers::{Kind, SmtpCheck, SmtpEncryption, Tls};

use super::connect::{connect, host};
use super::tls::tls;
use super::{CheckDraft, draft};
use crate::error::Finding;
use crate::reader::Value;

/// Makes what is configured of the settings of TLS.
type Encryption = fn(Tls) -> SmtpEncryption;

const ENCRYPTION: [(&str, Encryption); 3] = [
    ("none", |_| SmtpEncryption::None),
    ("starttls", SmtpEncryption::StartTls),
    ("smtps", SmtpEncryption::Smtps),
];

pub(super) fn smtp_check(value: Value<'_>) -> Option<CheckDraft> {
    value.table("`smtp_check`", |t| {
        let (connect, source) = connect(t);
        let helo_name = t.optional("helo_name", host);
        let encryption = t.or("encryption", ENCRYPTION[0].1, |value| value.choice(&ENCRYPTION));
        let tls = t.optional("tls", tls);
        let encryption = encryption?;
        let settings = tls.as_ref().map_or(Tls::VERIFIED, |tls| tls.value.settings.clone());
        let made = (encryption.value)(settings);
        if let (Some(tls), SmtpEncryption::None) = (&tls, &made) {
            let finding = Finding::new(tls.place, "`tls` without encryption", "has no effect");
            let help = "add `encryption = \"starttls\"` or `encryption = \"smtps\"`";
            t.report.add(finding.help(help));
        }
        let smtp =
            SmtpCheck { connect, helo_name: helo_name.map(|name| name.value), encryption: made };
        Some(draft(Kind::Smtp(smtp), t.place, source))
    })
}
