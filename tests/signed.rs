//! Signed bundles: the examples of the RFCs, and how bad signatures are rejected.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use tokenward::engine::config::bundle::from_json;
use tokenward::engine::config::envelope::{
    BadKey, Envelope, PayloadType, PublicKey, TrustedKeys, pre_authentication_encoding,
};
use tokenward::engine::config::revocations::Revocations;
use tokenward::engine::memory::mark::Order;
use tokenward::engine::memory::marks::highest_revision;
use tokenward::engine::memory::marks::{Marks, Setback};
use tokenward::engine::memory::seal::Seal;
use tokenward::engine::policy::decision::Circumstances;
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::policy::rollback::is_stale;
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::reason::Reason;
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

use crate::signing::{configuration, public, publics, signed, signed_as};

#[test]
fn signatures_of_rfc_8032_are_verified() {
    let vectors = include_str!("signed/rfc8032.txt").lines().skip(1);
    let vectors: Vec<Vec<&str>> = vectors.map(|line| line.split(' ').collect()).collect();
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let [name, secret, public, message, signature] = vector[..] else { panic!("{vector:?}") };
        let [secret, public] = [secret, public].map(|text| <[u8; 32]>::try_from(bytes(text)).unwrap());
        let message = message.trim_matches('-');
        let (message, signature) = (bytes(message), <[u8; 64]>::try_from(bytes(signature)).unwrap());
        let key = PublicKey::from_bytes(&public).unwrap();
        assert!(key.verifies(&message, &signature), "{name}");
        assert_eq!(SigningKey::from_bytes(&secret).verifying_key().to_bytes(), key.to_bytes());
        assert_eq!(key.to_string().parse(), Ok(key.clone()));

        let longer = [message.as_slice(), b"\0"].concat();
        assert!(!key.verifies(&longer, &signature));
        for at in 0..64 {
            let mut other = signature;
            other[at] ^= 1;
            assert!(!key.verifies(&message, &other), "{name}, byte {at}");
        }
        // Without a check of S, both S and S + L would verify (RFC 8032 §8.4).
        assert!(!key.verifies(&message, &malleated(signature)), "{name}");
    }
}

#[test]
fn weak_key_is_rejected() {
    let (mut one, mut minus_one, mut zero) = ([0; 32], [0xFF; 32], [0; 32]);
    one[0] = 1;
    (minus_one[0], minus_one[31]) = (0xEC, 0x7F);
    for small_order in [one, minus_one, zero] {
        assert_eq!(PublicKey::from_bytes(&small_order), Err(BadKey::Weak));
    }
    // y = 3 and y = 3 + p are two encodings of one point.
    zero[0] = 3;
    let (first, mut second) = (zero, [0xFF; 32]);
    (second[0], second[31]) = (0xF0, 0x7F);
    assert!(PublicKey::from_bytes(&first).is_ok());
    assert_eq!(PublicKey::from_bytes(&second), Err(BadKey::Weak));
}

#[test]
fn signature_covers_the_dsse_encoding() {
    let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    let envelope = Envelope::unsigned("{\"a\":\"ü\"}".as_bytes(), PayloadType::Bundle);
    let expected = "DSSEv1 37 application/vnd.tokenward.bundle+json 10 {\"a\":\"ü\"}";
    assert_eq!(envelope.signed_bytes(), expected.as_bytes());
    assert_eq!(envelope.payload(), "{\"a\":\"ü\"}".as_bytes());
}

#[test]
fn the_private_keys_of_rfc_8410_are_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, key) in [("first", RFC_8410), ("with-attributes", RFC_8410_WITH_ATTRIBUTES)] {
        std::fs::write(folder.path().join(name), key).unwrap();
        let output = run(folder.path(), &["keygen", "--public", name]);
        assert_eq!(text(&output.stdout), "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n", "{name}");
    }
}

#[test]
fn keys_and_signatures_work_with_openssl() {
    if Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        output.stdout
    };
    let ours = run(folder.path(), &["keygen", "-o", "ours"]);
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs"]);
    let theirs = run(folder.path(), &["keygen", "--public", "theirs"]);
    for (file, output) in [("ours", ours), ("theirs", theirs)] {
        let der = openssl(&["pkey", "-in", file, "-pubout", "-outform", "DER"]);
        let public: PublicKey = text(&output.stdout).trim_end().parse().unwrap();
        assert!(der.ends_with(&public.to_bytes()), "{file}");

        std::fs::write(folder.path().join("bundle.json"), bundle().to_string()).unwrap();
        let output = run(folder.path(), &["sign", "bundle.json", "--key", file]);
        let envelope: Value = serde_json::from_str(text(&output.stdout)).unwrap();
        let signature = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
        let signed = Envelope::parse(text(&output.stdout).as_bytes(), PayloadType::Bundle).unwrap();
        std::fs::write(folder.path().join("message"), signed.signed_bytes()).unwrap();
        std::fs::write(folder.path().join("signature"), signature).unwrap();
        openssl(&["pkeyutl", "-verify", "-rawin", "-inkey", file, "-in", "message", "-sigfile", "signature"]);
    }
}

