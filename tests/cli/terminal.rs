//! Standard input on a terminal: a prompt, and no echo of a secret.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::{command, folder, registry, text};

#[test]
fn typed_secret_is_hashed_without_echo() {
    let folder = folder("version: 1\n");
    let session = typed(folder.path(), &["hash"], "then press Enter: ", b"an-old-secret-of-ours\n");
    assert_eq!(session.code, Some(0), "{}", session.errors);
    assert_eq!(session.data, "3146e3a7bf7741e46266828bc41cc9a1d396b28a5c9c3ab679d14501e772cc65\n");
    assert!(!session.screen.contains("secret"), "{}", session.screen);
    assert!(session.echoes_again);
}

#[test]
fn pasted_secrets_are_revoked_without_echo() {
    let folder = folder(TOKENS);
    let pasted = b"Authorization: Bearer an-old-secret-of-ours\n\"another-secret-of-ours\"\n\x04";
    let session =
        typed(folder.path(), &["revoke", "--stdin", "--reason", "leaked"], "then press Ctrl-D:\n", pasted);
    assert_eq!(session.code, Some(0), "{}", session.errors);
    assert!(session.errors.contains("revoked secret `1` of token `job`"), "{}", session.errors);
    assert!(session.errors.contains("revoked secret `2` of token `job`"), "{}", session.errors);
    assert!(!session.screen.contains("secret"), "{}", session.screen);
    assert!(session.echoes_again);
}

#[test]
fn interrupted_prompt_changes_nothing_and_echoes_again() {
    let folder = folder(TOKENS);
    for arguments in [&["hash"][..], &["revoke", "--stdin", "--reason", "leaked"]] {
        let session = typed(folder.path(), arguments, "then press ", b"an-old-secret-of-ours\x03");
        assert_eq!(session.code, Some(2), "{}", session.errors);
        assert!(session.errors.contains("error: interrupted"), "{}", session.errors);
        assert!(session.echoes_again && !session.screen.contains("secret"), "{}", session.screen);
    }
    assert_eq!(registry(folder.path()), TOKENS);
}

#[test]
fn audit_verify_says_that_it_reads_the_terminal() {
    let folder = folder("version: 1\n");
    for arguments in [&["audit", "verify"][..], &["audit", "verify", "-"]] {
        let session = typed(folder.path(), arguments, "then press Ctrl-D:\n", b"a line\n\x04");
        assert_eq!(session.code, Some(1), "{}", session.errors);
        assert!(session.errors.contains("there is no audit event here"), "{}", session.errors);
        assert!(session.screen.contains("a line"), "{}", session.screen);
    }
}

/// The behaviour of a command at a terminal.
struct Session {
    code: Option<i32>,
    data: String,
    errors: String,
    screen: String,
    echoes_again: bool,
}

/// Runs a command with a terminal as standard input, and types the keys after the prompt.
fn typed(folder: &Path, arguments: &[&str], prompt: &str, keys: &[u8]) -> Session {
    let (mut keyboard, terminal) = terminal();
    let mut command = command(folder, arguments);
    command.stdin(terminal.try_clone().unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let (sender, receiver) = mpsc::channel();
    let mut stderr = child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let (mut whole, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = stderr.read(&mut chunk) {
            whole.extend_from_slice(chunk.get(..length).unwrap());
            let _ = sender.send(text(&whole).to_owned());
        }
    });
    let mut errors = String::new();
    while !errors.contains(prompt) {
        errors = receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            child.kill().unwrap();
            panic!("{arguments:?}: no prompt `{prompt}` in `{errors}`")
        });
    }
    keyboard.write_all(keys).unwrap();
    let output = child.wait_with_output().unwrap();
    reader.join().unwrap();
    errors = receiver.iter().last().unwrap_or(errors);
    let echoes_again = tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ECHO);
    drop(terminal);
    Session {
        code: output.status.code(),
        data: text(&output.stdout).to_owned(),
        errors,
        screen: shown(keyboard),
        echoes_again,
    }
}

/// A pseudo-terminal: the end of the user, and the end of the program.
fn terminal() -> (File, File) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap();
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OFlags::NOCTTY.bits().cast_signed());
    (keyboard.into(), options.open(name.to_str().unwrap()).unwrap())
}

/// Everything that the terminal showed. Reading fails once no program has it open.
fn shown(mut keyboard: File) -> String {
    let (mut screen, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = keyboard.read(&mut chunk) {
        screen.extend_from_slice(chunk.get(..length).unwrap());
    }
    text(&screen).to_owned()
}

const PATIENCE: Duration = Duration::from_secs(10);
const TOKENS: &str = "version: 1\ntokens:\n  job:\n    kind: tool\n    roles: [any]\n    secrets:\n      \
                      - { id: \"1\", sha256: 3146e3a7bf7741e46266828bc41cc9a1d396b28a5c9c3ab679d14501e772cc65 }\n      \
                      - { id: \"2\", sha256: 2d55410ccc65cb3f17822c3ffa01e4dca345634686ed8a14c062806f6ef16b97 }\n";
