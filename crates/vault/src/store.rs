//! Secrets for sending: every kind of reference, each checked against what a person bound it to.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use handshake_core::{
    base_url::Origin,
    ports::{SecretError, SecretStore, SecretUse},
    secret::{Secret, SecretBinding, SecretRef},
};

use crate::{
    error::VaultError,
    index::check_value,
    place,
    vault::{MAX_VALUE, Vault},
};

/// Reads an environment variable when it is needed. Never stored, never handed to a child.
pub trait Environment: Send + Sync {
    /// The variable's value.
    fn variable(&self, name: &str) -> Option<OsString>;
}

impl<F: Fn(&str) -> Option<OsString> + Send + Sync> Environment for F {
    fn variable(&self, name: &str) -> Option<OsString> {
        self(name)
    }
}

/// Where `file:` references may point.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Places {
    /// The home of this installation.
    pub home: PathBuf,
    /// `$CREDENTIALS_DIRECTORY` of a service manager.
    pub credentials_directory: Option<PathBuf>,
}

/// The secret store over a vault.
///
/// A value leaves only when the reference is bound, the binding names the wanted origin, and the value is the
/// one that was bound. A person re-binds after a change; nothing here does so by itself.
pub struct VaultSecrets {
    vault: Arc<Vault>,
    environment: Arc<dyn Environment>,
    places: Places,
}

impl VaultSecrets {
    /// A store over an open vault.
    #[must_use]
    pub fn new(vault: Arc<Vault>, environment: Arc<dyn Environment>, places: Places) -> Self {
        Self {
            vault,
            environment,
            places,
        }
    }

    /// Binds a reference to an origin and to the value that it has now. Widening: the caller asks for the
    /// approval factor first. A secret of the vault is bound when it is put; binding it to another origin
    /// seals it anew.
    ///
    /// # Errors
    /// [`VaultError::NoKeychain`]; [`VaultError::Unusable`] when there is no usable value now;
    /// [`VaultError::UnknownSecret`]; [`VaultError::Io`].
    pub fn bind(
        &self,
        secret_ref: &SecretRef,
        origin: &Origin,
    ) -> Result<SecretBinding, VaultError> {
        let value = match secret_ref {
            SecretRef::Keyring(_) => return Err(VaultError::NoKeychain),
            // There is no value yet: each request brings its own.
            SecretRef::Client => Secret::new(Vec::new()),
            SecretRef::Vault(name) => {
                let bound_to = self.vault.origin_of(name)?;
                let value = self.vault.secret(name, &bound_to)?;
                if bound_to != *origin {
                    self.vault.put_secret(name, origin.clone(), &value)?;
                }
                value
            }
            SecretRef::Env(_) | SecretRef::File(_) => {
                self.read(secret_ref).map_err(|_| VaultError::Unusable)?
            }
        };
        let value_hash = self.vault.value_hash(secret_ref, value.expose_secret())?;
        let binding = SecretBinding {
            secret_ref: secret_ref.clone(),
            origin: origin.clone(),
            value_hash,
        };
        if !matches!(secret_ref, SecretRef::Vault(_)) {
            self.vault
                .put_binding(binding_key(secret_ref, origin), binding.clone())?;
        }
        Ok(binding)
    }

    /// Takes a binding away. True when there was one. A secret of the vault is removed with
    /// [`Vault::remove`].
    ///
    /// # Errors
    /// [`VaultError`] when the vault cannot be written.
    pub fn unbind(&self, secret_ref: &SecretRef, origin: &Origin) -> Result<bool, VaultError> {
        self.vault.remove_binding(&binding_key(secret_ref, origin))
    }

