//! The order of ipvsadm.
//!
//! ipvsadm subtracts numbers of 32 bits and looks at the sign of the result. So numbers that are
//! more than 2^31 apart sort the other way round, 192.0.2.1 before 10.0.0.1, and such an order is
//! no order in the sense of mathematics. The standard library's sorts may panic over it; this is
//! the merge sort of the C library, which gives the same result as ipvsadm for any table.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipvs::{DestinationEntry, Family, Protocol, ServiceKey, TableService};

/// The services in ipvsadm's order: those without a mark first; then by mark, family, protocol,
/// address and port.
pub(super) fn services(services: &[TableService]) -> Vec<&TableService> {
    let key = |service: &TableService| service.entry.service.key;
    merge_sort(services.iter().collect(), &|a, b| compare_keys(&key(a), &key(b)))
}

/// The destinations in ipvsadm's order: by address and port.
pub(super) fn destinations(destinations: &[DestinationEntry]) -> Vec<&DestinationEntry> {
    merge_sort(destinations.iter().collect(), &|a, b| {
        let (a, b) = (a.destination.key, b.destination.key);
        compare_addresses(a.address, b.address).then(a.port.cmp(&b.port))
    })
}

fn compare_keys(a: &ServiceKey, b: &ServiceKey) -> Ordering {
    let mark = |key: &ServiceKey| match key {
        ServiceKey::Address { .. } => 0,
        ServiceKey::Fwmark { mark, .. } => *mark,
    };
    let marks = compare(mark(a), mark(b)).then_with(|| family(a).cmp(&family(b)));
    match (a, b) {
        (
            ServiceKey::Address { protocol: p, address: a },
            ServiceKey::Address { protocol: q, address: b },
        ) => marks
            .then(Protocol::number(*p).cmp(&q.number()))
            .then_with(|| compare_addresses(a.ip(), b.ip()))
            .then(a.port().cmp(&b.port())),
        _ => marks,
    }
}

fn family(key: &ServiceKey) -> u8 {
    match key.family() {
        Family::Inet => 4,
        Family::Inet6 => 6,
    }
}

/// By 32-bit words. The family of the first decides how many; the words of an IPv4 address after
/// its first are 0.
fn compare_addresses(a: IpAddr, b: IpAddr) -> Ordering {
    let used = if a.is_ipv6() { 4 } else { 1 };
    let words = words(a).into_iter().zip(words(b)).take(used);
    words.fold(Ordering::Equal, |order, (a, b)| order.then_with(|| compare(a, b)))
}

fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(v4) => [v4.to_bits(), 0, 0, 0],
        IpAddr::V6(v6) => {
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(v6.octets().as_chunks().0) {
                *word = u32::from_be_bytes(*bytes);
            }
            words
        }
    }
}

/// The sign of the difference in 32 bits.
fn compare(a: u32, b: u32) -> Ordering {
    a.wrapping_sub(b).cast_signed().cmp(&0)
}

fn merge_sort<T: Copy>(items: Vec<T>, compare: &impl Fn(T, T) -> Ordering) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let (left, right) = items.split_at(items.len() / 2);
    let left = merge_sort(left.to_vec(), compare);
    let right = merge_sort(right.to_vec(), compare);
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    let mut merged = Vec::with_capacity(items.len());
    while let (Some(&a), Some(&b)) = (left.peek(), right.peek()) {
        let side = if compare(a, b).is_le() { &mut left } else { &mut right };
        merged.extend(side.next());
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_far_apart_are_turned_round() {
        let order = |a: &str, b: &str| compare_addresses(a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(order("10.0.0.1", "10.0.0.2"), Ordering::Less);
        assert_eq!(order("10.0.0.1", "100.0.0.1"), Ordering::Less);
        // 0xc0000201 - 0x0a000001 = 0xb6000200: negative in 32 bits.
        assert_eq!(order("192.0.2.1", "10.0.0.1"), Ordering::Less);
        assert_eq!(order("2001:db8::1", "2001:db8::2"), Ordering::Less);
        assert_eq!(order("2001:db8::1", "2001:db8::1"), Ordering::Equal);
        assert_eq!(order("fe80::1", "2001:db8::1"), Ordering::Less);
    }

    #[test]
    fn services_come_by_mark_family_protocol_address_and_port() {
        let sorted = [
            "tcp 192.0.2.10:80",
            "tcp 192.0.2.10:443",
            "tcp 192.0.2.11:80",
            "udp 192.0.2.10:53",
            "sctp 192.0.2.10:9",
            "tcp [2001:db8::10]:443",
            "fwmark 7",
            "fwmark 7 IPv6",
            "fwmark 8",
        ];
        let keys = sorted.map(|text| text.parse::<ServiceKey>().unwrap());
        let mut shuffled = keys.to_vec();
        shuffled.rotate_left(4);
        shuffled.swap(0, 5);
        let again = merge_sort(shuffled, &|a, b| compare_keys(&a, &b));
        assert_eq!(again, keys);
    }

    /// Three addresses, each a third of the number range before the next: a circle. What comes
    /// out is the C library's merge of [first] with the merge of the other two.
    #[test]
    fn a_circle_is_sorted_as_the_c_library_does() {
        let circle = |text: &str| text.split(' ').map(|a| a.parse().unwrap()).collect();
        let sorted = |items| merge_sort::<IpAddr>(items, &compare_addresses);
        // 90 < 180, 180 < 10 (wrapped), 10 < 90.
        assert_eq!(
            sorted(circle("90.0.0.0 180.0.0.0 10.0.0.0")),
            circle("90.0.0.0 180.0.0.0 10.0.0.0")
        );
        assert_eq!(
            sorted(circle("180.0.0.0 90.0.0.0 10.0.0.0")),
            circle("180.0.0.0 10.0.0.0 90.0.0.0")
        );
    }
}
