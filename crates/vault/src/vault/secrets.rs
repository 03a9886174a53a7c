//! Secrets and what they are bound to.

use handshake_core::{
    base_url::Origin,
    digest::{CommitmentKey, KeyedHash},
    secret::{Secret, SecretBinding, SecretRef},
};
use subtle::ConstantTimeEq as _;

use super::{KEYS, Vault, commitment_bound_to};
use crate::{
    codec::Hex,
    crypto::Key,
    error::VaultError,
    index::{SecretInfo, SecretRecord, check_name, check_value},
};

/// The longest value.
pub(crate) const MAX_VALUE: usize = 8192;

const VALUES: &str = "hsk.vault.values.v1";
const BINDINGS: &str = "hsk.vault.bindings.v1";

impl Vault {
    /// Puts a secret, bound to the only origin that may receive it. An older value or origin of that name is
    /// replaced. Widening: the caller asks for the approval factor first.
    ///
    /// # Errors
    /// [`VaultError::InvalidName`], [`VaultError::InvalidValue`]; [`VaultError::ReadBack`] when it cannot be
    /// read back; [`VaultError::Io`].
    pub fn put_secret(
        &self,
        name: &str,
        origin: Origin,
        value: &Secret,
    ) -> Result<SecretInfo, VaultError> {
        check_name(name)?;
        check_value(value, MAX_VALUE)?;
        self.seal_secret(name, |_| Ok(origin), value)
    }

    /// Replaces the value and keeps the origin.
    ///
    /// # Errors
    /// [`VaultError::UnknownSecret`], and as [`Vault::put_secret`].
    pub fn rotate(&self, name: &str, value: &Secret) -> Result<SecretInfo, VaultError> {
        check_value(value, MAX_VALUE)?;
        let keep = |before: Option<&SecretRecord>| {
            before
                .map(|before| before.origin.clone())
                .ok_or(VaultError::UnknownSecret)
        };
        self.seal_secret(name, keep, value)
    }

    fn seal_secret(
        &self,
        name: &str,
        origin: impl FnOnce(Option<&SecretRecord>) -> Result<Origin, VaultError>,
        value: &Secret,
    ) -> Result<SecretInfo, VaultError> {
        let key = self.key(VALUES);
        let info = self.change(|_, index| {
            let before = index.secrets.get(name);
            let origin = origin(before)?;
            let record = SecretRecord::seal(
                (&self.vault_id, &key, &*self.entropy),
                (name, origin, value),
                before,
                self.clock.now(),
            );
            let info = record.info(name);
            index.secrets.insert(name.to_owned(), record);
            Ok(info)
        })?;
        let read = self.secret(name, &info.origin)?;
        if bool::from(read.expose_secret().ct_eq(value.expose_secret())) {
            Ok(info)
        } else {
            Err(VaultError::ReadBack)
        }
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// [`VaultError::UnknownSecret`]; [`VaultError::Io`].
    pub fn remove(&self, name: &str) -> Result<(), VaultError> {
        self.change(|_, index| match index.secrets.remove(name) {
            Some(_) => Ok(()),
            None => Err(VaultError::UnknownSecret),
        })
    }

    /// Names, origins and times, by name. Never a value.
    ///
    /// # Errors
    /// [`VaultError`] when the file changed and cannot be read any more.
    pub fn list(&self) -> Result<Vec<SecretInfo>, VaultError> {
        Ok(self
            .current()?
            .index
            .secrets
            .iter()
            .map(|(name, record)| record.info(name))
            .collect())
    }

    /// Every value with its name, for enrolling it with the leak matcher of this process. Nothing else may
    /// have them.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when a value does not open.
    pub fn needles(&self) -> Result<Vec<(String, Secret)>, VaultError> {
        let (key, state) = (self.key(VALUES), self.current()?);
        let open = |(name, record): (&String, &SecretRecord)| {
            Ok((
                name.clone(),
                record.open((&self.vault_id, &key), name, &record.origin)?,
            ))
        };
        state.index.secrets.iter().map(open).collect()
    }

    /// The value for an origin; [`VaultError::Damaged`] for any other origin, since it does not open then.
    pub(crate) fn secret(&self, name: &str, origin: &Origin) -> Result<Secret, VaultError> {
        let state = self.current()?;
        let record = state
            .index
            .secrets
            .get(name)
            .ok_or(VaultError::UnknownSecret)?;
        record.open((&self.vault_id, &self.key(VALUES)), name, origin)
    }

    /// The origin of a secret of the vault.
    pub(crate) fn origin_of(&self, name: &str) -> Result<Origin, VaultError> {
        let state = self.current()?;
        state
            .index
            .secrets
            .get(name)
            .map(|record| record.origin.clone())
            .ok_or(VaultError::UnknownSecret)
    }

    /// The keyed hash of a value, as bindings hold it.
    pub(crate) fn value_hash(
        &self,
        secret_ref: &SecretRef,
        value: &[u8],
    ) -> Result<KeyedHash, VaultError> {
        let key = self.key(BINDINGS);
        let key = CommitmentKey::new(*key.as_bytes()).map_err(|_| VaultError::Damaged)?;
        Ok(key.commit(
            "hsk.secret_value.v1",
            &[secret_ref.to_string().as_bytes(), value],
        ))
    }

    pub(crate) fn put_binding(
        &self,
        key: String,
        binding: SecretBinding,
    ) -> Result<(), VaultError> {
        self.change(|_, index| {
            index.bindings.insert(key, binding);
            Ok(())
        })
    }

    pub(crate) fn remove_binding(&self, key: &str) -> Result<bool, VaultError> {
        self.change(|_, index| Ok(index.bindings.remove(key).is_some()))
    }

    pub(crate) fn stored_binding(&self, key: &str) -> Result<Option<SecretBinding>, VaultError> {
        Ok(self.current()?.index.bindings.get(key).cloned())
    }

    pub(crate) fn stored_bindings(&self) -> Result<Vec<SecretBinding>, VaultError> {
        Ok(self.current()?.index.bindings.values().cloned().collect())
    }

    /// The key under which events commit to content, and its number, which goes on the events.
    ///
    /// # Errors
    /// [`VaultError::Damaged`] when the key is damaged or all zero. Events then hold no commitment; their
    /// order stays verifiable.
    pub fn commitment_key(&self) -> Result<(u64, CommitmentKey), VaultError> {
        let state = self.current()?;
        let sealed = &state.index.keys.commitment;
        let key = self
            .key(KEYS)
            .open(
                &sealed.key.0,
                &commitment_bound_to(&self.vault_id, sealed.number),
            )
            .map_err(|_| VaultError::Damaged)?;
        let key = Key::from_slice(&key).ok_or(VaultError::Damaged)?;
        let key = CommitmentKey::new(*key.as_bytes()).map_err(|_| VaultError::Damaged)?;
        Ok((sealed.number, key))
    }

    /// Makes a new commitment key and destroys the old one: what was committed under it becomes unprovable
    /// and unguessable. Every lease asks anew about everything afterwards.
    ///
    /// # Errors
    /// [`VaultError`] when the vault cannot be written.
    pub fn replace_commitment_key(&self) -> Result<u64, VaultError> {
        self.change(|_, index| {
            let number = index.keys.commitment.number.saturating_add(1);
            let bound = commitment_bound_to(&self.vault_id, number);
            let fresh = Key::random(&*self.entropy);
            let key = Hex(self
                .key(KEYS)
                .seal(&*self.entropy, fresh.as_bytes(), &bound));
            index.keys.commitment = crate::index::SealedKey { number, key };
            Ok(number)
        })
    }
}