    /// Every binding of a reference outside the vault.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn bindings(&self) -> Result<Vec<SecretBinding>, VaultError> {
        self.vault.stored_bindings()
    }

    /// Every value that a call could send, with its reference, for enrolling it with the leak matcher of
    /// this process: those of the vault, and those outside it that are bound and still the same.
    ///
    /// # Errors
    /// [`VaultError`] when the vault cannot be read.
    pub fn needles(&self) -> Result<Vec<(String, Secret)>, VaultError> {
        let mut needles: Vec<(String, Secret)> = Vec::new();
        for (name, value) in self.vault.needles()? {
            needles.push((SecretRef::Vault(name).to_string(), value));
        }
        for binding in self.bindings()? {
            let wanted = SecretUse {
                secret_ref: binding.secret_ref.clone(),
                origin: binding.origin,
            };
            if let Ok(value) = self.fetch(&wanted) {
                needles.push((binding.secret_ref.to_string(), value));
            }
        }
        Ok(needles)
    }

    /// The same store for one request of the ingress that brought its own credential, for `client:`.
    #[must_use]
    pub fn with_client(self: &Arc<Self>, credential: Secret) -> impl SecretStore + use<> {
        WithClient {
            store: Arc::clone(self),
            credential,
        }
    }

    /// The value of a reference outside the vault, whatever it is bound to.
    fn read(&self, secret_ref: &SecretRef) -> Result<Secret, SecretError> {
        match secret_ref {
            SecretRef::Env(name) => {
                let value = self
                    .environment
                    .variable(name)
                    .ok_or(SecretError::Missing)?;
                let value = Secret::new(value.into_encoded_bytes());
                check_value(&value, MAX_VALUE).map_err(|_| SecretError::Unusable)?;
                Ok(value)
            }
            SecretRef::File(path) => {
                // A service manager may own what it hands to us; in the home everything is ours.
                let credentials = self
                    .places
                    .credentials_directory
                    .as_deref()
                    .map(|dir| (dir, true));
                let home = (self.places.home.as_path(), false);
                let allowed: Vec<_> = credentials.into_iter().chain([home]).collect();
                place::read(path, &allowed)
            }
            SecretRef::Vault(_) | SecretRef::Keyring(_) | SecretRef::Client => {
                Err(SecretError::Unusable)
            }
        }
    }

    fn checked(&self, wanted: &SecretUse, value: Secret) -> Result<Secret, SecretError> {
        let key = binding_key(&wanted.secret_ref, &wanted.origin);
        let binding = self
            .vault
            .stored_binding(&key)?
            .ok_or(SecretError::Unbound)?;
        let hash = self
            .vault
            .value_hash(&wanted.secret_ref, value.expose_secret())?;
        let bound = binding.secret_ref == wanted.secret_ref
            && binding.origin == wanted.origin
            && binding.value_hash == hash;
        if bound {
            Ok(value)
        } else {
            Err(SecretError::Unbound)
        }
    }

    fn client(&self, wanted: &SecretUse, credential: &Secret) -> Result<Secret, SecretError> {
        self.checked(wanted, Secret::new(Vec::new()))?;
        check_value(credential, MAX_VALUE).map_err(|_| SecretError::Unusable)?;
        Ok(Secret::new(credential.expose_secret().to_vec()))
    }
}

impl SecretStore for VaultSecrets {
    fn check(&self, wanted: &SecretUse) -> Result<(), SecretError> {
        self.fetch(wanted).map(drop)
    }

    fn fetch(&self, wanted: &SecretUse) -> Result<Secret, SecretError> {
        match &wanted.secret_ref {
            SecretRef::Vault(name) => {
                if self.vault.origin_of(name)? != wanted.origin {
                    return Err(SecretError::Unbound);
                }
                Ok(self.vault.secret(name, &wanted.origin)?)
            }
            SecretRef::Env(_) | SecretRef::File(_) => {
                // Unbound references are not even read.
                let key = binding_key(&wanted.secret_ref, &wanted.origin);
                self.vault
                    .stored_binding(&key)?
                    .ok_or(SecretError::Unbound)?;
                self.checked(wanted, self.read(&wanted.secret_ref)?)
            }
            // This build has no keychain, and a client's credential comes with its request.
            SecretRef::Keyring(_) | SecretRef::Client => Err(SecretError::Unusable),
        }
    }
}

impl std::fmt::Debug for VaultSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultSecrets")
            .field("vault", &self.vault)
            .finish_non_exhaustive()
    }
}

/// A store that also answers for `client:`.
struct WithClient {
    store: Arc<VaultSecrets>,
    credential: Secret,
}

impl SecretStore for WithClient {
    fn check(&self, wanted: &SecretUse) -> Result<(), SecretError> {
        self.fetch(wanted).map(drop)
    }

    fn fetch(&self, wanted: &SecretUse) -> Result<Secret, SecretError> {
        match wanted.secret_ref {
            SecretRef::Client => self.store.client(wanted, &self.credential),
            _ => self.store.fetch(wanted),
        }
    }
}

/// Where a binding is kept. A reference has one origin, so binding it anew replaces the old one; clients
/// bring different credentials, so `client:` may be bound to several.
fn binding_key(secret_ref: &SecretRef, origin: &Origin) -> String {
    match secret_ref {
        SecretRef::Client => format!("client:{origin}"),
        other => other.to_string(),
    }
}
