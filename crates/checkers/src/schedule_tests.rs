#![allow(clippy::disallowed_methods, reason = "an instant to count from")]

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;

fn host(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

fn answering(number: u8) -> Ticket {
    Ticket { host: host(number), silent: false }
}

fn silent(number: u8) -> Ticket {
    Ticket { host: host(number), silent: true }
}

fn limits(total: usize, per_host: usize) -> Limits {
    Limits { total, per_host, ..Limits::default() }
}

fn schedule(total: usize, per_host: usize) -> (Schedule<u32>, Instant) {
    let now = Instant::now();
    (Schedule::new(Duration::ZERO, limits(total, per_host), now), now)
}

/// All that start now.
fn starting(schedule: &mut Schedule<u32>, now: Instant) -> Vec<u32> {
    std::iter::from_fn(|| schedule.start(now)).collect()
}

#[test]
fn the_longest_due_goes_first_and_nothing_before_its_time() {
    let (mut schedule, t0) = schedule(2, 10);
    let at = |seconds| t0 + Duration::from_secs(seconds);
    for (id, seconds) in [(1, 3), (2, 1), (3, 2), (4, 9)] {
        schedule.add(id, answering(1), at(seconds));
    }
    assert_eq!(schedule.poll_timeout(), Some(at(1)));
    assert_eq!(starting(&mut schedule, t0), [0; 0]);
    assert_eq!(starting(&mut schedule, at(5)), [2, 3]);
    assert_eq!((schedule.running(), schedule.waiting(at(5))), (2, 1));
    assert_eq!(schedule.poll_timeout(), None, "all places are taken");
    schedule.ended(answering(1));
    assert_eq!(starting(&mut schedule, at(5)), [1]);
    schedule.ended(answering(1));
    assert_eq!(starting(&mut schedule, at(5)), [0; 0]);
    assert_eq!(schedule.poll_timeout(), Some(at(9)));
}

#[test]
fn a_host_with_many_services_holds_up_no_other() {
    let (mut schedule, t0) = schedule(100, 2);
    for id in 0..50 {
        schedule.add(id, answering(1), t0);
    }
    schedule.add(100, answering(2), t0 + Duration::from_millis(1));
    let now = t0 + Duration::from_secs(1);
    assert_eq!(starting(&mut schedule, now), [0, 1, 100]);
    assert_eq!(schedule.poll_timeout(), None, "the rest waits for the host");
    assert_eq!(schedule.waiting(now), 48);
    schedule.ended(answering(1));
    assert_eq!(starting(&mut schedule, now), [2]);
    schedule.remove(3, answering(1), t0);
    schedule.ended(answering(1));
    assert_eq!(starting(&mut schedule, now), [4]);
}

/// The dead hold their places for a timeout each; who answers must not wait for them.
#[test]
fn the_dead_do_not_starve_those_that_answer() {
    let (mut schedule, t0) = schedule(8, 100);
    for id in 0..50 {
        schedule.add(id, silent(1), t0);
    }
    let later = t0 + Duration::from_secs(10);
    schedule.add(100, answering(2), later);
    assert_eq!(starting(&mut schedule, later), [0, 1, 2, 3, 4, 5, 100]);
    assert_eq!(schedule.waiting(later), 44);
    schedule.ended(answering(2));
    assert_eq!(starting(&mut schedule, later), [0; 0], "two places stay free");
    schedule.ended(silent(1));
    assert_eq!(starting(&mut schedule, later), [6]);
}

/// Xorshift (Marsaglia, 2003).
fn below(dice: &mut u64, limit: u64) -> u64 {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    *dice % limit
}

/// Whoever is due and does not start is held up by a limit, at all times: nobody is forgotten.
#[test]
fn nobody_is_held_up_without_a_reason() {
    for seed in 1..=20 {
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed);
        let total = usize::try_from(1 + below(&mut dice, 12)).unwrap();
        let per_host = usize::try_from(1 + below(&mut dice, 4)).unwrap();
        let (mut schedule, t0) = schedule(total, per_host);
        let silent_total = (total * 3 / 4).max(1);
        let mut now = t0;
        let mut waiting: BTreeMap<u32, (Ticket, Instant)> = BTreeMap::new();
        let mut running: BTreeMap<u32, Ticket> = BTreeMap::new();
        for id in 0..2000 {
            match below(&mut dice, 10) {
                0..5 => {
                    let number = u8::try_from(below(&mut dice, 4)).unwrap();
                    let ticket =
                        if below(&mut dice, 2) == 0 { silent(number) } else { answering(number) };
                    let at = now + Duration::from_millis(below(&mut dice, 30));
                    schedule.add(id, ticket, at);
                    waiting.insert(id, (ticket, at));
                }
                5..8 => {
                    if let Some((_, ticket)) = running.pop_first() {
                        schedule.ended(ticket);
                    }
                }
                8 => {
                    if let Some((id, (ticket, at))) = waiting.pop_last() {
                        schedule.remove(id, ticket, at);
                    }
                }
                _ => now += Duration::from_millis(below(&mut dice, 20)),
            }
            while let Some(id) = schedule.start(now) {
                let (ticket, at) = waiting.remove(&id).expect("it waits");
                assert!(at <= now);
                running.insert(id, ticket);
            }
            let on = |host| running.values().filter(|ticket| ticket.host == host).count();
            let silent = running.values().filter(|ticket| ticket.silent).count();
            assert!(running.len() <= total && silent <= silent_total);
            assert_eq!(schedule.running(), running.len());
            for (ticket, _) in waiting.values().filter(|&&(_, at)| at <= now) {
                assert!(
                    running.len() == total
                        || on(ticket.host) >= per_host
                        || (ticket.silent && silent == silent_total),
                    "seed {seed}: {ticket:?} is forgotten"
                );
            }
            let due = waiting.values().filter(|&&(_, at)| at <= now).count();
            assert_eq!(schedule.waiting(now), due);
            let future = waiting.values().map(|&(_, at)| at).filter(|&at| at > now).min();
            let expected = if running.len() < total { future } else { None };
            assert_eq!(schedule.poll_timeout(), expected, "seed {seed}");
        }
    }
}

#[test]
fn those_of_one_tick_start_together_at_its_end() {
    let begin = Instant::now();
    let ms = |number| begin + Duration::from_millis(number);
    let mut schedule = Schedule::new(Duration::from_millis(5), limits(10, 10), begin);
    for (id, at) in [(1, 6), (2, 10), (3, 11), (4, 7)] {
        schedule.add(id, answering(1), ms(at));
    }
    schedule.remove(4, answering(1), ms(7));
    assert_eq!(schedule.poll_timeout(), Some(ms(10)));
    assert_eq!(starting(&mut schedule, ms(9)), []);
    assert_eq!(starting(&mut schedule, ms(10)), [1, 2]);
    assert_eq!(schedule.poll_timeout(), Some(ms(15)));
}

#[test]
fn other_limits_hold_from_then_on() {
    let (mut schedule, now) = schedule(4, 1);
    for id in 0..4 {
        schedule.add(id, answering(1), now);
    }
    assert_eq!(starting(&mut schedule, now), [0]);

    schedule.set_limits(limits(4, 3));
    assert_eq!(starting(&mut schedule, now), [1, 2]);

    // More run than may: none starts until fewer do.
    schedule.set_limits(limits(1, 3));
    schedule.add(4, answering(2), now);
    for _ in 0..2 {
        schedule.ended(answering(1));
        assert_eq!(starting(&mut schedule, now), []);
    }
    schedule.ended(answering(1));
    assert_eq!(starting(&mut schedule, now), [3]);
}
