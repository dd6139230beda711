//! Puts a secret into a request where a gateway looks for it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::engine::config::credentials::{CredentialSource, Part};

/// Puts the secret at `source`. `headers` start with the pseudo-headers.
pub(super) fn present(headers: &mut Vec<(String, String)>, source: &CredentialSource, secret: &str) {
    match source {
        CredentialSource::Header { name, scheme, part } => {
            let value = match part {
                Part::Whole | Part::AfterBar => secret.to_owned(),
                Part::User => STANDARD.encode(format!("{secret}:")),
                Part::Password => STANDARD.encode(format!("user:{secret}")),
            };
            let scheme = scheme.as_ref().map(|scheme| format!("{scheme} ")).unwrap_or_default();
            headers.push((name.to_string(), scheme + &value));
        }
        CredentialSource::Cookie(name) => headers.push(("cookie".to_owned(), format!("{name}={secret}"))),
        CredentialSource::Query(name) => {
            if let Some((_, path)) = headers.iter_mut().find(|(header, _)| header == ":path") {
                let mark = if path.contains('?') { '&' } else { '?' };
                let _ = write!(path, "{mark}{name}={}", encoded(secret));
            }
        }
    }
}

/// Encodes the value of a query parameter (RFC 3986 §3.4): everything except unreserved characters is
/// percent-encoded.
fn encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
