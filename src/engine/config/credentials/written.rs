//! A credential source as written in the settings.

use serde::{Deserialize, Serialize};

use crate::engine::config::credentials::{BASIC, CredentialSource, Part};
use crate::engine::words::fields::given;
use crate::engine::words::fields::mappings;
use crate::engine::words::header::{MAX_HEADER_NAME, is_header_name};

/// A source as written: `{"header": "authorization", "scheme": "Bearer"}`, `{"query": "access_token"}`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(!remote, extend(
        "oneOf" = [{ "required": ["header"] }, { "required": ["query"] }, { "required": ["cookie"] }],
        "dependentRequired" = { "scheme": ["header"], "part": ["header"] },
        "if" = { "required": ["scheme"], "properties": { "scheme": { "pattern": "^[Bb][Aa][Ss][Ii][Cc]$" } } },
        "then" = { "properties": { "part": { "enum": ["user", "password"] } } },
        "else" = { "properties": { "part": { "const": "after_bar" } } }
    ))
)]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `header`, `query` or `cookie`")]
pub(super) struct Written {
    /// Name of a header, in lower case: `x-api-key`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("pattern" = HEADER, "not" = { "enum": TAKEN })))]
    header: Option<Box<str>>,
    /// The word before the token in the header, compared case-insensitively: `Bearer`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("pattern" = TOKEN)))]
    scheme: Option<Box<str>>,
    /// The part of the header that is the secret. Default: the whole value; with the scheme `Basic`, the password.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    part: Option<WrittenPart>,
    /// Name of a query parameter: `access_token`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("pattern" = TOKEN)))]
    query: Option<Box<str>>,
    /// Name of a cookie.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("pattern" = TOKEN)))]
    cookie: Option<Box<str>>,
}

/// A part of a header, as written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum WrittenPart {
    /// The text after the first `|` if an id precedes it, otherwise the whole value, as Laravel Sanctum hashes a
    /// token.
    AfterBar,
    /// The user, with the scheme `Basic`.
    User,
    /// The password, with the scheme `Basic`.
    Password,
}

mappings!(Written);

impl TryFrom<Written> for CredentialSource {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let bad = |what: &str, name: &str, rule: &str| {
            let name: String = name.chars().take(80).collect();
            Err(format!("`{}` cannot be the {what} of a credential: {rule}", name.escape_default()))
        };
        match written {
            Written { header: Some(name), scheme, part, query: None, cookie: None } => {
                if !is_header_name(&name) || TAKEN.contains(&&*name) {
                    return bad(
                        "header",
                        &name,
                        "write a header of your own in lower case, as in `x-api-key`",
                    );
                }
                if let Some(scheme) = scheme.as_ref().filter(|scheme| !is_token(scheme)) {
                    return bad("scheme", scheme, "write one word, as in `Bearer`");
                }
                let part = Part::of(scheme.as_deref(), part)?;
                Ok(Self::Header { name, scheme, part })
            }
            Written { query: Some(name), header: None, scheme: None, part: None, cookie: None }
                if is_token(&name) =>
            {
                Ok(Self::Query(name))
            }
            Written { cookie: Some(name), header: None, scheme: None, part: None, query: None }
                if is_token(&name) =>
            {
                Ok(Self::Cookie(name))
            }
            Written { query: Some(name), header: None, scheme: None, part: None, cookie: None }
            | Written { cookie: Some(name), header: None, scheme: None, part: None, query: None } => {
                bad("name", &name, "write letters, digits and `_ - .`")
            }
            Written { .. } => {
                Err("a credential is in a `header` (with a `scheme` and a `part` or without), a `query` \
                                 parameter or a `cookie`: one of them"
                    .to_owned())
            }
        }
    }
}

impl From<CredentialSource> for Written {
    fn from(source: CredentialSource) -> Self {
        match source {
            CredentialSource::Header { name, scheme, part } => {
                Self { header: Some(name), scheme, part: part.written(), ..Self::default() }
            }
            CredentialSource::Query(name) => Self { query: Some(name), ..Self::default() },
            CredentialSource::Cookie(name) => Self { cookie: Some(name), ..Self::default() },
        }
    }
}

impl Part {
    /// The part that a source with this scheme reads.
    fn of(scheme: Option<&str>, written: Option<WrittenPart>) -> Result<Self, String> {
        let is_basic = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(BASIC));
        match (is_basic, written) {
            (false, None) => Ok(Self::Whole),
            (false, Some(WrittenPart::AfterBar)) => Ok(Self::AfterBar),
            (true, Some(WrittenPart::User)) => Ok(Self::User),
            (true, Some(WrittenPart::Password) | None) => Ok(Self::Password),
            (true, Some(WrittenPart::AfterBar)) => {
                Err("the scheme `Basic` has the parts `user` and `password`: write one of them".to_owned())
            }
            (false, Some(WrittenPart::User | WrittenPart::Password)) => {
                Err("only the scheme `Basic` has the parts `user` and `password`: add `scheme: Basic`"
                    .to_owned())
            }
        }
    }

    fn written(self) -> Option<WrittenPart> {
        match self {
            Self::Whole => None,
            Self::AfterBar => Some(WrittenPart::AfterBar),
            Self::User => Some(WrittenPart::User),
            Self::Password => Some(WrittenPart::Password),
        }
    }
}

fn is_token(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= MAX_HEADER_NAME && name.bytes().all(is_letter)
}

/// Headers that a proxy or the request itself needs: removing them would change the request.
const TAKEN: [&str; 13] = [
    "host",
    "cookie",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "origin",
    "x-forwarded-for",
    "x-request-id",
];

/// The pattern for [`is_header_name`].
#[cfg(not(target_arch = "wasm32"))]
const HEADER: &str = "^[a-z0-9_-]{1,64}$";
/// The pattern for [`is_token`].
#[cfg(not(target_arch = "wasm32"))]
const TOKEN: &str = "^[A-Za-z0-9._-]{1,64}$";
