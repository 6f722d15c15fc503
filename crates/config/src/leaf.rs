//! Parsers of single values.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::reader::Value;

/// The units of a duration, the largest first, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A duration within `range`, such as `"500ms"`, `"2s"`, `"10m"`, `"1h"`, `"1d"`.
pub(crate) fn duration(range: RangeInclusive<Duration>) -> impl Fn(Value<'_>) -> Option<Duration> {
    move |value| {
        let expected = "a duration such as \"500ms\", \"2s\", \"10m\" or \"1h\"";
        let Some(text) = value.as_str() else {
            let help = value.is_integer().then(|| "a duration has a unit, as in \"2s\"".to_owned());
            return value.wrong_type(expected, help);
        };
        let Some(duration) = parse_duration(text) else {
            return value.refuse(
                format!("`{text}` is no duration"),
                format!("expected {expected}"),
                Some("write a whole number and one unit: ms, s, m, h or d".to_owned()),
            );
        };
        if !range.contains(&duration) {
            let (first, last) = (show_duration(*range.start()), show_duration(*range.end()));
            return value.refuse(
                format!("`{}` is out of range", value.key),
                format!("expected a duration from {first} to {last}"),
                None,
            );
        }
        Some(duration)
    }
}

/// A [`duration`] in whole seconds.
pub(crate) fn seconds(range: RangeInclusive<Duration>) -> impl Fn(Value<'_>) -> Option<u32> {
    let duration = duration(range);
    move |value| {
        let duration = duration(value)?;
        if duration.subsec_nanos() == 0 {
            return u32::try_from(duration.as_secs()).ok();
        }
        let help = "the kernel counts whole seconds here".to_owned();
        value.refuse(format!("`{}` is not in seconds", value.key), "has a rest", Some(help))
    }
}

/// Per cent from `"0%"` to `"100%"`.
pub(crate) fn percent(value: Value<'_>) -> Option<u8> {
    let expected = "per cent from \"0%\" to \"100%\"";
    let Some(text) = value.as_str() else {
        let help = value.is_integer().then(|| "write it as in \"50%\"".to_owned());
        return value.wrong_type(expected, help);
    };
    let digits = text.strip_suffix('%').filter(|digits| !digits.starts_with('+'));
    let percent = digits.and_then(|digits| digits.parse().ok()).filter(|percent| *percent <= 100);
    percent.or_else(|| {
        let message = format!("`{}` cannot be `{text}`", value.key);
        value.refuse(message, format!("expected {expected}"), None)
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*milliseconds).map(Duration::from_millis)
}

/// A duration as the configuration writes it, in the largest unit that leaves no rest.
pub(crate) fn show_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let fits = |unit: &&(&str, u64)| milliseconds != 0 && milliseconds.is_multiple_of(unit.1);
    match UNITS.iter().find(fits) {
        Some((name, unit)) => format!("{}{name}", milliseconds / unit),
        None => "0s".to_owned(),
    }
}

/// An IPv4 or IPv6 address.
pub(crate) fn address(value: Value<'_>) -> Option<IpAddr> {
    let text = value.string()?;
    text.parse().ok().or_else(|| {
        value.refuse(
            format!("`{text}` is no address"),
            "expected an IPv4 or IPv6 address",
            host_name_help(text),
        )
    })
}

/// Address and port. Port 0 stands for every port. The kernel's table has no zones.
pub(crate) fn socket_address(value: Value<'_>) -> Option<SocketAddr> {
    let text = value.string()?;
    match text.parse() {
        Ok(SocketAddr::V6(address)) if text.contains('%') => {
            let help = format!("write \"[{}]:{}\"", address.ip(), address.port());
            let label = "IPVS knows an address without its zone";
            return value.refuse(format!("`{text}` has a zone"), label, Some(help));
        }
        Ok(address) => return Some(address),
        Err(_) => {}
    }
    let (label, help) = match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => ("the port is missing", Some(format!("write \"{text}:80\""))),
        Ok(IpAddr::V6(_)) => {
            let help = "an IPv6 address with a port has brackets, as in \"[2001:db8::10]:80\"";
            ("the brackets are missing", Some(help.to_owned()))
        }
        Err(_) => match text.rsplit_once(':') {
            Some((address, port)) if address.parse::<IpAddr>().is_ok() => match port.parse::<u16>()
            {
                Ok(_) => {
                    ("not an address and a port", Some(format!("write \"[{address}]:{port}\"")))
                }
                Err(_) => ("the port is not a number from 0 to 65535", None),
            },
            _ => ("expected an address and a port", host_name_help(text)),
        },
    };
    value.refuse(format!("`{text}` is no address with port"), label, help)
}

/// Address and port; the port may be left out and is 0 then.
pub(crate) fn address_maybe_port(value: Value<'_>) -> Option<SocketAddr> {
    match value.as_str().and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(address) => Some(SocketAddr::new(address, 0)),
        None => socket_address(value),
    }
}

fn host_name_help(text: &str) -> Option<String> {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        .then(|| "names are not resolved: write the address".to_owned())
}

/// Why an address cannot belong to a host, if it cannot.
pub(crate) fn not_a_host(address: IpAddr) -> Option<&'static str> {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ if broadcast => Some("the broadcast address"),
        _ => None,
    }
}

/// Name of a network interface: what the kernel accepts (`dev_valid_name`).
pub(crate) fn interface(value: Value<'_>) -> Option<String> {
    let name = value.string()?;
    let bad = |c: char| c.is_whitespace() || c == '/' || c == ':' || c == '\0';
    let valid =
        (1..=15).contains(&name.len()) && !name.contains(bad) && name != "." && name != "..";
    if valid {
        return Some(name.to_owned());
    }
    value.refuse(
        format!("`{name}` cannot be an interface"),
        "expected 1 to 15 bytes without blanks, `/` and `:`",
        None,
    )
}

/// An absolute path.
pub(crate) fn absolute_path(value: Value<'_>) -> Option<PathBuf> {
    let path = value.string()?;
    if path.starts_with('/') && !path.contains('\0') {
        return Some(PathBuf::from(path));
    }
    value.refuse(
        format!("`{}` is no absolute path", value.key),
        "expected a path that starts with `/`",
        None,
    )
}

/// A text with at least one character and no control characters.
pub(crate) fn text(value: Value<'_>) -> Option<String> {
    let text = value.string()?;
    if !text.is_empty() && !text.contains(char::is_control) {
        return Some(text.to_owned());
    }
    let problem = if text.is_empty() { "is empty" } else { "has a control character" };
    value.refuse(format!("`{}` {problem}", value.key), "expected a text", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, milliseconds) in [
            ("500ms", Some(500)),
            ("2s", Some(2000)),
            ("10m", Some(600_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("0s", Some(0)),
            ("2", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("1.5s", None),
            ("1m30s", None),
            ("1 s", None),
            ("1S", None),
            ("18446744073709551616ms", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse_duration(text), milliseconds.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn durations_are_shown_in_the_largest_unit_that_fits() {
        for (milliseconds, text) in
            [(0, "0s"), (10, "10ms"), (1000, "1s"), (90_000, "90s"), (3_600_000, "1h")]
        {
            assert_eq!(show_duration(Duration::from_millis(milliseconds)), text);
        }
    }
}
