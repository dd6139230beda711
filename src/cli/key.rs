//! Private keys in files, as OpenSSL reads and writes them: PKCS#8 in PEM (RFC 8410 §7, RFC 7468 §10).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey};
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;
use crate::cli::files::{self, Readers};
use crate::cli::output;
use crate::engine::config::envelope::{Envelope, PublicKey};

/// A private key. It is not `Debug`, so it cannot be logged by accident, and it is wiped when it is dropped.
pub(super) struct PrivateKey(SigningKey);

impl PrivateKey {
    /// Generates a new key from the system's random numbers.
    ///
    /// # Errors
    /// Fails if the system has no random numbers.
    pub(super) fn generate() -> Result<Self, Failure> {
        let mut seed = Zeroizing::new([0; 32]);
        SysRng
            .try_fill_bytes(&mut *seed)
            .map_err(|error| Failure::new(format!("the system has no random numbers: {error}")))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads the key from a file.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is not an Ed25519 key. Its content is never shown.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
        let text = Zeroizing::new(std::fs::read(path).map_err(cannot)?);
        let text = std::str::from_utf8(&text).unwrap_or_default();
        let key = SigningKey::from_pkcs8_pem(text.trim()).map_err(|_| {
            Failure::new(format!("{} is not a private key of Ed25519", path.display()))
                .hint("`tokenward keygen -o FILE` writes one; one that asks for a password is not read")
        })?;
        warn_of_readers(path);
        Ok(Self(key))
    }

    /// Writes the key to a new file that only its owner can read.
    ///
    /// # Errors
    /// Fails if the file cannot be written or already exists.
    pub(super) fn create(&self, path: &Path) -> Result<(), Failure> {
        if path.exists() {
            return Err(Failure::new(format!(
                "{} is there already: a key is never overwritten",
                path.display()
            ))
            .hint("name another file; for the public key of this one: `tokenward keygen --public FILE`"));
        }
        // Omit the public key, because OpenSSL before 3.2 does not accept it here.
        let pair = KeypairBytes { secret_key: *self.0.as_bytes(), public_key: None };
        let text = pair
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| Failure::new(format!("cannot write the key: {error}")))?;
        files::create(path, &text, Readers::Owner)
    }

    /// The public key of this private key.
    ///
    /// # Errors
    /// Fails if gateways would not accept it.
    pub(super) fn public(&self) -> Result<PublicKey, Failure> {
        PublicKey::from_bytes(self.0.verifying_key().as_bytes())
            .map_err(|error| Failure::new(error.to_string()))
    }

    /// Signs an envelope's payload.
    pub(super) fn sign(&self, envelope: &mut Envelope) -> Result<PublicKey, Failure> {
        let public = self.public()?;
        let signature = self.0.sign(envelope.signed_bytes());
        envelope.add(public.id(), signature.to_bytes());
        Ok(public)
    }
}

fn warn_of_readers(path: &Path) {
    let others = std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if others {
        let warning = Failure::new(format!("{} can be read by others than its owner", path.display()));
        output::warning(&warning.hint(format!("`chmod 600 {}`", path.display())));
    }
}
