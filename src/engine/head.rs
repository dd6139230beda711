//! The head of a request, read once, as bytes.
//!
//! In: the request's headers in their order. Out: a [`RequestHead`] with everything that a decision, a
//! verdict and an audit event need. Nothing here can fail or panic: what cannot be read is kept as such.

use crate::engine::path::{BadPath, CanonicalPath};
use crate::engine::settings::Settings;

/// What is read from a request's headers.
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:authority`.
    pub host: &'a [u8],
    /// `:path` as it came in; for the audit of a path that has no reading.
    pub target: &'a [u8],
    /// `:path` in its one reading.
    pub path: Result<CanonicalPath<'a>, BadPath>,
    /// `x-request-id`.
    pub request_id: &'a [u8],
    /// Whether the caller speaks gRPC.
    pub grpc: bool,
    /// The credential that the request brings.
    pub credential: Credential<'a>,
    /// Headers that must not reach the upstream.
    pub remove: Vec<&'a [u8]>,
    /// Whether an `Authorization` header was read already.
    authorized: bool,
}

/// Never shows what may hold a credential: the query, the credential.
impl std::fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("RequestHead");
        shown.field("path", &self.path).field("credential", &self.credential).finish_non_exhaustive()
    }
}

/// The credential of a request.
pub enum Credential<'a> {
    /// There is none.
    Missing,
    /// There is one: these bytes, not yet checked to be a secret.
    Presented(&'a [u8]),
    /// There is more than one.
    Ambiguous,
}

/// Never shows what was presented.
impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "Missing",
            Self::Presented(_) => "Presented(…)",
            Self::Ambiguous => "Ambiguous",
        })
    }
}

impl<'a> RequestHead<'a> {
    /// Reads the headers of a request: names and values, lower-case names as Envoy has them.
    pub fn read(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>, settings: &Settings) -> Self {
        let mut head = Self {
            method: b"",
            host: b"",
            target: b"",
            path: Err(BadPath::NotAPath),
            request_id: b"",
            grpc: false,
            credential: Credential::Missing,
            remove: Vec::new(),
            authorized: false,
        };
        for (name, value) in headers {
            head.header(name, value, settings);
        }
        head.path = CanonicalPath::parse(head.target);
        head
    }

    fn header(&mut self, name: &'a [u8], value: &'a [u8], settings: &Settings) {
        match name {
            b":method" => self.method = value,
            b":path" => self.target = value,
            b":authority" => self.host = value,
            b"content-type" => self.grpc = value.starts_with(b"application/grpc"),
            b"authorization" => self.authorization(name, value, settings),
            _ if is_override(name) || settings.identity_headers.contains(name) => self.remove.push(name),
            b"x-request-id" => self.request_id = value,
            _ => {}
        }
    }

    fn authorization(&mut self, name: &'a [u8], value: &'a [u8], settings: &Settings) {
        // RFC 9110 §11.6.2 allows one `Authorization`; which of two a program takes is its own affair.
        let repeated = std::mem::replace(&mut self.authorized, true);
        self.credential = if repeated { Credential::Ambiguous } else { bearer(value) };
        let ours = !matches!(self.credential, Credential::Missing);
        if ours && !settings.forward_credential && !self.remove.contains(&name) {
            self.remove.push(name);
        }
    }
}

/// The credential in one `Authorization` header (RFC 6750 §2.1).
fn bearer(value: &[u8]) -> Credential<'_> {
    // Envoy joins repeated headers by commas, and no secret has one; RFC 9110 §11.4 has no tab here, which an
    // upstream may all the same read as a space.
    if value.contains(&b',') || value.contains(&b'\t') {
        return Credential::Ambiguous;
    }
    let value = value.trim_ascii();
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    match value.split_at_checked(end) {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case(b"bearer") => {
            Credential::Presented(secret.trim_ascii_start())
        }
        Some(_) | None => Credential::Missing,
    }
}

/// Whether a backend may take the value of this header for the request's method, path or host.
fn is_override(name: &[u8]) -> bool {
    let first = name.first().is_some_and(|first| b"xsp".contains(first));
    first && OVERRIDES.iter().any(|known| same_header(name, known.as_bytes()))
}

/// Whether two header names are the same for some program: CGI and its heirs read whatever is no letter
/// or digit as `_`.
pub(crate) fn same_header(name: &[u8], known: &[u8]) -> bool {
    let fold = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == known.len() && name.iter().zip(known).all(|(one, two)| fold(one) == fold(two))
}

/// Each begins with one of the letters that `is_override` looks for.
const OVERRIDES: [&str; 17] = [
    "path-info",
    "script-name",
    "x-envoy-original-path",
    "x-forwarded-method",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-path",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-script-name",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(headers: &'a [(&'a str, &'a [u8])]) -> RequestHead<'a> {
        RequestHead::read(headers.iter().map(|(name, value)| (name.as_bytes(), *value)), &Settings::default())
    }

    #[test]
    fn a_bearer_token_is_what_follows_the_scheme() {
        for (value, secret) in [
            (&b"Bearer abc"[..], Some(&b"abc"[..])),
            (b"bearer abc", Some(b"abc")),
            (b"BEARER   abc ", Some(b"abc")),
            (b"Bearer", Some(b"")),
            (b"Bearer a b", Some(b"a b")),
            (b"Bearerabc", None),
            (b"Basic abc", None),
            (b"abc", None),
            (b"", None),
        ] {
            let headers = [("authorization", value)];
            match read(&headers).credential {
                Credential::Presented(presented) => assert_eq!(Some(presented), secret),
                Credential::Missing => assert_eq!(None, secret),
                Credential::Ambiguous => panic!("{}", value.escape_ascii()),
            }
        }
    }

    #[test]
    fn two_credentials_are_ambiguous_in_whatever_way_they_come() {
        for headers in [
            &[("authorization", &b"Bearer a,Bearer b"[..])][..],
            &[("authorization", b"Bearer\ta")],
            &[("authorization", b"Bearer a"), ("authorization", b"Bearer a")],
            &[("authorization", b"Bearer a"), ("authorization", b"Basic a")],
            &[("authorization", b"Basic a"), ("authorization", b"Bearer a")],
            &[("authorization", b""), ("authorization", b"Bearer a")],
        ] {
            let head = read(headers);
            assert!(matches!(head.credential, Credential::Ambiguous));
            assert_eq!(head.remove, [b"authorization"]);
        }
    }

    #[test]
    fn headers_that_mislead_a_backend_are_to_be_removed_however_spelled() {
        let headers = [
            ("x-tokenward-token", &b"admin"[..]),
            ("x_tokenward-identity", b"kind=admin"),
            ("x-http-method-override", b"DELETE"),
            ("x_original_url", b"/admin"),
            ("x.tokenward.token", b"admin"),
            ("script_name", b"/public"),
            ("path-info", b"/admin"),
            ("x-unrelated", b"\xff"),
        ];
        let names: Vec<&[u8]> = headers.iter().map(|(name, _)| name.as_bytes()).take(7).collect();
        assert_eq!(read(&headers).remove, names);
    }
}