#[test]
fn private_key_is_private_and_never_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let made = run(folder.path(), &["keygen", "-o", "key"]);
    assert_eq!(made.status.code(), Some(0));
    let path = folder.path().join("key");
    let first = std::fs::read_to_string(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = first.lines().nth(1).unwrap();
    assert!(!text(&made.stdout).contains(secret) && !text(&made.stderr).contains(secret));
    assert_eq!(run(folder.path(), &["keygen", "-o", "key"]).status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
}

#[test]
fn enough_distinct_keys_must_sign() {
    let twice = {
        let mut envelope = signed(&bundle(), &[1]);
        let mut again = envelope["signatures"][0].clone();
        again.as_object_mut().unwrap().remove("keyid");
        envelope["signatures"].as_array_mut().unwrap().push(again);
        envelope
    };
    let by = |numbers: &[u8]| signed(&bundle(), numbers);
    let cases = [
        (by(&[1]), vec![1], 1, true),
        (by(&[1]), vec![2], 1, false),
        (by(&[1]), vec![1, 2], 1, true),
        (by(&[1]), vec![1, 2], 2, false),
        (by(&[1, 2]), vec![1, 2], 2, true),
        (by(&[2, 3]), vec![1, 2, 3], 2, true),
        (by(&[1, 4]), vec![1, 2, 3], 2, false),
        (by(&[]), vec![1], 1, false),
        (twice.clone(), vec![1], 1, true),
        (twice, vec![1, 2], 2, false),
    ];
    for (envelope, keys, threshold, good) in cases {
        let configured = configure(&configuration(&envelope, &keys, threshold));
        assert_eq!(configured.is_ok(), good, "{envelope} by {keys:?}, {threshold}: {configured:?}");
    }
}

#[test]
fn key_id_is_only_a_hint() {
    for id in [None, Some(json!("somebody-else")), Some(json!(""))] {
        let mut envelope = signed(&bundle(), &[1]);
        let signature = envelope["signatures"][0].as_object_mut().unwrap();
        signature.remove("keyid");
        signature.extend(id.map(|id| ("keyid".to_owned(), id)));
        assert!(configure(&configuration(&envelope, &[2, 1], 1)).is_ok(), "{envelope}");
        assert!(configure(&configuration(&envelope, &[2, 3], 1)).is_err(), "{envelope}");
    }
    let mut claimed = signed(&bundle(), &[1]);
    claimed["signatures"][0]["keyid"] = json!(public(2).id());
    assert!(configure(&configuration(&claimed, &[1, 2], 1)).is_err());
}

#[test]
fn both_base64_alphabets_are_read_strictly() {
    let mut bundle = bundle();
    bundle["tokens"]["reader"]["owner"] = json!("??>>~~ÿÿ");
    let good = signed(&bundle, &[1]);
    let payload = good["payload"].as_str().unwrap();
    let url_safe = URL_SAFE.encode(STANDARD.decode(payload).unwrap());
    assert_ne!(payload, url_safe);
    let with = |payload: &str| {
        let mut envelope = good.clone();
        envelope["payload"] = json!(payload);
        configure(&configuration(&envelope, &[1], 1))
    };
    assert!(with(payload).is_ok() && with(&url_safe).is_ok());
    let one_of_each = format!("{}_{}", &payload[..payload.len() - 4], &payload[payload.len() - 3..]);
    for bad in [format!("{payload}\n"), format!(" {payload}"), format!("{payload}="), one_of_each] {
        assert!(with(&bad).unwrap_err().contains("the payload is not base64"), "{bad}");
    }
}

#[test]
fn rejected_bundle_has_message_place_and_hint() {
    let good = || signed(&bundle(), &[1]);
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut envelope = good();
        edit(&mut envelope);
        configuration(&envelope, &[1], 1)
    };
    let id = public(1).id();
    let tampered = STANDARD.encode(bundle().to_string().replace("GET", "PUT"));
    let cases = [
        (json!({ "bundle": bundle(), "keys": publics(&[1]) }), "the bundle is not signed, but `keys` requires a signature (bundle)".to_owned()),
        (json!({ "bundle": good().to_string() }), "the bundle is signed, but there are no `keys` to verify it (bundle)".to_owned()),
        (json!({ "bundle": "YQ==", "keys": publics(&[1]) }), "this is not a signed bundle: expected value at line 1 column 1 (bundle)".to_owned()),
        (json!({ "bundle": [], "keys": publics(&[1]) }), "expected a bundle, or a string with a signed one, found a list (bundle)".to_owned()),
        (edited(&|e| e["payload"] = json!(tampered)), format!("signed by 0 of 1 trusted keys, and 1 must have; the signature of `{id}` does not fit the payload (signatures)")),
        (edited(&|e| e["payloadType"] = json!("application/json")), "the payload is of type `application/json`, not of `application/vnd.tokenward.bundle+json` (payloadType)".to_owned()),
        (edited(&|e| e["signatures"] = json!([])), "signed by 0 of 1 trusted keys, and 1 must have (signatures)".to_owned()),
        (edited(&|e| e["signatures"][0]["sig"] = json!("YQ==")), "a signature has 1 bytes; an Ed25519 signature has 64 (signatures[0].sig)".to_owned()),
        (edited(&|e| e["signatures"][0]["sig"] = json!("Y")), "the signature is not base64 (signatures[0].sig)".to_owned()),
        (edited(&|e| e["signatures"] = json!(vec![good()["signatures"][0].clone(); 17])), "more than 16 signatures (signatures)".to_owned()),
        (edited(&|e| e["signed"] = json!(true)), "unknown field `signed`, expected one of `payloadType`, `payload`, `signatures` (signed)".to_owned()),
        (configuration(&good(), &[2], 1), format!("signed by 0 of 1 trusted keys, and 1 must have; `{id}` not trusted (signatures)")),
        (configuration(&good(), &[1, 2], 2), format!("signed by 1 of 2 trusted keys (`{id}`), and 2 must have (signatures)")),
        (configuration(&good(), &[1], 2), "a threshold of 2 does not fit 1 keys (threshold)".to_owned()),
        (configuration(&good(), &[1], 0), "a threshold of 0 does not fit 1 keys (threshold)".to_owned()),
        (configuration(&good(), &[1, 1], 1), format!("key `{id}` is listed twice (keys)")),
        (configuration(&good(), &[], 1), "0 keys, where 1 to 16 are allowed (keys)".to_owned()),
        (configuration(&good(), &(1..18).collect::<Vec<u8>>(), 1), "17 keys, where 1 to 16 are allowed (keys)".to_owned()),
        (json!({ "bundle": bundle(), "threshold": 2 }), "a threshold of 2, but there are no `keys` (threshold)".to_owned()),
        (json!({ "bundle": bundle(), "keys": ["ed25519:YQ=="] }), "this is not a public key: it has no 32 bytes in base64; `tokenward keygen` prints one, `ed25519:` and 44 characters of base64 (keys[0])".to_owned()),
    ];
    for (configuration, expected) in cases {
        let told = configure(&configuration).unwrap_err();
        assert!(told.contains(&format!("error: {expected}")), "expected {expected}\ngot {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn verify_agrees_with_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let write =
        |name: &str, content: &Value| std::fs::write(folder.path().join(name), content.to_string()).unwrap();
    let feed = |key: u8| json!({ "cluster": "b", "authority": "b", "path": "/b", "keys": publics(&[key]) });
    let mut placed = bundle();
    (placed["environment"], placed["service"]) = (json!("production"), json!("edge"));
    write("bundle", &signed(&placed, &[1]));
    let list = json!({ "version": 1, "name": "small", "revision": 8, "tokens": [], "secrets": [] });
    write("list", &signed_as(&list, PayloadType::Revocations, &[1]));
    for (settings, file, code, told) in [
        (json!({ "feed": feed(1) }), "bundle", 0, "signed by"),
        (json!({ "feed": feed(1) }), "list", 0, "signed by"),
        (json!({ "feed": feed(2) }), "bundle", 1, "signed by 0 of 1 trusted keys"),
        // Fetched content is checked with the feed's keys, whoever signs the bundle in the configuration.
        (json!({ "feed": feed(2), "keys": publics(&[1]) }), "bundle", 1, "signed by 0 of 1 trusted keys"),
        (json!({ "feed": feed(1), "service": "edge" }), "bundle", 0, "signed by"),
        (
            json!({ "feed": feed(1), "service": "admin" }),
            "bundle",
            1,
            "for service `edge`, but the gateway's is `admin`",
        ),
        (
            json!({ "keys": publics(&[1]), "environment": "test" }),
            "bundle",
            1,
            "for environment `production`",
        ),
    ] {
        write("settings.json", &settings);
        let output = run(folder.path(), &["verify", file, "--settings", "settings.json"]);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{settings}: {said}");
        assert!(said.contains(told), "{settings}: {said}");
    }
}

#[test]
fn signed_bundle_problem_has_its_place() {
    let mut wrong = bundle();
    wrong["roles"]["reader"]["permissions"] = json!(["items:eat"]);
    let told = configure(&configuration(&signed(&wrong, &[1]), &[1], 1)).unwrap_err();
    assert!(told.contains("`items:eat`, which is not defined (roles.reader.permissions[0])"), "{told}");
    // A payload is never read before a trusted key has signed it.
    let told = configure(&configuration(&signed(&wrong, &[2]), &[1], 1)).unwrap_err();
    assert!(!told.contains("items:eat"), "{told}");
}

#[test]
fn named_signatures_survive_junk_signatures() {
    let keys: Vec<PublicKey> = (1..=16).map(public).collect();
    let trusted = TrustedKeys::new(keys, 1).unwrap();
    // A signature without a name is tried with each key, so two junk signatures use up the checks before a third.
    for (strangers, is_named, good) in
        [(0, false, true), (1, false, true), (2, false, false), (15, false, false), (15, true, true)]
    {
        let signers: Vec<u8> = (101..101 + strangers).chain([16]).collect();
        let mut envelope = signed(&bundle(), &signers);
        let signatures = envelope["signatures"].as_array_mut().unwrap();
        let unnamed = signatures.len() - usize::from(is_named);
        for signature in signatures.iter_mut().take(unnamed) {
            signature.as_object_mut().unwrap().remove("keyid");
        }
        let envelope = Envelope::parse(envelope.to_string().as_bytes(), PayloadType::Bundle).unwrap();
        match envelope.verify(&trusted) {
            Ok(_) => assert!(good, "{strangers}"),
            Err(problems) => {
                let told = problems.to_string();
                assert!(!good && told.contains("more signatures were not checked"), "{strangers}: {told}");
            }
        }
    }
}

#[test]
fn error_quotes_little_of_junk() {
    let long = "a".repeat(1 << 20);
    for junk in [
        format!("{{\"{long}\": 1}}"),
        format!("{{\"signatures\": \"{long}\"}}"),
        format!("{{\"signatures\": [{{\"{long}\": 1}}]}}"),
        format!("{{\"payloadType\": \"{long}\", \"payload\": \"\", \"signatures\": []}}"),
        format!("{{\"payloadType\": \"\", \"payload\": \"\", \"signatures\": [{{\"sig\": \"{long}\"}}]}}"),
        format!("\"{long}\""),
        long.clone(),
    ] {
        let told = Envelope::parse(junk.as_bytes(), PayloadType::Bundle).unwrap_err().to_string();
        assert!(told.len() < 2_000, "{}", told.len());
        let begin: String = junk.chars().take(60).collect();
        assert!(told.starts_with("error: "), "{begin}: {told}");
    }
    // The important part comes at the end of the message.
    let told = Envelope::parse(format!("{{\"{long}\": 1}}").as_bytes(), PayloadType::Bundle).unwrap_err();
    assert!(told.to_string().contains("expected one of `payloadType`, `payload`, `signatures`"), "{told}");
}

#[test]
fn envelope_may_have_few_escapes() {
    let good = signed(&bundle(), &[1]).to_string();
    let trusted = TrustedKeys::new(vec![public(1)], 1).unwrap();
    for (from, to) in [("/", "\\/"), ("+", "\\u002b"), ("=", "\\u003d")] {
        let escaped = good.replace(from, to);
        let envelope = Envelope::parse(escaped.as_bytes(), PayloadType::Bundle).unwrap();
        assert!(envelope.verify(&trusted).is_ok(), "{escaped}");
    }
    for (escapes, rest, good) in
        [(1_024, 0, true), (1_028, 0, false), (4_000, 72_000, true), (4_000, 70_000, false)]
    {
        let payload = "\\u0041".repeat(escapes) + &"A".repeat(rest);
        let kind = PayloadType::Bundle.as_str();
        let text = format!("{{\"payloadType\":\"{kind}\",\"payload\":\"{payload}\",\"signatures\":[]}}");
        let told =
            Envelope::parse(text.as_bytes(), PayloadType::Bundle).map_err(|problems| problems.to_string());
        assert_eq!(told.is_ok(), good, "{escapes}, {rest}");
        assert!(good || told.unwrap_err().contains(&format!("{escapes} escapes in")));
    }
}

#[test]
fn active_bundle_is_not_read_again() {
    let feed = json!({ "cluster": "b", "authority": "b", "path": "/b", "keys": publics(&[1, 2]) });
    let gateway = configure(&json!({ "feed": feed })).unwrap();
    let first = signed(&bundle(), &[1]).to_string();
    let policy = gateway.fetched(&first, None).unwrap().unwrap();
    let seal = policy.seal().unwrap();
    for (envelope, signers) in [
        (first.clone(), vec![public(1).id()]),
        (format!("  {first}"), vec![public(1).id()]),
        (signed(&bundle(), &[2, 1]).to_string(), vec![public(1).id(), public(2).id()]),
    ] {
        let same = gateway.fetched(&envelope, Some(seal)).unwrap().unwrap_err();
        assert_eq!((same.mark, same.signers), (seal.mark, signers), "{envelope}");
    }
    assert!(gateway.fetched(&signed(&bundle(), &[3]).to_string(), Some(seal)).is_err(), "a stranger's");
    let mut next = bundle();
    next["revision"] = json!(8);
    let next = gateway.fetched(&signed(&next, &[1]).to_string(), Some(seal)).unwrap().unwrap();
    assert_eq!(next.revision(), 8);
}

#[test]
fn revocation_list_revokes_exactly_what_it_names() {
    let secrets = ["one-secret-of-the-first", "other-secret-of-the-first", "a-secret-of-the-second"];
    let [one, other, second] = secrets.map(|secret| SecretDigest::of(secret.as_bytes()).to_hex());
    let mut document = bundle();
    document["tokens"] = json!({
        "first": { "kind": "service", "roles": ["reader"], "secrets": [
            { "id": "1", "sha256": one }, { "id": "2", "sha256": other },
        ]},
        "second": { "kind": "service", "roles": ["reader"], "secrets": [{ "id": "1", "sha256": second }] },
    });
    let reasons = |tokens: &[&str], digests: &[&String]| {
        let gateway = configure(&json!({ "bundle": document })).unwrap();
        let list =
            json!({ "version": 1, "name": "small", "revision": 8, "tokens": tokens, "secrets": digests });
        let list: Revocations = serde_json::from_value(list).unwrap();
        let count = gateway.policy.revoke(&list).unwrap();
        (secrets.map(|secret| decide(&gateway, secret)), count)
    };
    let (good, ended) = (Reason::Permitted, Reason::RevokedToken);
    assert_eq!(reasons(&[], &[]), ([good, good, good], 0));
    assert_eq!(reasons(&["first"], &[]), ([ended, ended, good], 1));
    assert_eq!(reasons(&["nobody"], &[&other]), ([good, ended, good], 1));
    assert_eq!(reasons(&["second"], &[&one]), ([ended, good, ended], 2));
}

#[test]
fn list_belongs_to_one_policy_and_signature_type() {
    let list = json!({ "version": 1, "name": "other", "revision": 8, "tokens": ["reader"], "secrets": [] });
    let trusted = TrustedKeys::new(vec![public(1)], 1).unwrap();
    let text = signed_as(&list, PayloadType::Revocations, &[1]).to_string();
    let (opened, seal) = Revocations::open(text.as_bytes(), &trusted).unwrap();
    assert_eq!(serde_json::to_value(&opened).unwrap(), list);
    assert_eq!(seal.signers, [public(1).id()]);
    let gateway = configure(&json!({ "bundle": bundle() })).unwrap();
    let told = gateway.policy.revoke(&opened).unwrap_err().to_string();
    assert!(told.contains("of policy `other`, and this one is `small`"), "{told}");

    for (envelope, expected) in [
        (signed_as(&list, PayloadType::Bundle, &[1]), "not of `application/vnd.tokenward.revocations+json`"),
        (signed_as(&list, PayloadType::Revocations, &[2]), "signed by 0 of 1 trusted keys"),
        (signed_as(&bundle(), PayloadType::Revocations, &[1]), "unknown field `permissions`"),
    ] {
        let told = Revocations::open(envelope.to_string().as_bytes(), &trusted).unwrap_err().to_string();
        assert!(told.contains(expected), "{told}");
    }
    let list_as_bundle = signed_as(&list, PayloadType::Revocations, &[1]);
    let told = configure(&configuration(&list_as_bundle, &[1], 1)).unwrap_err();
    assert!(told.contains("not of `application/vnd.tokenward.bundle+json`"), "{told}");
    // With the name of the other type, the signature no longer covers it.
    let mut renamed = list_as_bundle;
    renamed["payloadType"] = json!(PayloadType::Bundle.as_str());
    assert!(configure(&configuration(&renamed, &[1], 1)).unwrap_err().contains("does not fit the payload"));
}

#[test]
fn older_list_never_replaces_a_newer_one() {
    let trusted = TrustedKeys::new(vec![public(1)], 1).unwrap();
    let mark = |revision: u64, tokens: &[&str]| {
        let list =
            json!({ "version": 1, "name": "a", "revision": revision, "tokens": tokens, "secrets": [] });
        let text = signed_as(&list, PayloadType::Revocations, &[1]).to_string();
        Revocations::open(text.as_bytes(), &trusted).unwrap().1.mark
    };
    let eight = mark(8, &["reader"]);
    assert_eq!(eight.order(&mark(8, &["reader"])), Order::Same);
    assert_eq!(eight.order(&mark(8, &[])), Order::Older);
    assert_eq!(eight.order(&mark(7, &["reader"])), Order::Older);
    assert_eq!(eight.order(&mark(9, &[])), Order::Newer);
}

#[test]
fn superseding_list_may_have_a_lower_revision() {
    let nine = seal_of_list(json!({ "revision": 9 }), &[1]);
    let back = seal_of_list(json!({ "revision": 7, "supersedes": 9 }), &[1]);
    assert_eq!(nine.mark.order(&back.mark), Order::Newer);
    assert_eq!(back.mark.order(&nine.mark), Order::Older);
    let no_more = seal_of_list(json!({ "revision": 7, "supersedes": 8 }), &[1]);
    assert_eq!(nine.mark.order(&no_more.mark), Order::Older);
}

#[test]
fn revision_is_at_most_a_day_ahead() {
    let now = Time::from_millis(1_800_000_000_000);
    let keys = [public(1).id()];
    let day = highest_revision(now);
    assert_eq!(day, 1_800_086_400_000);
    for (fields, ahead) in [
        (json!({ "revision": 1 }), None),
        (json!({ "revision": day }), None),
        (json!({ "revision": day + 1 }), Some(day + 1)),
        (json!({ "revision": u64::MAX }), Some(u64::MAX)),
        // The mark is as high as the superseded revision.
        (json!({ "revision": 1, "supersedes": u64::MAX }), Some(u64::MAX)),
    ] {
        let admitted = Marks::default().admit(&seal_of_list(fields.clone(), &[1]), &keys, now);
        let expected = ahead.map_or(Ok(()), |revision| Err(Setback::Ahead { revision }));
        assert_eq!(admitted, expected, "{fields}");
    }
}

#[test]
fn removed_key_leaves_no_binding_mark() {
    let now = Time::from_millis(1_800_000_000_000);
    let (leaked, kept) = (public(1).id(), public(2).id());
    let both = [leaked, kept.clone()];
    let list = |revision: u64, signers: &[u8]| seal_of_list(json!({ "revision": revision }), signers);
    let mut marks = Marks::default();
    assert_eq!(marks.admit(&list(9, &[2]), &both, now), Ok(()));
    assert_eq!(marks.admit(&list(highest_revision(now), &[1]), &both, now), Ok(()));
    assert!(matches!(marks.admit(&list(10, &[2]), &both, now), Err(Setback::Older(_))));
    let without = [kept];
    assert!(matches!(marks.admit(&list(8, &[2]), &without, now), Err(Setback::Older(_))));
    assert_eq!(marks.admit(&list(10, &[2]), &without, now), Ok(()));
}

#[test]
fn stale_bundle_still_works() {
    let mut good = bundle();
    good["good_until"] = json!("2026-03-01T00:00:00Z");
    let gateway = configure(&configuration(&signed(&good, &[1]), &[1], 1)).unwrap();
    let end: Time = "2026-03-01T00:00:00Z".parse().unwrap();
    assert_eq!(gateway.policy.good_until(), Some(end));
    assert!(
        is_stale(gateway.policy.good_until(), end) && !is_stale(gateway.policy.good_until(), end.shifted(-1))
    );
    assert_eq!(decide_at(&gateway, "nobody's", end.shifted(1)), Reason::UnknownToken);
}

#[test]
fn build_exceeds_the_revision_it_replaces() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["policy.yaml", "tokens.yaml"] {
        std::fs::copy(Path::new("policies/acme").join(file), folder.path().join(file)).unwrap();
    }
    let tokenward = |arguments: &[&str]| run(folder.path(), arguments);
    let revision = |file: &str| {
        let read: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.path().join(file)).unwrap()).unwrap();
        let payload = read["payload"].as_str().map(|payload| STANDARD.decode(payload).unwrap());
        let payload = payload.map(|payload| serde_json::from_slice::<Value>(&payload).unwrap());
        payload.unwrap_or(read)["revision"].as_u64().unwrap()
    };
    assert_eq!(tokenward(&["keygen", "-o", "key"]).status.code(), Some(0));
    for list in [&[][..], &["--revocations"]] {
        // Even within one second or millisecond, each build has its own revision.
        let mut last = 0;
        for _ in 0..3 {
            let built = tokenward(&[&["build", "-o", "out.json"], list].concat());
            assert_eq!(built.status.code(), Some(0), "{}", text(&built.stderr));
            assert!(revision("out.json") > last);
            last = revision("out.json");
        }
        assert!(last > 1_600_000_000_000, "{last} is in milliseconds");
        // The revision is above one that is less than a day ahead of the clock, signed or not, and above the revision
        // it supersedes.
        let ahead = (last + 3_600_000).to_string();
        let build = |more: &[&str]| tokenward(&[&["build", "-o", "out.json"], list, more].concat());
        assert_eq!(build(&["--revision", &ahead]).status.code(), Some(0));
        assert_eq!(tokenward(&["sign", "out.json", "--key", "key", "-o", "out.json"]).status.code(), Some(0));
        assert_eq!(build(&[]).status.code(), Some(0));
        assert_eq!(revision("out.json"), last + 3_600_001);
        let newest = (last + 7_200_000).to_string();
        assert_eq!(build(&["--revision", "7", "--allow-rollback", &newest]).status.code(), Some(0));
        assert_eq!(revision("out.json"), 7);
        assert_eq!(build(&[]).status.code(), Some(0));
        assert_eq!(revision("out.json"), last + 7_200_001);
        // A lower revision, or the same revision with other content, is built only if that was requested.
        for (more, told) in [
            (&["--revision", "8"][..], "revision 8 is lower"),
            (&["--revision", &u64::MAX.to_string()], "more than a day ahead"),
            (&["--allow-rollback", &u64::MAX.to_string()], "more than a day ahead"),
            (&["--revision", &(last + 7_200_001).to_string(), "--good-for", "1h"], "with other content"),
        ] {
            let refused = build(more);
            assert_eq!(refused.status.code(), Some(2), "{more:?}");
            assert!(text(&refused.stderr).contains(told), "{more:?}: {}", text(&refused.stderr));
        }
        std::fs::remove_file(folder.path().join("out.json")).unwrap();
    }
}

