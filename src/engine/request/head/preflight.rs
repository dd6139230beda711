//! CORS preflights: recognizes exactly the requests that a browser sends before a cross-origin request.
//!
//! In: the headers of an `OPTIONS` request. Out: the requested method, if a browser would send the request (Fetch
//! Standard, "CORS-preflight fetch"): without content, without any credentials, and without a method in its query.
//! All other requests need a token. The decision checks the requested method against the policy.

use crate::engine::config::credentials::CredentialSource;
use crate::engine::matching::pattern::is_method;
use crate::engine::request::credential::decoded;
use crate::engine::words::header::same_header;

/// The method that a preflight requests; `None` if the request is not a browser's preflight.
pub(super) fn asked<'a>(
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    sources: &[CredentialSource],
) -> Option<&'a [u8]> {
    let (mut origin, mut method, mut names) = (None, None, None);
    for (name, value) in headers {
        let mark = match name {
            b"origin" => &mut origin,
            b"access-control-request-method" => &mut method,
            b"access-control-request-headers" => &mut names,
            b"content-length" if value == b"0" => continue,
            _ if is_foreign(name, sources) => return None,
            _ => continue,
        };
        if mark.replace(value).is_some() {
            return None;
        }
    }
    origin.filter(|origin| is_origin(origin))?;
    names.is_none_or(are_names).then_some(())?;
    method.filter(|method| is_method(method) && !FORBIDDEN.contains(method))
}

/// Whether a browser never sends the header with a preflight: content, a credential, or another spelling of a CORS
/// header.
fn is_foreign(name: &[u8], sources: &[CredentialSource]) -> bool {
    FOREIGN.iter().any(|known| same_header(name, known.as_bytes()))
        || sources.iter().any(|source| match source {
            CredentialSource::Header { name: known, .. } => same_header(name, known.as_bytes()),
            CredentialSource::Query(_) | CredentialSource::Cookie(_) => false,
        })
}

/// Whether some framework reads the method from this query. The query includes `?`.
pub(super) fn names_method(query: &[u8]) -> bool {
    let parameters = query.strip_prefix(b"?").unwrap_or(query);
    parameters.split(|byte| matches!(byte, b'&' | b';')).any(|parameter| {
        let mut parts = parameter.splitn(2, |byte| *byte == b'=');
        let name = decoded(parts.next().unwrap_or_default());
        let value = decoded(parts.next().unwrap_or_default());
        is_method_parameter(&name, &value)
    })
}

/// Whether the parameter overrides the method: by its name alone, or by a name about methods together with a method
/// as value.
fn is_method_parameter(name: &[u8], value: &[u8]) -> bool {
    // PHP reads `.method` and `[method` as `_method`; others read `_method[]` and `_method` plus NUL as `_method`.
    let start = name.iter().position(u8::is_ascii_alphanumeric).unwrap_or(name.len());
    let (_, name) = name.split_at_checked(start).unwrap_or_default();
    let word = name.split(|byte| matches!(byte, b'[' | 0)).next().unwrap_or_default();
    let word: Vec<u8> =
        word.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    let speaks = |of: &[u8]| word.windows(of.len()).any(|part| part == of);
    let value = value.trim_ascii();
    OVERRIDES.iter().any(|known| known.as_bytes() == word)
        || (speaks(b"method") || speaks(b"verb"))
            && METHODS.iter().any(|method| value.eq_ignore_ascii_case(method.as_bytes()))
}

/// Whether this is a serialized origin (RFC 6454 §6.1): `null`, or a scheme, a host and an optional port.
fn is_origin(origin: &[u8]) -> bool {
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    let end = origin.iter().position(|byte| *byte == b':').unwrap_or(origin.len());
    let (scheme, rest) = origin.split_at_checked(end).unwrap_or_default();
    let by_parts = rest.strip_prefix(b"://").is_some_and(|host| host.iter().all(is_host));
    origin == b"null" || by_parts && !scheme.is_empty() && scheme.iter().all(is_scheme)
}

/// Whether this is a comma-separated list of header names.
fn are_names(names: &[u8]) -> bool {
    // A token (RFC 9110 §5.6.2).
    names.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, \t".contains(byte))
}

/// Methods that no page may request (Fetch Standard, "forbidden method").
const FORBIDDEN: [&[u8]; 3] = [b"CONNECT", b"TRACE", b"TRACK"];

/// Headers that no preflight has. The CORS headers are listed to catch their other spellings.
const FOREIGN: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "content-length",
    "transfer-encoding",
    "origin",
    "access-control-request-method",
    "access-control-request-headers",
];

/// Override parameters of frameworks, reduced to letters: `_method`, `_HttpMethod`, `X-HTTP-Method-Override`.
const OVERRIDES: [&str; 10] = [
    "method",
    "httpmethod",
    "httpmethodoverride",
    "methodoverride",
    "overridemethod",
    "verb",
    "xhttpmethod",
    "xhttpmethodoverride",
    "xmethodoverride",
    "xtunneledmethod",
];

/// IANA-registered methods for which a framework may have a handler.
const METHODS: [&str; 24] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "ACL",
    "BIND",
    "COPY",
    "LINK",
    "LOCK",
    "MERGE",
    "MKCOL",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "QUERY",
    "REPORT",
    "SEARCH",
    "UNLINK",
];
