//! Operations as a policy writes them: methods, an optional host and a path pattern, `GET,DELETE
//! /v1/users/{id}` or `GET billing.acme.test/v1/invoices/**`.
//!
//! In: one line of text. Out: an [`Operation`] with its literals in the spelling of request paths, or the
//! mistake in the text.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use crate::engine::matching::host::{BadHostPattern, HostPattern};
use crate::engine::matching::path;
use crate::engine::matching::path::{BadPath, canonical};
use crate::engine::words::name::AttributeName;
use crate::engine::words::text::shown;

/// Methods, hosts and a path pattern: `GET,DELETE /v1/users/{id}`, `* billing.acme.test/v1/**`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(with = "String", extend(
        "pattern" = regex(),
        "maxLength" = MAX_LENGTH,
        "examples" = ["GET /v1/users/{id}", "POST,PUT /v1/users", "GET /v1/metrics/**"]
    ))
)]
pub struct Operation {
    /// The methods it covers.
    pub methods: Methods,
    /// The hosts it covers.
    pub host: HostPattern,
    /// The paths it covers.
    pub pattern: Pattern,
}

impl Operation {
    /// Reads an operation.
    ///
    /// # Errors
    /// Fails if the text is not a valid operation.
    pub fn parse(text: &str) -> Result<Self, BadOperation> {
        if text.len() > MAX_LENGTH {
            return Err(BadOperation::TooLong(text.len()));
        }
        let (methods, target) = text.trim().split_once(' ').ok_or(BadOperation::Parts)?;
        let target = target.trim_start();
        if target.contains(char::is_whitespace) {
            return Err(BadOperation::Parts);
        }
        let methods = Methods::parse(methods)?;
        let (host, path) = match target.find('/') {
            Some(0) => (HostPattern::Any, target),
            Some(end) => {
                let (host, path) = target.split_at_checked(end).unwrap_or((target, ""));
                (HostPattern::parse(host).map_err(BadOperation::Host)?, path)
            }
            None if target.contains('.') => return Err(BadOperation::HostAlone),
            None => return Err(BadOperation::Path(BadPath::NotAPath)),
        };
        Ok(Self { methods, host, pattern: Pattern::parse(path)? })
    }
}

/// The methods of an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Methods {
    /// `*`.
    Any,
    /// A list of methods; `GET` includes `HEAD`.
    Named(Box<[Box<str>]>),
}

impl Methods {
    /// Whether the list covers the request's method, byte for byte.
    pub fn cover(&self, method: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Named(names) => names.iter().any(|name| name.as_bytes() == method),
        }
    }

    fn parse(text: &str) -> Result<Self, BadOperation> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let mut names: Vec<Box<str>> = Vec::new();
        for name in text.split(',') {
            if !is_method(name.as_bytes()) {
                return Err(BadOperation::Method(name.chars().take(40).collect()));
            }
            names.push(name.into());
        }
        // RFC 9110 §9.3.2: HEAD is GET without the content.
        if names.iter().any(|name| &**name == "GET") && !names.iter().any(|name| &**name == "HEAD") {
            names.push("HEAD".into());
        }
        Ok(Self::Named(names.into()))
    }
}

/// A path pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    /// The condition for each segment.
    pub segments: Vec<Segment>,
    /// Whether the pattern ends in `/**`: it covers the path itself and everything below it.
    pub subtree: bool,
    /// Segments that must equal an attribute of the token. They do not change which operation this is.
    pub bindings: Vec<Binding>,
}

/// A segment `${name}`: the variable must equal the token's attribute of this name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// Index of the segment, counted from 0.
    pub segment: usize,
    /// The attribute.
    pub attribute: AttributeName,
}

/// The condition for one segment of a path.
///
/// Ordered by specificity: literals, then variables with more literal text around them (for equal length, the
/// longer prefix), then plain variables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Segment {
    /// This text.
    Literal(Box<str>),
    /// Text of at least one character between a prefix and a suffix, of which one may be empty.
    Affix {
        /// The text before the variable.
        prefix: Box<str>,
        /// The text after the variable.
        suffix: Box<str>,
    },
    /// Any text.
    Variable,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, BadOperation> {
        let inner = text.strip_prefix('/').ok_or(BadOperation::Path(BadPath::NotAPath))?;
        let (inner, subtree) = match inner.strip_suffix("**") {
            Some(above) if above.is_empty() || above.ends_with('/') => (above, true),
            Some(_) | None => (inner, false),
        };
        if inner.is_empty() {
            return Ok(Self { segments: Vec::new(), subtree, bindings: Vec::new() });
        }
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let (mut segments, mut bindings) = (Vec::new(), Vec::new());
        for (segment, text) in inner.split('/').enumerate() {
            let (shape, attribute) = Segment::parse(text)?;
            segments.push(shape);
            bindings.extend(attribute.map(|attribute| Binding { segment, attribute }));
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(BadOperation::TooManySegments(segments.len()));
        }
        Ok(Self { segments, subtree, bindings })
    }
}

