//! Limits on the use of a token, whatever its roles: environments, services, sources, hours.

use std::net::IpAddr;

use tokenward::engine::config::bundle::{Bundle, Token};
use tokenward::engine::words::time::Time;

use crate::oracle::reading::Request;

/// Returns the first limit that a request breaks.
pub(crate) fn broken(token: &Token, document: &Bundle, request: &Request) -> Option<&'static str> {
    let environment = document.environment.as_ref().map(ToString::to_string);
    let service = document.service.as_ref().map(ToString::to_string);
    let from = address(&request.source);
    if !admits(&token.environments, |name| Some(name.to_string()) == environment) {
        Some("wrong_environment")
    } else if !admits(&token.services, |name| Some(name.to_string()) == service) {
        Some("wrong_service")
    } else if !admits(&token.allowed_sources, |range| from.is_some_and(|from| has(&range.to_string(), from)))
    {
        Some("source_not_allowed")
    } else if !admits(&token.allowed_hours, |hours| contain(&hours.to_string(), request.now)) {
        Some("outside_hours")
    } else {
        None
    }
}

/// Whether the limit is missing, or one of its entries fits.
fn admits<T>(limit: &Option<Vec<T>>, fits: impl Fn(&T) -> bool) -> bool {
    limit.as_ref().is_none_or(|allowed| allowed.iter().any(fits))
}

/// Returns the address in `address:port`. An IPv4 address mapped into IPv6 becomes an IPv4 address.
fn address(source: &str) -> Option<IpAddr> {
    let (address, _) = source.rsplit_once(':')?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Whether the address starts with the bits of the range, up to the range's length. A range mapped into IPv6 contains
/// IPv4 addresses.
fn has(range: &str, address: IpAddr) -> bool {
    let (network, length) = range.split_once('/').unwrap_or((range, "128"));
    let (written, length): (IpAddr, usize) = (network.parse().unwrap(), length.parse().unwrap());
    let network = written.to_canonical();
    let length = if network == written { length } else { length - 96 };
    let (network, address) = (bits(network), bits(address));
    network.len() == address.len() && network.chars().take(length).eq(address.chars().take(length))
}

/// Returns an address as zeros and ones.
fn bits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{:032b}", u32::from(address)),
        IpAddr::V6(address) => format!("{:0128b}", u128::from(address)),
    }
}

/// Whether the hours contain the time: the stretch of some day contains this minute, in this week or the week before.
fn contain(hours: &str, now: Time) -> bool {
    let words: Vec<&str> = hours.split(' ').collect();
    let (days, words) = match words.split_first() {
        Some((first, rest)) if !first.contains(':') => (days(first), rest),
        _ => ((0..7).collect(), &words[..]),
    };
    let (start, end) = words[0].split_once('-').unwrap();
    let ahead = words.get(1).map_or(0, |zone| match zone.split_at(1) {
        ("+", offset) => minutes(offset),
        ("-", offset) => -minutes(offset),
        _ => 0,
    });
    let (start, end) = (minutes(start), minutes(end));
    let end = if end <= start { end + DAY } else { end };
    let local = (now.millis() - a_monday().millis()).div_euclid(60_000) + ahead;
    let minute = local.rem_euclid(7 * DAY);
    days.into_iter().any(|day| {
        let stretch = day * DAY + start..day * DAY + end;
        stretch.contains(&minute) || stretch.contains(&(minute + 7 * DAY))
    })
}

/// Returns `Mon-Fri` and `Sat,Sun` as numbers; Monday is 0.
fn days(text: &str) -> Vec<i64> {
    let number = |name: &str| {
        let mut days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].into_iter().zip(0..);
        days.find(|(known, _)| *known == name).unwrap().1
    };
    let of = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (i64, i64) = (number(first), number(last));
        let stretch = if first <= last { first..=last } else { first..=last + 7 };
        stretch.map(|day| day % 7).collect::<Vec<_>>()
    };
    text.split(',').flat_map(of).collect()
}

/// Returns `06:30` as minutes.
fn minutes(text: &str) -> i64 {
    let (hours, minutes) = text.split_once(':').unwrap();
    hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap()
}

fn a_monday() -> Time {
    "2026-03-02T00:00:00Z".parse().unwrap()
}

/// Minutes in a day.
const DAY: i64 = 1_440;
