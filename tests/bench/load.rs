//! Load on one listener, and the CPU time that Envoy uses for it.

use std::process::Command;

use crate::configurations::Configuration;
use crate::envoy::Envoy;

/// Puts load on the listeners of an Envoy.
pub struct Load<'e> {
    envoy: &'e Envoy,
    seconds: u64,
    ticks_per_second: f64,
}

/// One round of load on one configuration.
pub struct Round {
    pub requests: u64,
    /// CPU time of Envoy per request, in microseconds.
    pub micros: f64,
}

impl<'e> Load<'e> {
    /// Rounds with this duration in seconds.
    pub fn new(envoy: &'e Envoy, seconds: u64) -> Self {
        Self { envoy, seconds, ticks_per_second: output("getconf", &["CLK_TCK"]).trim().parse().unwrap() }
    }

    /// The status of a listener's response.
    pub fn status(&self, listener: &str, path: &str, secret: &str) -> u16 {
        self.envoy.client(listener).get(path, Some(secret)).status
    }

    /// The number of bytes that Envoy writes for a request, to its log and to the client.
    pub fn bytes_written(&self, listener: &str, path: &str, secret: &str) -> u64 {
        let mut client = self.envoy.client(listener);
        let before = self.written();
        client.get(path, Some(secret));
        self.written() - before
    }

    /// One round.
    pub fn round(&self, configuration: &Configuration) -> Round {
        let address = self.envoy.listener(configuration.id);
        let url = format!("http://{address}{}", configuration.path);
        let authorization = format!("Authorization: Bearer {}", configuration.secret);
        let duration = format!("{}s", self.seconds);
        let arguments = [
            "--threads",
            "1",
            "--connections",
            CONNECTIONS,
            "--duration",
            &duration,
            "-H",
            &authorization,
            &url,
        ];
        let before = self.ticks();
        let told = output("wrk", &arguments);
        let ticks = self.ticks() - before;
        let requests = number_before(&told, " requests in ").unwrap_or_else(|| panic!("wrk says\n{told}"));
        let refused = number_after(&told, "Non-2xx or 3xx responses: ").unwrap_or(0);
        let expected = if configuration.status == 200 { 0 } else { requests };
        assert_eq!(refused, expected, "{}: not all answers are {}", configuration.id, configuration.status);
        Round { requests, micros: ticks as f64 / self.ticks_per_second * 1e6 / requests as f64 }
    }

    /// CPU time of all threads, in user mode and in the kernel.
    fn ticks(&self) -> u64 {
        let stat = self.process_file("stat");
        // The program name may contain anything, including spaces; it ends with the last bracket.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    fn written(&self) -> u64 {
        number_after(&self.process_file("io"), "wchar: ").unwrap()
    }

    fn process_file(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.envoy.process_id())).unwrap()
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn number_before(text: &str, words: &str) -> Option<u64> {
    text.split_once(words)?.0.split_whitespace().next_back()?.parse().ok()
}

fn number_after(text: &str, words: &str) -> Option<u64> {
    text.split_once(words)?.1.split_whitespace().next()?.parse().ok()
}

/// Connections that `wrk` keeps open.
pub const CONNECTIONS: &str = "8";
