//! The options of `mint` that describe a new token.

use std::collections::HashSet;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::nearest::help;
use crate::engine::config::bundle::{PolicyDocument, Secret, Token};
use crate::engine::matching::attribute::AttributeValue;
use crate::engine::words::address::AddressRange;
use crate::engine::words::entries::Entries;
use crate::engine::words::hours::Hours;
use crate::engine::words::name::{
    AttributeName, EnvironmentName, KindName, PermissionName, RoleName, ServiceName,
};
use crate::engine::words::rate::RateLimit;

/// The description of a new token.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "What a new token is")]
pub(super) struct TokenOptions {
    /// Kind of the token
    #[arg(long)]
    pub(super) kind: Option<KindName>,
    /// Role of the token; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<RoleName>,
    /// Permission that the token is limited to; may be repeated
    #[arg(long = "scope", value_name = "PERMISSION")]
    scope: Vec<PermissionName>,
    /// Who is responsible for the token
    #[arg(long)]
    owner: Option<String>,
    /// What the token is used for
    #[arg(long)]
    purpose: Option<String>,
    /// Environment in which the token works; may be repeated
    #[arg(long = "environment", value_name = "NAME")]
    environments: Vec<EnvironmentName>,
    /// Service at which the token works; may be repeated
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<ServiceName>,
    /// Value of `${NAME}` in patterns; may be repeated
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    attributes: Vec<(AttributeName, AttributeValue)>,
    /// Address or range from which the token may be used; may be repeated
    #[arg(long = "allowed-source", value_name = "RANGE", value_parser = range)]
    allowed_sources: Vec<AddressRange>,
    /// Hours in which the token may be used, as in 'Mon-Fri 06:00-20:00'; may be repeated
    #[arg(long = "allowed-hours", value_name = "HOURS", value_parser = hours)]
    allowed_hours: Vec<Hours>,
    /// Number of requests that the token may make, as in 100/1m
    #[arg(long, value_name = "LIMIT")]
    rate_limit: Option<RateLimit>,
}

impl TokenOptions {
    /// Whether no option is given.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Rejects names that the policy does not have.
    ///
    /// # Errors
    /// The first such name, with the names that the policy has.
    pub(super) fn check(&self, policy: &PolicyDocument) -> Result<(), Vec<Failure>> {
        let mut failures = Vec::new();
        let mut check = |what: &str, names: Vec<&str>, known: Vec<&str>| {
            let strange = names.into_iter().filter(|name| !known.contains(name));
            failures.extend(strange.map(|name| unknown(what, name, &known)));
        };
        let kinds = self.kind.iter().map(KindName::as_str).collect();
        check("kind", kinds, policy.kinds.iter().map(|(name, _)| name.as_str()).collect());
        let roles = self.roles.iter().map(RoleName::as_str).collect();
        check("role", roles, policy.roles.iter().map(|(name, _)| name.as_str()).collect());
        let scope = self.scope.iter().map(PermissionName::as_str).collect();
        check("permission", scope, policy.permissions.iter().map(|(name, _)| name.as_str()).collect());
        let attributes = self.attributes.iter().map(|(name, _)| name.as_str());
        let known = attributes_of(policy);
        let strange = attributes.filter(|name| !known.contains(name));
        failures.extend(strange.map(|name| {
            Failure::new(format!("no operation of the policy has the attribute `{name}`")).hint(help(
                "attribute",
                name,
                &known,
            ))
        }));
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// The token of this kind that the options describe.
    ///
    /// # Errors
    /// Fails if an attribute has two values.
    pub(super) fn token(self, kind: KindName, secret: Secret) -> Result<Token, Failure> {
        let mut names = HashSet::new();
        if let Some((twice, _)) = self.attributes.iter().find(|(name, _)| !names.insert(name)) {
            return Err(Failure::new(format!("attribute `{twice}` is given twice")));
        }
        Ok(Token {
            kind,
            roles: self.roles,
            scope: given(self.scope),
            owner: self.owner,
            purpose: self.purpose,
            environments: given(self.environments),
            services: given(self.services),
            attributes: Entries(self.attributes),
            allowed_sources: given(self.allowed_sources),
            allowed_hours: given(self.allowed_hours),
            rate_limit: self.rate_limit,
            revoked_at: None,
            revoked_reason: None,
            secrets: vec![secret],
        })
    }
}

/// The values; `None` if there are none.
fn given<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

/// The failure for a name that the policy does not define.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> Failure {
    Failure::new(format!("{what} `{name}` is not defined")).hint(help(what, name, known))
}

/// The attributes that operations use, as in `/tenants/${tenant}/**`.
fn attributes_of(policy: &PolicyDocument) -> Vec<&str> {
    let operations = policy.permissions.iter().flat_map(|(_, operations)| operations);
    let names = operations.flat_map(|operation| operation.split("${").skip(1));
    let mut names: Vec<&str> = names.filter_map(|rest| Some(rest.split_once('}')?.0)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn attribute(text: &str) -> Result<(AttributeName, AttributeValue), String> {
    let (name, value) = text.split_once('=').ok_or("write it as in `tenant=acme`")?;
    let name = name.parse().map_err(|error| format!("{error}"))?;
    let value = AttributeValue::try_from(value.to_owned()).map_err(|error| error.to_string())?;
    Ok((name, value))
}

fn range(text: &str) -> Result<AddressRange, String> {
    AddressRange::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn hours(text: &str) -> Result<Hours, String> {
    Hours::try_from(text.to_owned()).map_err(|error| error.to_string())
}
