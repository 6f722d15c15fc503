//! How long a server's certificate is still valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::{DateTime, Decode};

use crate::outcome::Cause;
use crate::probe::Stop;
use crate::spec::Tls;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Judges by `expiry_warning` and `expiry_failure`. Gives the warning, if it is time for it.
pub(super) fn check(
    certificates: Option<&[CertificateDer<'_>]>,
    tls: &Tls,
) -> Result<Option<String>, Stop> {
    if tls.expiry_warning.is_none() && tls.expiry_failure.is_none() {
        return Ok(None);
    }
    let Some(certificate) = certificates.and_then(<[_]>::first) else {
        return Err(Stop::failed(Cause::Tls, "TLS: the server has shown no certificate"));
    };
    let certificate = Certificate::from_der(certificate).map_err(|error| {
        Stop::failed(Cause::Tls, format!("TLS: the certificate cannot be read: {error}"))
    })?;
    let end = certificate.tbs_certificate.validity.not_after.to_date_time();
    // A clock before 1970 is trouble enough elsewhere.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    judge(end, now, tls)
}

/// `now` is the time since 1970, as the certificate counts.
fn judge(end: DateTime, now: Duration, tls: &Tls) -> Result<Option<String>, Stop> {
    let left = end.unix_duration().saturating_sub(now);
    let soon = |limit: Option<Duration>| limit.is_some_and(|limit| left <= limit);
    if soon(tls.expiry_failure) {
        Err(Stop::failed(Cause::CertificateExpired, words(end, left)))
    } else {
        Ok(soon(tls.expiry_warning).then(|| words(end, left)))
    }
}

fn words(end: DateTime, left: Duration) -> String {
    let (hours, days) = (left.as_secs() / HOUR, left.as_secs() / DAY);
    match (days, hours) {
        _ if left.is_zero() => format!("TLS: the certificate has expired ({end})"),
        (0 | 1, _) => format!("TLS: the certificate expires in {hours} hours ({end})"),
        _ => format!("TLS: the certificate expires in {days} days ({end})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_comes_before_failure() {
        let end = DateTime::new(2026, 12, 24, 18, 0, 0).unwrap();
        let days = |days| Duration::from_secs(days * DAY);
        let tls =
            Tls { expiry_warning: Some(days(14)), expiry_failure: Some(days(1)), ..Tls::VERIFIED };
        let before = |left: Duration| judge(end, end.unix_duration().saturating_sub(left), &tls);
        let second = Duration::from_secs(1);

        assert_eq!(before(days(14) + second).unwrap(), None);
        assert_eq!(
            before(days(14)).unwrap().unwrap(),
            "TLS: the certificate expires in 14 days (2026-12-24T18:00:00Z)"
        );
        assert_eq!(
            before(days(1) + second).unwrap().unwrap(),
            "TLS: the certificate expires in 24 hours (2026-12-24T18:00:00Z)"
        );
        for (left, words) in [
            (days(1), "TLS: the certificate expires in 24 hours (2026-12-24T18:00:00Z)"),
            (second, "TLS: the certificate expires in 0 hours (2026-12-24T18:00:00Z)"),
            (Duration::ZERO, "TLS: the certificate has expired (2026-12-24T18:00:00Z)"),
        ] {
            let Err(Stop::Failed(failure)) = before(left) else { panic!("{left:?} passed") };
            assert_eq!((failure.cause, failure.text.as_str()), (Cause::CertificateExpired, words));
        }
    }
}
