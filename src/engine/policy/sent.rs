//! Text from a caller, with the parts that must never be written: secrets and user information.
//!
//! In: a text of a request, and the policy. Out: [`Sent`], the only form in which events and replies write such a
//! text. The policy holds only digests. So this module hashes each part of the text that can be a secret, and looks
//! the digest up. If all parts are shorter than a secret, it computes no hash.
//!
//! The work for one text is bounded. Beyond the bound the rest of the text is hidden.

use std::borrow::Cow;
use std::ops::Range;

use crate::engine::policy::compiled::Policy;
use crate::engine::policy::sent::parts::{Work, find_secrets};
use crate::engine::policy::sent::user::{authorities, last_at};
use crate::engine::request::credential::byte_of;

mod parts;
pub(crate) mod text;
mod user;

/// A text from a caller, and the parts of it that are hidden.
pub(crate) struct Sent<'a> {
    pub(crate) bytes: &'a [u8],
    /// In order, without overlaps.
    pub(crate) hidden: Vec<Range<usize>>,
}

impl<'a> Sent<'a> {
    /// Examines a text of which at most the first `limit` bytes are shown. Everything before its last `@` is hidden.
    pub(crate) fn new(bytes: &'a [u8], limit: usize, policy: &Policy) -> Self {
        let mut search = Search::of(bytes, limit, policy);
        search.each_view(|view| last_at(&view.bytes).map(|at| 0..at).into_iter().collect());
        search.hide_unread_user();
        search.sent(bytes)
    }

    /// Examines a path. It hides user information if some program reads `target`, from which the path was made, as an
    /// address with an authority: `http://user:password@host/`, `//user@host`.
    pub(crate) fn path(bytes: &'a [u8], target: &[u8], limit: usize, policy: &Policy) -> Self {
        let mut search = Search::of(bytes, limit, policy);
        if target.contains(&b'@') || target.contains(&b'%') {
            search.hide_authorities(target);
        }
        search.sent(bytes)
    }

    /// Whether the caller sent nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether nothing in the text is hidden.
    pub(crate) fn is_open(&self) -> bool {
        self.hidden.is_empty()
    }
}

/// One text under examination.
struct Search<'t> {
    bytes: &'t [u8],
    views: Vec<View<'t>>,
    hidden: Vec<Range<usize>>,
}

impl<'t> Search<'t> {
    fn of(bytes: &'t [u8], limit: usize, policy: &Policy) -> Self {
        let views = View::all(bytes);
        let mut hidden = Vec::new();
        let mut work = Work::new();
        for view in &views {
            // Bytes beyond the limit are never shown.
            let limit = view.index_of(limit);
            find_secrets(&view.bytes, limit, policy, &mut work, &mut |range| hidden.push(view.place(range)));
        }
        if views.len() > MAX_DEPTH && views.last().is_some_and(|view| has_escape(&view.bytes)) {
            hidden.push(0..bytes.len());
        }
        Self { bytes, views, hidden }
    }

    fn each_view(&mut self, find: impl Fn(&View<'t>) -> Vec<Range<usize>>) {
        for view in &self.views {
            self.hidden.extend(find(view).into_iter().map(|range| view.place(range)));
        }
    }

    /// In the unread rest of a long text, an escape counts as an `@`.
    fn hide_unread_user(&mut self) {
        let unread = self.bytes.get(MAX_READ..).unwrap_or_default();
        if unread.iter().any(|byte| matches!(byte, b'@' | b'%')) {
            self.hidden.push(0..self.bytes.len());
        }
    }

    fn hide_authorities(&mut self, target: &[u8]) {
        let views = View::all(target);
        let found =
            views.iter().flat_map(|view| authorities(&view.bytes).into_iter().map(|range| view.place(range)));
        let found: Vec<Range<usize>> = found.collect();
        if found.is_empty() {
            return;
        }
        if target.starts_with(self.bytes) {
            self.hidden.extend(found);
            return;
        }
        // The path differs from the target, so hide the text before `@` in every segment.
        let path_end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
        if found.iter().any(|range| range.start < path_end) {
            self.each_view(|view| {
                let mut users = Vec::new();
                let mut start = 0_usize;
                for segment in view.bytes.split(|byte| *byte == b'/') {
                    users.extend(last_at(segment).map(|at| start..start.saturating_add(at)));
                    start = start.saturating_add(segment.len()).saturating_add(1);
                }
                users
            });
        }
    }

    /// The text with its hidden parts in order.
    fn sent<'a>(self, bytes: &'a [u8]) -> Sent<'a> {
        let mut found = self.hidden;
        found.sort_unstable_by_key(|range| (range.start, range.end));
        let mut hidden: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            let range = range.start..range.end.min(bytes.len());
            match hidden.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ if range.is_empty() => {}
                _ => hidden.push(range),
            }
        }
        Sent { bytes, hidden }
    }
}

