//! Opening a home, step by step.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use handshake_core::{
    code::ErrorCode,
    ports::{Clock, PeerResolver, ToolExecutor},
    secret::Secret,
    tool::ToolRegistry,
};
use handshake_runtime::tools::Grants;
use handshake_vault::KdfParams;
use zeroize::Zeroizing;

use crate::{
    account::default_trust_dir,
    error::{Error, Result},
    facade::Handshake,
    home::{Home, Making, default_path},
    strength::weakness,
    wire::Wiring,
};

/// What is to be opened, and how. Made by [`Handshake::builder`].
#[must_use = "a builder does nothing until it is opened"]
#[derive(Default)]
pub struct Builder {
    home: Option<PathBuf>,
    trust_dir: Option<PathBuf>,
    approval: Option<Zeroizing<String>>,
    vault: Option<Secret>,
    wiring: Wiring,
}

impl Builder {
    /// The home: where everything of one installation lives. The user's own where none is named.
    pub fn home(mut self, path: impl Into<PathBuf>) -> Self {
        self.home = Some(path.into());
        self
    }

    /// The directory that holds the list of trusted homes and their key files; the one of this account where none is
    /// named, whatever the environment says. Take it from nothing that another could have set. It must lie outside the
    /// home: a copy of a home is not trusted because it says so itself.
    pub fn trust_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust_dir = Some(path.into());
        self
    }

    /// The passphrase with which a person approves, for a home that does not exist yet. A home that is made
    /// without one can call local models only: nobody can approve a cloud call in it until one is set.
    pub fn approval_passphrase(mut self, text: impl Into<String>) -> Self {
        self.approval = Some(Zeroizing::new(text.into()));
        self
    }

    /// The vault's own passphrase, for a home whose key file is not on this machine.
    pub fn vault_passphrase(mut self, secret: Secret) -> Self {
        self.vault = Some(secret);
        self
    }

    /// Tools that models may call, what sessions may do with them, and who runs them. None where this is not called.
    pub fn tools(
        mut self,
        tools: ToolRegistry,
        grants: Grants,
        executor: Arc<dyn ToolExecutor>,
    ) -> Self {
        self.wiring.tools = tools;
        self.wiring.grants = grants;
        self.wiring.executor = executor;
        self
    }

    /// Who looks names up; the system where none is named. What it answers is judged by the gate all the same.
    pub fn resolver(mut self, resolver: Arc<dyn PeerResolver>) -> Self {
        self.wiring.resolver = resolver;
        self
    }

    /// The clocks of the machine; the system's where none are named. For tests: what they say is believed.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.wiring.clock = clock;
        self
    }

    /// An address on which your own program listens. It is never called.
    pub fn own_listener(mut self, address: SocketAddr) -> Self {
        self.wiring.own_listeners.push(address);
        self
    }

    /// Opens the home, or makes it, and wires everything.
    ///
    /// # Errors
    /// `HSK-403-HOME-UNTRUSTED` for a home that this user did not make or trust, `HSK-400-INVALID-CONFIG` for an
    /// approval passphrase that is too weak, and what the vault and the store say.
    pub async fn open(self) -> Result<Handshake> {
        let path = self.home.map_or_else(default_path, Ok)?;
        let trust_dir = self.trust_dir.map_or_else(default_trust_dir, Ok)?;
        let home = match Home::open(&path, &trust_dir)? {
            Some(home) => home,
            None => {
                let approval = self.approval.map(strong).transpose()?;
                let making = Making {
                    approval: approval.as_ref(),
                    recovery: false,
                    kdf: KdfParams::STANDARD,
                    in_place_of: None,
                };
                Home::make(&path, &trust_dir, &making)?
            }
        };
        Handshake::wire(home, self.wiring, self.vault.as_ref()).await
    }
}

fn strong(text: Zeroizing<String>) -> Result<Secret> {
    match weakness(&text) {
        Some(why) => Err(Error::usage(
            ErrorCode::InvalidConfig,
            format!("the approval passphrase is too weak: {why}"),
        )
        .next("use four or five random words")),
        None => Ok(Secret::new(text.as_bytes().to_vec())),
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}
