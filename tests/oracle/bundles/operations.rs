//! Random operations that overlap, because they use only a few hosts and segments.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// An operation, such as `GET,POST *.acme.test/a/{x}`.
pub(crate) fn operations() -> impl Strategy<Value = String> {
    with_segments(prop_oneof![7 => free_segments(), 2 => bound_segments()].boxed())
}

/// An operation without bound attributes, because public requests have no token.
pub(crate) fn free_operations() -> impl Strategy<Value = String> {
    with_segments(free_segments().boxed())
}

fn with_segments(segment: BoxedStrategy<&'static str>) -> impl Strategy<Value = String> {
    let methods = prop_oneof![
        6 => Just("GET"),
        3 => select(vec!["*", "POST", "HEAD", "DELETE"]),
        2 => select(vec!["GET,POST", "GET,HEAD", "DELETE,POST,GET"]),
    ];
    let segments = prop_oneof![
        1 => vec(segment.clone(), 0),
        6 => vec(segment.clone(), 1),
        6 => vec(segment.clone(), 2),
        2 => vec(segment, 3..=4),
    ];
    let ends = prop_oneof![8 => Just(""), 1 => Just("/"), 2 => Just("/**")];
    (methods, hosts(), segments, ends).prop_map(|(methods, host, segments, end)| {
        let path: String = segments.iter().flat_map(|text| ["/", *text]).collect();
        // The root is `/`, with or without a trailing slash.
        let end = if path.is_empty() && end.is_empty() { "/" } else { end };
        format!("{methods} {host}{path}{end}")
    })
}

fn hosts() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        12 => Just(""),
        3 => select(vec!["acme.test", "api.acme.test", "API.Acme.test.", "api."]),
        3 => select(vec!["*.acme.test", "*.test", "*.api.acme.test", "*.Acme.Test"]),
        1 => select(vec!["[::1]", "[::FFFF:c000:201]", "192.0.2.1", "xacme.test"]),
    ]
}

fn free_segments() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        5 => select(vec!["a", "b", "A", "ab", "aB", "a:go"]),
        1 => select(vec!["%C3%A9", "%C3%89", "%C3%9F", "%c3%9f{x}", "SS{x}", "{x}%C3%A9", "ss"]),
        4 => select(vec!["{x}", "{y}", "*"]),
        5 => select(vec!["a{x}", "A{y}", "{x}b", "*B", "a{x}b", "{id}:go", "a*:go"]),
    ]
}

fn bound_segments() -> impl Strategy<Value = &'static str> {
    select(vec!["${t}", "${t}", "${t}", "${u}", "a${t}", "${t}b", "a${u}b", "${t}:go"])
}