/// A text, unchanged or percent-decoded one or more times.
struct View<'t> {
    bytes: Cow<'t, [u8]>,
    /// The start of each byte in the original text, and the end of the last one; `None` if nothing is decoded.
    places: Option<Vec<usize>>,
}

impl<'t> View<'t> {
    /// The start of a text in each of its readings: unchanged, decoded once, twice and so on.
    fn all(text: &'t [u8]) -> Vec<Self> {
        let read = text.get(..MAX_READ).unwrap_or(text);
        let mut views = vec![Self { bytes: Cow::Borrowed(read), places: None }];
        while views.len() <= MAX_DEPTH
            && let Some(next) = views.last().and_then(Self::decoded)
        {
            views.push(next);
        }
        views
    }

    fn decoded(&self) -> Option<Self> {
        if !has_escape(&self.bytes) {
            return None;
        }
        let (mut bytes, mut places) = (Vec::with_capacity(self.bytes.len()), Vec::new());
        let mut at = 0_usize;
        while let Some(byte) = self.bytes.get(at) {
            places.push(self.place_of(at));
            let escaped = escape(self.bytes.get(at..).unwrap_or_default());
            bytes.push(escaped.unwrap_or(*byte));
            at = at.saturating_add(if escaped.is_some() { 3 } else { 1 });
        }
        places.push(self.place_of(at));
        Some(Self { bytes: Cow::Owned(bytes), places: Some(places) })
    }

    fn place_of(&self, index: usize) -> usize {
        self.places
            .as_ref()
            .map_or(index, |places| places.get(index).or(places.last()).copied().unwrap_or(index))
    }

    fn place(&self, range: Range<usize>) -> Range<usize> {
        self.place_of(range.start)..self.place_of(range.end)
    }

    /// The index of the first byte of this view at or after this place of the text.
    fn index_of(&self, place: usize) -> usize {
        self.places.as_ref().map_or(place, |places| places.partition_point(|known| *known < place))
    }
}

fn has_escape(bytes: &[u8]) -> bool {
    bytes.contains(&b'%')
        && (0..bytes.len()).any(|at| bytes.get(at..).is_some_and(|rest| escape(rest).is_some()))
}

/// The byte of an escape at the start (RFC 3986 §2.1).
fn escape(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', high, low, ..] => byte_of(&[*high, *low]),
        _ => None,
    }
}