impl Segment {
    /// Reads a segment, and the attribute to which its variable is bound.
    fn parse(text: &str) -> Result<(Self, Option<AttributeName>), BadOperation> {
        if text.contains("**") {
            return Err(BadOperation::InnerSubtree);
        }
        Self::read(text).map_err(|error| {
            if error != BadOperation::Path(BadPath::NotNfc) {
                return error;
            }
            BadOperation::NotNfc(path::composed(text).into_owned())
        })
    }

    fn read(text: &str) -> Result<(Self, Option<AttributeName>), BadOperation> {
        let Some(Variable { prefix, suffix, attribute }) = variable(text)? else {
            return Ok((Self::Literal(literal(text)?), None));
        };
        if prefix.is_empty() && suffix.is_empty() {
            return Ok((Self::Variable, attribute));
        }
        Ok((Self::Affix { prefix: part(prefix)?, suffix: part(suffix)? }, attribute))
    }
}

impl Ord for Segment {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Literal(one), Self::Literal(two)) => one.cmp(two),
            (Self::Affix { prefix: p1, suffix: s1 }, Self::Affix { prefix: p2, suffix: s2 }) => {
                let literal = |prefix: &str, suffix: &str| prefix.len().saturating_add(suffix.len());
                (literal(p2, s2), p2.len(), p1, s1).cmp(&(literal(p1, s1), p1.len(), p2, s2))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Segment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Segment {
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Affix { .. } => 1,
            Self::Variable => 2,
        }
    }

    /// The part of a path's segment that the variable stands for; the whole segment if there is no variable.
    pub fn value<'p>(&self, segment: &'p str) -> &'p str {
        let Self::Affix { prefix, suffix } = self else { return segment };
        let end = segment.len().saturating_sub(suffix.len());
        segment.get(prefix.len()..end).unwrap_or_default()
    }

    /// The segment with folded literal text and lower-case ASCII letters.
    #[must_use]
    pub fn folded(&self) -> Self {
        let fold = |text: &str| path::folded(text).to_ascii_lowercase().into_boxed_str();
        match self {
            Self::Literal(text) => Self::Literal(fold(text)),
            Self::Affix { prefix, suffix } => Self::Affix { prefix: fold(prefix), suffix: fold(suffix) },
            Self::Variable => Self::Variable,
        }
    }
}

/// A variable and the literal parts before and after it.
struct Variable<'t> {
    prefix: &'t str,
    suffix: &'t str,
    /// The attribute to which it is bound.
    attribute: Option<AttributeName>,
}

/// Finds the variable of a segment, if it has one.
fn variable(text: &str) -> Result<Option<Variable<'_>>, BadOperation> {
    let Some((prefix, rest)) = text.split_once(['{', '*']) else {
        return if text.contains('}') { Err(BadOperation::Braces) } else { Ok(None) };
    };
    let (prefix, suffix, attribute) = if text.as_bytes().get(prefix.len()) == Some(&b'*') {
        (prefix, rest, None)
    } else {
        let (name, suffix) = rest.split_once('}').ok_or(BadOperation::Braces)?;
        let bad_name = || BadOperation::VariableName(name.chars().take(40).collect());
        match prefix.strip_suffix('$') {
            Some(prefix) => {
                let cut = || BadOperation::AttributeName(name.chars().take(40).collect());
                (prefix, suffix, Some(name.parse().map_err(|_| cut())?))
            }
            None if is_variable_name(name) => (prefix, suffix, None),
            None => return Err(bad_name()),
        }
    };
    if suffix.contains(['{', '*']) {
        return Err(BadOperation::TwoVariables);
    }
    if prefix.contains('}') || suffix.contains('}') {
        return Err(BadOperation::Braces);
    }
    Ok(Some(Variable { prefix, suffix, attribute }))
}

