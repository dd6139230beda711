//! How a connection manager determines the source of requests.

use crate::cli::lint::envoy::tree::{Found, at, is_set, text, type_of};
use crate::cli::lint::envoy::{Finding, Reliance};
use crate::engine::authoring::lint::Severity;

/// A connection manager, and the parts on which the policy relies.
pub(super) struct Addresses<'c, 'e> {
    manager: &'c Found<'e>,
    reliance: Reliance,
    /// Extensions that read the address from a header.
    detection: Vec<Found<'e>>,
}

impl<'c, 'e> Addresses<'c, 'e> {
    pub(super) fn of(manager: &'c Found<'e>, reliance: Reliance) -> Self {
        let extensions = manager.items("original_ip_detection_extensions");
        let detection = extensions.iter().filter_map(|extension| extension.key("typed_config")).collect();
        Self { manager, reliance, detection }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let findings = [self.trust(), self.port(), self.hops()].into_iter().flatten();
        findings.chain(self.detection.iter().filter_map(|extension| self.custom_header(extension))).collect()
    }

    /// With Envoy's defaults, a caller can choose its source address.
    fn trust(&self) -> Option<Finding> {
        let message = "a caller can claim any address: Envoy takes it from `x-forwarded-for`".to_owned();
        let hint = "set `use_remote_address: true`, and `xff_num_trusted_hops` to the number of proxies before Envoy";
        let by_default = self.detection.is_empty() && !self.uses_remote();
        let by_extension = self
            .xff()
            .is_some_and(|xff| self.envoys_hops() == 0 && xff.value.get("xff_trusted_cidrs").is_none());
        (by_default || by_extension)
            .then(|| self.finding("source_trust", self.severity(Severity::Note), message, hint))
    }

    /// The address comes from a header that a caller can send.
    fn custom_header(&self, extension: &Found<'_>) -> Option<Finding> {
        if !type_of(extension.value).ends_with(".custom_header.v3.CustomHeaderConfig") {
            return None;
        }
        let header: String = text(extension.value, "header_name").chars().take(64).collect();
        let message = format!(
            "a caller can claim any address: Envoy takes it from the header `{}`",
            header.escape_debug()
        );
        let hint = "set `use_remote_address: true`, or make sure that only a proxy of yours can connect, and that it replaces the header";
        let severity = self.severity(Severity::Warning);
        let place = extension.place.key("header_name");
        Some(Finding { code: "source_header", severity, place, message, hint })
    }

    /// If Envoy reads the source from `x-forwarded-for`, it cannot read entries with a port.
    fn port(&self) -> Option<Finding> {
        let direct = self.uses_remote() && self.envoys_hops() == 0;
        let reads = !direct && (self.detection.is_empty() || self.xff().is_some());
        if !reads {
            return None;
        }
        if self.reliance.hops.is_some() {
            let message = "behind a proxy that writes ports into `x-forwarded-for`, Envoy takes the proxy's own address: its access log and other filters see that one".to_owned();
            let hint = "let the proxy write addresses without ports, or rely on tokenward's events only";
            return Some(self.finding("source_balancer", Severity::Note, message, hint));
        }
        let message =
            "behind a proxy that writes ports into `x-forwarded-for`, Envoy takes the proxy's own address, and requests have no source".to_owned();
        let hint = "set `source: { trusted_hops: N }` in gateway.yaml, with N as in `xff_num_trusted_hops`: then the gateway accepts ports";
        Some(self.finding("source_port", self.severity(Severity::Note), message, hint))
    }

    /// Whether the gateway and Envoy count proxies alike, although Envoy sees the header before it appends to it.
    fn hops(&self) -> Option<Finding> {
        let (ours, envoys) = (self.reliance.hops?, self.envoys_hops());
        if is_set(self.manager.value, "skip_xff_append") {
            let message = "Envoy does not append the caller to `x-forwarded-for`, so the gateway's `source` reads the wrong entry".to_owned();
            let hint = "remove `skip_xff_append`, or `source` from gateway.yaml";
            let place = self.manager.place.key("skip_xff_append");
            return Some(Finding::error("source_hops", place, message, hint));
        }
        let message = format!(
            "the gateway's `source` trusts {ours} proxies, Envoy trusts {envoys}: its access log and other filters see another source"
        );
        let hint = "give `xff_num_trusted_hops` and `source.trusted_hops` the same number";
        let differ = u64::try_from(ours) != Ok(envoys);
        differ.then(|| self.finding("source_hops", Severity::Note, message, hint))
    }

    fn uses_remote(&self) -> bool {
        is_set(self.manager.value, "use_remote_address")
    }

    /// The extension that reads `x-forwarded-for`.
    fn xff(&self) -> Option<&Found<'e>> {
        self.detection.iter().find(|extension| type_of(extension.value).ends_with(".xff.v3.XffConfig"))
    }

    fn envoys_hops(&self) -> u64 {
        let counts = self.xff().unwrap_or(self.manager);
        at(counts.value, "xff_num_trusted_hops").as_u64().unwrap_or(0)
    }

    /// The severity: an error if a token is restricted to source addresses.
    fn severity(&self, otherwise: Severity) -> Severity {
        if self.reliance.sources { Severity::Error } else { otherwise }
    }

    fn finding(
        &self,
        code: &'static str,
        severity: Severity,
        message: String,
        hint: &'static str,
    ) -> Finding {
        Finding { code, severity, place: self.manager.place.clone(), message, hint }
    }
}