#[test]
fn invalid_bundle_is_neither_signed_nor_verified() {
    let folder = tempfile::tempdir().unwrap();
    let write =
        |name: &str, content: &Value| std::fs::write(folder.path().join(name), content.to_string()).unwrap();
    assert_eq!(run(folder.path(), &["keygen", "-o", "key"]).status.code(), Some(0));
    let list = json!({ "version": 1, "name": "small", "revision": 8, "tokens": [], "secrets": [] });
    for (payload, kind) in [(bundle(), PayloadType::Bundle), (list, PayloadType::Revocations)] {
        for (field, value) in [("revision", u64::MAX), ("supersedes", u64::MAX)] {
            let mut ahead = payload.clone();
            ahead[field] = json!(value);
            write("ahead.json", &ahead);
            let output = run(folder.path(), &["sign", "ahead.json", "--key", "key"]);
            assert_eq!(output.status.code(), Some(2), "{field}");
            assert!(text(&output.stderr).contains("more than a day ahead"), "{}", text(&output.stderr));
            write("ahead.json", &signed_as(&ahead, kind, &[1]));
            let output = run(folder.path(), &["verify", "ahead.json", "--key", &public(1).to_string()]);
            assert_eq!(output.status.code(), Some(1), "{field}");
            assert!(text(&output.stderr).contains("more than a day ahead"), "{}", text(&output.stderr));
        }
    }
}

