//! A policy that is ready to run cases: its secrets are known, and it has a gateway for each place that a case names.

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

/// A policy and its gateways, for a set of cases.
#[derive(Debug)]
pub struct Rehearsal {
    rekeyed: Rekeyed,
    /// One gateway for each place that the cases name, and one for the configured place.
    gateways: BTreeMap<Site, Gateway>,
}

impl Rehearsal {
    /// Compiles the rekeyed bundle for a gateway with `settings`.
    ///
    /// # Errors
    /// All problems of the bundle.
    pub fn of(bundle: Bundle, settings: &Settings, cases: &[Case]) -> Result<Self, Problems> {
        // Finds the problems of the policy itself: the rekeyed bundle has no guard-rails.
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
    /// Fails if the case names something that the policy does not have.
    pub fn prepare(&self, request: &Request) -> Result<Prepared<'_>, BadCase> {
        let site = Site::of(request);
        let gateway = self.gateways.get(&site).ok_or(BadCase::UnknownSite)?;
        self.rekeyed.request(request, site, gateway)
    }
}

/// The place of a case's gateway, where it differs from the settings.
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

    /// The settings of a gateway at this place.
    pub fn settings(&self, settings: &Settings) -> Settings {
        Settings {
            environment: self.environment.clone().or_else(|| settings.environment.clone()),
            service: self.service.clone().or_else(|| settings.service.clone()),
            ..settings.clone()
        }
    }

    /// The bundle as it would be built for this place.
    pub fn bundle(&self, bundle: &Bundle) -> Bundle {
        let mut bundle = bundle.clone();
        bundle.environment = self.environment.clone().or(bundle.environment);
        bundle.service = self.service.clone().or(bundle.service);
        bundle
    }
}
