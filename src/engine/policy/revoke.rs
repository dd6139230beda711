//! Applies a revocation list to a policy: listed tokens and secrets are revoked for as long as the policy is in use.

use std::collections::HashSet;

use crate::engine::config::bundle::from_json;
use crate::engine::config::envelope::{Envelope, PayloadType, TrustedKeys};
use crate::engine::config::problem::{Fault, Place, Problem, Problems};
use crate::engine::config::revocations::Revocations;
use crate::engine::memory::seal::Seal;
use crate::engine::policy::compiled::Policy;
use crate::engine::words::name::{PolicyName, TokenId};

impl Revocations {
    /// Opens a signed list. Its seal holds the signers and the mark.
    ///
    /// # Errors
    /// Fails if too few trusted keys have signed the list, or if it is malformed.
    pub fn open(envelope: &[u8], trusted: &TrustedKeys) -> Result<(Self, Seal), Problems> {
        let envelope = Envelope::parse(envelope, PayloadType::Revocations)?;
        let verified = envelope.verify(trusted)?;
        let list: Self = from_json(verified.payload)?;
        let seal = Seal::of_revocations(&verified, &list);
        Ok((list, seal))
    }
}

impl Policy {
    /// Checks that a list belongs to this policy.
    ///
    /// # Errors
    /// Fails if it belongs to another policy.
    pub fn owns(&self, list: &Revocations) -> Result<(), Problems> {
        if self.name() == Some(&list.name) {
            return Ok(());
        }
        let own = self.name().map_or("none", PolicyName::as_str);
        let message = format!("the revocations are of policy `{}`, and this one is `{own}`", list.name);
        Err(Problem { place: Place::default().key("name"), fault: Fault::Shape(message) }.into())
    }

    /// Revokes the listed tokens and secrets that this policy has; returns their number.
    ///
    /// # Errors
    /// Fails if the list belongs to another policy.
    pub fn revoke(&self, list: &Revocations) -> Result<usize, Problems> {
        self.owns(list)?;
        let named: HashSet<&TokenId> = list.tokens.iter().collect();
        let tokens = self.tokens.iter().filter(|token| named.contains(&token.id)).map(|token| &token.revoked);
        let secrets = list.secrets.iter().filter_map(|digest| self.secrets.get(digest));
        let revoked = tokens.chain(secrets.map(|secret| &secret.revoked));
        Ok(revoked.inspect(|revoked| revoked.set()).count())
    }
}
