//! The leak: a secret is revoked while Envoy serves, and the next request with it is rejected.

use std::time::Instant;

use crate::gateway::Gateway;
use crate::requests::{DEPLOY, HOME, Who};
use crate::secrets::tokenward;
use crate::{show, wait};

/// Revokes the leaked secret, ships, and waits until Envoy rejects it.
pub(crate) fn revoke(gateway: &Gateway) {
    let acme = gateway.path("acme");
    show::heading("A secret leaks in a build log. Pipe it into `revoke`, which finds its token, and ship:");
    let leaked = &gateway.secrets.newest[TOKEN];
    tokenward(&["revoke", "-p", &acme, "--stdin", "--reason", "leaked in a build log"], leaked);
    show::line("  $ tokenward revoke --stdin --reason \"leaked in a build log\" < leaked");
    let begin = Instant::now();
    gateway.ship();
    show::line("  $ tokenward render ecds --wasm dist/tokenward.wasm -o filter.json\n");
    let mut number = 0;
    let rejected = || {
        number += 1;
        let id = format!("leak-{number}");
        let response = gateway.ask(&id, Who::Token(TOKEN), "POST", DEPLOY, HOME);
        (response.status == 401).then(|| gateway.reason(&id))
    };
    let reason = wait::found(rejected, || "the revoked secret still works".to_owned());
    assert_eq!(reason, "revoked_token");
    let seconds = begin.elapsed().as_secs_f64();
    show::line(&format!("  POST {DEPLOY} with the leaked secret: 401 {reason}, {seconds:.1} s after that"));
}

pub(crate) const TOKEN: &str = "old-contractor";
/// The options of `mint` for a token that acme does not have.
pub(crate) const OPTIONS: &[&str] =
    &["--kind", "service", "--role", "deployer", "--owner", "you@acme.test", "--purpose", "a demo"];