/// Maximum number of times that a text is percent-decoded. A text that still has escapes then is hidden.
const MAX_DEPTH: usize = 4;
/// Number of bytes of a text that are read. At most 1,024 of them are shown, and no secret is longer than 1,024.
const MAX_READ: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::bundle::from_json;
    use crate::engine::words::secret::SecretDigest;

    const PLAIN: &str = "test-svc-reader-0123456789";
    const BASE64: &str = "q83vAb/SNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFY=";
    const SANCTUM: &str = "7|Ab3dEf7GhJkLmNpQrStUvWxYz0123456789abcdef";
    const BOT: &str = "12345678:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
    const COMMA: &str = "user,0f3c9a7be21d4856aa10";
    const UNKNOWN: &str = "acme_svc_gVV1qeg3oguxIdh68NuN5BaDdPUICvXo4EnURu";

    fn policy() -> Policy {
        let bundle = serde_json::json!({
            "version": 1, "name": "hidden", "permissions": {}, "roles": {}, "kinds": { "service": {} },
            "tokens": { "t": { "kind": "service", "roles": [], "secrets": [
                { "id": "1", "sha256": SecretDigest::of(PLAIN.as_bytes()) },
                { "id": "sanctum", "sha256": SecretDigest::of(SANCTUM.as_bytes()) },
                { "id": "bot", "sha256": SecretDigest::of(BOT.as_bytes()) },
                { "id": "comma", "sha256": SecretDigest::of(COMMA.as_bytes()) },
                { "id": "2", "sha256": SecretDigest::of(BASE64.as_bytes()), "revoked_at": "2026-01-01T00:00:00Z" },
            ]}},
        });
        Policy::compile(from_json(bundle.to_string().as_bytes()).unwrap()).unwrap()
    }

    fn shown(sent: &Sent<'_>) -> String {
        crate::engine::policy::sent::text::text(sent, 2_000).into_owned()
    }

    fn escaped(text: &str, depth: usize) -> String {
        let once: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        (1..depth).fold(once, |text, _| text.replace('%', "%25"))
    }

    #[test]
    fn a_secret_is_hidden_however_it_is_spelled() {
        let policy = policy();
        for secret in [PLAIN, BASE64, UNKNOWN] {
            for spelled in [
                secret.to_owned(),
                secret.replacen('-', "%2D", 1).replacen('_', "%5f", 1).replacen('/', "%2F", 1),
                escaped(secret, 1),
                escaped(secret, 2),
                escaped(secret, 3),
            ] {
                for (before, after) in [
                    ("", ""),
                    ("/v1/items/", ""),
                    ("/v1/items/", "/more/of/it"),
                    ("/v1/items/x:", ":cancel"),
                    ("/v1/items/token=", ",b"),
                    ("/v1/items;token=", ""),
                    ("Bearer ", ""),
                    ("Bearer+", ".json"),
                    ("\"", "\""),
                    ("a%3D", "%2Fx"),
                    ("", ".api.acme.test"),
                    ("\u{e9}", "\u{e9}"),
                ] {
                    let text = format!("{before}{spelled}{after}");
                    for sent in [
                        Sent::new(text.as_bytes(), 1_024, &policy),
                        Sent::path(text.as_bytes(), text.as_bytes(), 1_024, &policy),
                    ] {
                        assert!(!sent.is_open(), "{text}");
                        let shown = shown(&sent);
                        assert!(shown.contains("<hidden>") && !shown.contains(&spelled), "{text}: {shown}");
                        assert!(!shown.contains(secret.get(4..16).unwrap()), "{text}: {shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn secret_of_another_program_is_hidden() {
        let policy = policy();
        for secret in [SANCTUM, BOT, COMMA] {
            for spelled in [secret.to_owned(), escaped(secret, 1), escaped(secret, 2), escaped(secret, 4)] {
                for (before, after) in [
                    ("", ""),
                    ("/v1/items/", ""),
                    ("/v1/items/", "/more/of/it"),
                    ("Bearer ", ""),
                    ("Bearer+", ""),
                    ("/v1/items?token=", "&x"),
                    ("", ".api.acme.test"),
                    ("\"", "\""),
                ] {
                    let text = format!("{before}{spelled}{after}");
                    let shown = shown(&Sent::new(text.as_bytes(), 1_024, &policy));
                    assert!(shown.contains("<hidden>") && !shown.contains(&spelled), "{text}: {shown}");
                    assert!(!shown.contains(secret.get(8..20).unwrap()), "{text}: {shown}");
                }
            }
        }
        // A random secret is found even next to bytes that it contains.
        for text in [format!("x:{BOT}:cancel"), format!("a|{SANCTUM}|b"), format!("user:{SANCTUM}")] {
            let shown = shown(&Sent::new(text.as_bytes(), 1_024, &policy));
            assert!(shown.contains("<hidden>") && shown.len() < 30, "{text}: {shown}");
        }
    }

    #[test]
    fn base64_of_user_and_secret_is_hidden() {
        let policy = policy();
        for secret in [PLAIN, BASE64, SANCTUM, BOT, COMMA] {
            for pair in [
                format!("user:{secret}"),
                format!(":{secret}"),
                format!("{secret}:"),
                format!("{secret}:x-oauth"),
            ] {
                // A secret with a colon is not a user.
                if pair.starts_with(BOT) {
                    continue;
                }
                for text in armored(&pair) {
                    for (before, after) in
                        [("", ""), ("Basic ", ""), ("/v1/items/", "/x"), ("a=", "&b"), ("\"", "\"")]
                    {
                        let text = format!("{before}{text}{after}");
                        let shown = shown(&Sent::new(text.as_bytes(), 1_024, &policy));
                        assert!(
                            shown.contains("<hidden>") && shown.len() < before.len() + after.len() + 20,
                            "{text}: {shown}"
                        );
                    }
                }
            }
        }
        let other = armored("user:of-another-policy-0123456789").remove(0);
        assert_eq!(shown(&Sent::new(other.as_bytes(), 1_024, &policy)), other);
    }

    fn armored(pair: &str) -> Vec<String> {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
        vec![STANDARD.encode(pair), STANDARD_NO_PAD.encode(pair), URL_SAFE.encode(pair)]
    }

    #[test]
    fn text_around_a_secret_is_shown() {
        let policy = policy();
        for (text, expected) in [
            (format!("/v1/items/{PLAIN}/x"), "/v1/items/<hidden>/x"),
            (format!("/v1/items/{BASE64}/x"), "/v1/items/<hidden>/x"),
            (format!("/v1/items/{UNKNOWN}/x"), "/v1/items/<hidden>/x"),
            (format!("/v1/x{UNKNOWN}"), "/v1/<hidden>"),
            (format!("/v1/{PLAIN}/{PLAIN}"), "/v1/<hidden>/<hidden>"),
            (format!("/v1/{PLAIN}\u{e9}"), "/v1/<hidden><c3a9>"),
        ] {
            assert_eq!(shown(&Sent::path(text.as_bytes(), text.as_bytes(), 1_024, &policy)), expected);
        }
    }

    #[test]
    fn nothing_before_an_at_sign_is_shown() {
        let policy = policy();
        for (text, expected) in [
            ("user:pw@api.acme.test", "<hidden>@api.acme.test"),
            ("a@b@api.acme.test", "<hidden>@api.acme.test"),
            ("user%40api.acme.test", "<hidden>%40api.acme.test"),
            ("user%2540api.acme.test", "<hidden>%2540api.acme.test"),
            ("user%25%34%30api.acme.test", "<hidden>%25%34%30api.acme.test"),
            ("@api.acme.test", "@api.acme.test"),
        ] {
            assert_eq!(shown(&Sent::new(text.as_bytes(), 255, &policy)), expected);
        }
        let long = format!("pw{}@api.acme.test", "a.".repeat(5_000));
        assert!(shown(&Sent::new(long.as_bytes(), 255, &policy)).starts_with("<hidden>"));
    }

    #[test]
    fn user_information_of_path_authorities_is_hidden() {
        let policy = policy();
        for (text, expected) in [
            ("http://user:pw@host/v1/x", "http://<hidden>@host/v1/x"),
            ("//user@host/v1/x", "//<hidden>@host/v1/x"),
            ("/\\user@host/v1/x", "/<5c><hidden>@host/v1/x"),
            ("/http:/user:pw@host/", "/http:/<hidden>@host/"),
            ("user:pw@host", "<hidden>@host"),
            ("%2f/user%40host/", "%2f/<hidden>%40host/"),
            ("/v1/@scope/name@1.2", "/v1/@scope/name@1.2"),
            ("/v1/users/me@acme.test", "/v1/users/me@acme.test"),
        ] {
            assert_eq!(shown(&Sent::path(text.as_bytes(), text.as_bytes(), 1_024, &policy)), expected);
        }
        // The path ends before the query, and slashes are merged.
        for (path, target, expected) in [
            ("http://us", "http://us?er@host", "http://<hidden>"),
            ("/user:pw@host/x", "//user:pw@host/x", "/<hidden>@host/x"),
            ("/v1/a@b", "/v1/a@b?to=http://user@host", "/v1/a@b"),
        ] {
            assert_eq!(shown(&Sent::path(path.as_bytes(), target.as_bytes(), 1_024, &policy)), expected);
        }
    }

    #[test]
    fn ordinary_texts_are_shown() {
        let policy = policy();
        for text in [
            "6c3c051b-63a4-495c-4cc3-b303805da2be",
            "gateway.internal.acme.test:8443",
            "/v1/services/checkout/deployments/6c3c051b-63a4-495c-4cc3-b303805da2be",
            "/subscriptions/6c3c051b-63a4-495c-4cc3-b303805da2be/resourceGroups/MyGroup1/providers/Microsoft.Compute/vm1",
            "/v1/Projects/acme-web-2/Deployments/dpl-7Fh2/files/AbC1dE_fG-2hIj",
            "/v1/items/acme_svc_short",
            "/v1/%zz%2/a%20b",
        ] {
            assert_eq!(shown(&Sent::path(text.as_bytes(), text.as_bytes(), 1_024, &policy)), text);
            assert!(Sent::new(text.as_bytes(), 255, &policy).is_open(), "{text}");
        }
    }

    #[test]
    fn text_beyond_the_work_limit_is_hidden() {
        let policy = policy();
        let costly = format!("/v1/{}{BASE64}", "aB3-".repeat(200));
        let sent = Sent::path(costly.as_bytes(), costly.as_bytes(), 1_024, &policy);
        let text = shown(&sent);
        assert!(text.contains("<hidden>") && !text.contains(BASE64.get(..10).unwrap()), "{text}");
        let deep = escaped(PLAIN, 9);
        assert_eq!(shown(&Sent::new(deep.as_bytes(), 255, &policy)), "<hidden>");
    }
}