/// Reads a whole literal segment in the spelling of request paths.
fn literal(text: &str) -> Result<Box<str>, BadOperation> {
    if text.is_empty() {
        return Err(BadOperation::Path(BadPath::EmptySegment));
    }
    if text.contains('?') {
        return Err(BadOperation::Query);
    }
    if text.contains('#') {
        return Err(BadOperation::Path(BadPath::Fragment));
    }
    if text.contains('+') || text.contains("%2B") || text.contains("%2b") {
        return Err(BadOperation::Plus);
    }
    let path = format!("/{text}");
    let spelled = canonical(path.as_bytes()).map_err(BadOperation::Path)?;
    Ok(spelled.strip_prefix('/').unwrap_or(&spelled).into())
}

/// Reads a literal part of a segment in the same spelling. It may be empty, or consist of dots.
fn part(text: &str) -> Result<Box<str>, BadOperation> {
    // Dots next to a variable are not a dot segment, so check them after a letter.
    let spelled = literal(&format!("{NO_MARK}{text}"))?;
    Ok(spelled.strip_prefix(NO_MARK).unwrap_or(&spelled).into())
}

/// Whether this is a method name. Methods are case-sensitive tokens (RFC 9110 §9.1); policies write them in
/// upper case.
pub(crate) fn is_method(name: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_".contains(byte);
    !name.is_empty() && name.iter().all(is_letter)
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Why a text is not a valid operation.
#[derive(Debug, Eq, PartialEq)]
pub enum BadOperation {
    /// It does not consist of methods, a space and a pattern.
    Parts,
    /// This is not a method.
    Method(String),
    /// This is neither a host nor the start of a path.
    Host(BadHostPattern),
    /// A host without a path.
    HostAlone,
    /// `${…}` without a valid attribute name.
    AttributeName(String),
    /// A segment bound to an attribute in an operation that needs no token.
    Unbindable,
    /// A literal that no request path can contain.
    Path(BadPath),
    /// A literal that is not in Unicode NFC; the variant holds its NFC form.
    NotNfc(String),
    /// `+` in a literal.
    Plus,
    /// `?` in a literal.
    Query,
    /// `**` anywhere except in a `/**` at the end.
    InnerSubtree,
    /// Two variables in one segment.
    TwoVariables,
    /// Unbalanced braces.
    Braces,
    /// An invalid variable name.
    VariableName(String),
    /// More segments than a pattern may have; the variant holds the count.
    TooManySegments(usize),
    /// More bytes than an operation may have; the variant holds the count.
    TooLong(usize),
}

impl BadOperation {
    /// How to fix it.
    pub fn hint(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NotNfc(spelling) => return Cow::Owned(format!("write it as `{}`", shown(spelling))),
            Self::Parts => "write methods, one space and a path, as in `GET,DELETE /v1/users/{id}`",
            Self::Method(_) => "write methods in upper case with commas between, or `*` for all",
            Self::Host(BadHostPattern::Name) => {
                "write a host as in `billing.acme.test/v1/invoices` or `*.acme.test/v1/invoices`"
            }
            Self::Host(BadHostPattern::Scheme) => {
                "leave the scheme out, as in `billing.acme.test/v1/invoices`"
            }
            Self::HostAlone => "write the path behind the host: `/**` for all that is there",
            Self::AttributeName(_) => "write the name of a token's attribute, as in `${tenant}`",
            Self::Host(BadHostPattern::Port) => "leave the port out: an operation is at every port",
            Self::Host(BadHostPattern::OneLabel) => {
                "begin the path with `/`; a host of one label ends in a dot, as in `billing./v1/invoices`"
            }
            Self::Unbindable => "what needs no token has no attributes: use `{name}`, or ask for a token",
            Self::Path(BadPath::NotAPath) => "begin the path with `/`",
            Self::Path(BadPath::EmptySegment) => "write one `/` between two segments",
            Self::Path(BadPath::NonAscii) => "percent-encode the character: `ü` is `%C3%BC`",
            Self::Path(BadPath::BadEscape) => "write a byte as in `%20`",
            Self::Path(
                BadPath::EncodedSlash | BadPath::EncodedPercent | BadPath::LookAlike | BadPath::Invisible,
            ) => {
                "use a variable for this segment: requests have such a character only where a gateway keeps it"
            }
            Self::Path(_) => "no request with such a path is let through, so no pattern can have it",
            Self::Plus => "some servers read `+` as a space: use a variable for this segment",
            Self::Query => "remove the query: a permission for a path covers every query",
            Self::InnerSubtree => "end the path in `/**` for all below it; `*` is any one segment",
            Self::TwoVariables => "a segment has at most one variable, with literal text before or after it",
            Self::Braces => "a variable is `{name}` or `*`, and `${name}` the token's attribute",
            Self::VariableName(_) => "a variable has a name of letters, digits and `_ - .`, as in `{id}`",
            Self::TooManySegments(_) | Self::TooLong(_) => "end the pattern in `/**` instead",
        })
    }
}

