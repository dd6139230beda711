//! A policy that is ready to be judged by: its secrets are known, and its gateways stand where the cases name them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::engine::authoring::case::rekeyed::{BadCase, Rekeyed};
use crate::engine::authoring::case::{Case, Prepared, Request};
use crate::engine::config::bundle::Bundle;
use crate::engine::config::problem::Problems;
use crate::engine::config::settings::Settings;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::gateway::Gateway;
use crate::engine::words::name::{EnvironmentName, ServiceName};

/// A policy at a gateway, with the cases that it is to pass.
#[derive(Debug)]
pub struct Rehearsal {
    rekeyed: Rekeyed,
    /// One for each place that the cases name, and one for the gateway's own.
    gateways: BTreeMap<Site, Gateway>,
}

impl Rehearsal {
    /// Compiles the rekeyed bundle for a gateway with `settings`.
    ///
    /// # Errors
    /// All that is wrong with the bundle.
    pub fn of(bundle: Bundle, settings: &Settings, cases: &[Case]) -> Result<Self, Problems> {
        // What is wrong with the policy itself; the rekeyed bundle has no guard-rails.
        Policy::compile(settings.place(bundle.clone())?)?;
        let rekeyed = Rekeyed::of(bundle, settings, cases);
        let sites = cases.iter().map(|case| Site::of(&case.request)).chain([Site::default()]);
        let mut gateways = BTreeMap::new();
        for site in sites {
            if let Entry::Vacant(new) = gateways.entry(site) {
                let settings = new.key().settings(settings);
                let bundle = settings.place(new.key().bundle(&rekeyed.bundle))?;
                new.insert(Gateway { policy: Policy::compile(bundle)?, settings, ..Gateway::default() });
            }
        }
        Ok(Self { rekeyed, gateways })
    }

    /// The rekeyed bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.rekeyed.bundle
    }

    /// The request of a case as headers, and its time.
    ///
    /// # Errors
    /// What the case names and the policy does not have.
    pub fn prepare(&self, request: &Request) -> Result<Prepared<'_>, BadCase> {
        let site = Site::of(request);
        let gateway = self.gateways.get(&site).ok_or(BadCase::UnknownSite)?;
        self.rekeyed.request(request, site, gateway)
    }
}

/// Where a case's gateway is, if not where its settings say.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Site {
    /// The environment.
    pub environment: Option<EnvironmentName>,
    /// The service.
    pub service: Option<ServiceName>,
}

impl Site {
    fn of(request: &Request) -> Self {
        Self { environment: request.environment.clone(), service: request.service.clone() }
    }

    /// The settings of a gateway that is here.
    pub fn settings(&self, settings: &Settings) -> Settings {
        Settings {
            environment: self.environment.clone().or_else(|| settings.environment.clone()),
            service: self.service.clone().or_else(|| settings.service.clone()),
            ..settings.clone()
        }
    }

    /// The document as it is built for this place.
    pub fn bundle(&self, bundle: &Bundle) -> Bundle {
        let mut bundle = bundle.clone();
        bundle.environment = self.environment.clone().or(bundle.environment);
        bundle.service = self.service.clone().or(bundle.service);
        bundle
    }
}