#[test]
fn endless_bundle_gets_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let note = |command: &[&str], payload: &Value, kind| {
        let signed = signed_as(payload, kind, &[1]).to_string();
        std::fs::write(folder.path().join("signed.json"), signed).unwrap();
        let output = run(folder.path(), command);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", text(&output.stderr));
        let notes =
            text(&output.stderr).lines().filter(|line| line.starts_with("note: ")).collect::<Vec<_>>();
        notes.join("\n")
    };
    let key = public(1).to_string();
    let verify = ["verify", "signed.json", "--key", &key];
    let with = |field: &str, value: &str| {
        let mut bundle = bundle();
        bundle[field] = json!(value);
        bundle
    };
    let later = "2999-01-01T00:00:00Z";
    std::fs::write(folder.path().join("settings.yaml"), "mode: enforce\n").unwrap();
    let lint = ["lint", "--bundle", "signed.json", "--settings", "settings.yaml"];
    for command in [&verify[..], &lint] {
        assert!(note(command, &bundle(), PayloadType::Bundle).contains("never expires [endless_bundle]"));
        for field in ["expires_at", "good_until"] {
            assert_eq!(note(command, &with(field, later), PayloadType::Bundle), "", "{field}");
        }
    }
    let earlier = with("good_until", "2026-01-01T00:00:00Z");
    assert!(note(&verify, &earlier, PayloadType::Bundle).contains("is stale"));
    let mut list = json!({ "version": 1, "name": "small", "revision": 8, "tokens": [], "secrets": [] });
    assert!(note(&verify, &list, PayloadType::Revocations).contains("has no `good_until`"));
    list["good_until"] = json!(later);
    assert_eq!(note(&verify, &list, PayloadType::Revocations), "");
    // The author may put an unsigned bundle anywhere.
    std::fs::write(folder.path().join("bundle.json"), bundle().to_string()).unwrap();
    let output = run(folder.path(), &["lint", "--bundle", "bundle.json"]);
    assert!(!text(&output.stderr).contains("endless_bundle"), "{}", text(&output.stderr));
}

