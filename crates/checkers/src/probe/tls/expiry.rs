//! How long a server's certificate is still valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_cert::der::DateTime;

use crate::outcome::Cause;
use crate::probe::Stop;
use crate::spec::Tls;
use crate::wire::certificate::Certificate;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// Judges by `expiry_warning` and `expiry_failure`. Gives the warning, if it is time for it.
///
/// The server's own certificate decides. Those of the authorities between only warn: clients may
/// know another way to trust it, and old ones that nobody needs are sent along for years.
pub(super) fn check(
    certificates: Option<&[CertificateDer<'_>]>,
    tls: &Tls,
) -> Result<Option<String>, Stop> {
    if tls.expiry_warning.is_none() && tls.expiry_failure.is_none() {
        return Ok(None);
    }
    let Some((own, between)) = certificates.and_then(<[_]>::split_first) else {
        return Err(Stop::failed(Cause::Tls, "TLS: the server has shown no certificate"));
    };
    // A clock before 1970 is trouble enough elsewhere.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let own = Certificate::read(own).map_err(|error| {
        Stop::failed(Cause::Tls, format!("TLS: the certificate cannot be read: {error}"))
    })?;
    let warning = judge(own.not_after, now, tls)?;
    let between = between.iter().enumerate();
    Ok(warning.or_else(|| {
        let warnings = between.filter_map(|(at, one)| warn_between(at + 2, one, now, tls));
        warnings.min_by_key(|(left, _)| *left).map(|(_, words)| words)
    }))
}

/// The time left and the warning about the certificate that the server sends as number `at`.
fn warn_between(
    at: usize,
    certificate: &CertificateDer<'_>,
    now: Duration,
    tls: &Tls,
) -> Option<(Duration, String)> {
    // What cannot be read the handshake has judged.
    let Certificate { not_after, subject } = Certificate::read(certificate).ok()?;
    let left = left(not_after, now);
    let what = format!("certificate {at} of the chain ({subject})");
    let soon = tls.expiry_warning.is_some_and(|limit| left <= limit);
    soon.then(|| (left, words(&what, not_after, left)))
}

fn left(end: DateTime, now: Duration) -> Duration {
    end.unix_duration().saturating_sub(now)
}

/// `now` is the time since 1970, as the certificate counts.
fn judge(end: DateTime, now: Duration, tls: &Tls) -> Result<Option<String>, Stop> {
    let left = left(end, now);
    let soon = |limit: Option<Duration>| limit.is_some_and(|limit| left <= limit);
    let words = || words("the certificate", end, left);
    if soon(tls.expiry_failure) {
        Err(Stop::failed(Cause::CertificateExpired, words()))
    } else {
        Ok(soon(tls.expiry_warning).then(words))
    }
}

fn words(what: &str, end: DateTime, left: Duration) -> String {
    let (hours, days) = (left.as_secs() / HOUR, left.as_secs() / DAY);
    match (days, hours) {
        _ if left.is_zero() => format!("TLS: {what} has expired ({end})"),
        (0 | 1, _) => format!("TLS: {what} expires in {hours} hours ({end})"),
        _ => format!("TLS: {what} expires in {days} days ({end})"),
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