impl fmt::Display for BadOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts => f.write_str("it is not methods, a space and a path"),
            Self::Method(name) => write!(f, "`{}` is not a method", shown(name)),
            Self::Host(BadHostPattern::Name) => f.write_str("what stands before the path is not a host"),
            Self::Host(BadHostPattern::Port) => f.write_str("its host has a port"),
            Self::Host(BadHostPattern::Scheme) => f.write_str("it has a scheme"),
            Self::HostAlone => f.write_str("it has a host and no path"),
            Self::AttributeName(name) => write!(f, "`${{{}}}` names no attribute", shown(name)),
            Self::Host(BadHostPattern::OneLabel) => f.write_str("its path does not begin with `/`"),
            Self::Unbindable => f.write_str("a public operation is bound to a token's attribute"),
            Self::Path(rule) => rule.fmt(f),
            Self::NotNfc(_) => f.write_str("it is not in Unicode NFC, so no request path matches it"),
            Self::Plus => f.write_str("a literal segment has no `+`"),
            Self::Query => f.write_str("a pattern has no query (`?`)"),
            Self::InnerSubtree => f.write_str("`**` stands elsewhere than in a `/**` at the end"),
            Self::TwoVariables => f.write_str("two variables are in one segment"),
            Self::Braces => f.write_str("braces do not pair"),
            Self::VariableName(name) => {
                write!(f, "`{{{}}}` is not a variable", shown(name))
            }
            Self::TooManySegments(count) => {
                write!(f, "{count} segments are more than the {MAX_SEGMENTS} allowed")
            }
            Self::TooLong(count) => write!(f, "{count} bytes are more than the {MAX_LENGTH} allowed"),
        }
    }
}

/// The JSON Schema pattern for operations: it accepts everything that the parser accepts.
#[cfg(not(target_arch = "wasm32"))]
fn regex() -> String {
    let methods = r"(?:\*|[A-Z0-9_-]+(?:,[A-Z0-9_-]+)*)";
    let label = "[A-Za-z0-9_-]+";
    // A single label is not a host, except this one, in any letter case.
    let localhost = "[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]";
    let name = format!(r"\*\.{label}(?:\.{label})*\.?|{label}(?:\.{label})*\.(?:{label})?|{localhost}");
    let host = format!(r"(?:{name}|\[[0-9A-Fa-f:.]+\]\.?)");
    // Printable ASCII except `# % * + / ; ? \ { }`; any escape except those of control bytes and `% + / ; \`.
    let literal = r#"(?:[!"$&-),-.0-:<->@-\[\]-z|~]|%(?![01]|2[5BbFf]|3[Bb]|5[Cc]|7[Ff])[0-9A-Fa-f]{2})"#;
    let variable = r"(?:\*|\{[A-Za-z0-9_.-]+\}|\$\{[A-Za-z][A-Za-z0-9._:-]{0,63}\})";
    let dots = r"(?:\.|%2[Ee]){1,2}(?:/|\s*$)";
    let segment = format!("(?!{dots})(?:{literal}*{variable}{literal}*|{literal}+)");
    let path = format!(r"/(?:\*\*|{segment}(?:/{segment}){{0,31}}(?:/(?:\*\*)?)?)?");
    format!(r"^\s*{methods} \s*{host}?{path}\s*$")
}

/// A letter with which no combining mark forms another character.
const NO_MARK: char = 'q';
/// Maximum length of an operation, in bytes: longer than any sensible path.
pub(crate) const MAX_LENGTH: usize = 2_048;
/// Maximum number of segments in a pattern. It bounds the depth of the index.
pub(crate) const MAX_SEGMENTS: usize = 32;