#[test]
fn registry_list_and_bundle_agree() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["policy.yaml", "tokens.yaml"] {
        std::fs::copy(Path::new("policies/acme").join(file), folder.path().join(file)).unwrap();
    }
    let build = |arguments: &[&str]| {
        let output = run(folder.path(), &[&["build"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        output.stdout
    };
    let before = build(&[]);
    let revoke = ["revoke", "ci-deploy", "--reason", "leaked"];
    assert_eq!(run(folder.path(), &revoke).status.code(), Some(0));
    let list: Revocations = from_json(&build(&["--revocations"])).unwrap();
    assert!(list.tokens.iter().any(|token| token.as_str() == "ci-deploy"));
    let bundles = [before, build(&[])].map(|bundle| serde_json::from_slice::<Value>(&bundle).unwrap());
    let [old, new] = bundles.map(|bundle| configure(&json!({ "bundle": bundle })).unwrap());
    assert!(old.policy.revoke(&list).unwrap() > 0);
    let revoked = |gateway: &Gateway| format!("{:?}", gateway.policy).matches("Revoked(true)").count();
    assert_eq!(revoked(&old), revoked(&new));
    assert!(revoked(&old) > 0);
}

/// The seal of a signed list with these fields.
fn seal_of_list(fields: Value, signers: &[u8]) -> Seal {
    let trusted = TrustedKeys::new(signers.iter().map(|number| public(*number)).collect(), 1).unwrap();
    let mut list = json!({ "version": 1, "name": "a", "tokens": [], "secrets": [] });
    list.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let text = signed_as(&list, PayloadType::Revocations, signers).to_string();
    Revocations::open(text.as_bytes(), &trusted).unwrap().1
}

fn decide(gateway: &Gateway, secret: &str) -> Reason {
    decide_at(gateway, secret, Time::EPOCH)
}

fn decide_at(gateway: &Gateway, secret: &str, now: Time) -> Reason {
    let authorization = format!("Bearer {secret}");
    let headers = [(":method", "GET"), (":path", "/v1/items"), ("authorization", &authorization)];
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let head = RequestHead::read(headers, &gateway.settings);
    let circumstances = Circumstances { now, source: Source::UNKNOWN };
    gateway.policy.decide(&head, circumstances).reason()
}

fn configure(configuration: &Value) -> Result<Gateway, String> {
    Gateway::configure(configuration.to_string().as_bytes()).map_err(|problems| problems.to_string())
}

fn bundle() -> Value {
    json!({
        "version": 1, "name": "small", "revision": 7,
        "permissions": { "items:read": ["GET /v1/items/**"] },
        "roles": { "reader": { "permissions": ["items:read"] } },
        "kinds": { "service": {} },
        "tokens": { "reader": { "kind": "service", "roles": ["reader"] } },
    })
}

/// The signature with the group's order added to S (RFC 8032 §5.1).
fn malleated(mut signature: [u8; 64]) -> [u8; 64] {
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0;
    for (byte, more) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    signature
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tokenward")).current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    hex::decode(hexadecimal).unwrap()
}

/// One key of RFC 8410 §10.3, first alone, then with an attribute and its public key.
const RFC_8410: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
const RFC_8410_WITH_ATTRIBUTES: &str = "-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
";
