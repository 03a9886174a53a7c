//! The facade, as commands hold it.

use std::{ops::Deref, path::Path};

use handshake_core::ids::ExternalId;
use handshake_llm::{
    Approver, Handshake,
    parts::{Home, Parts},
};

pub(crate) use handshake_llm::parts::Wiring;

use crate::{error::Result, home};

/// Everything that a command may need.
pub(crate) struct App(Handshake);

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        self.0.parts()
    }
}

impl App {
    /// Opens the home, or makes it, and wires everything.
    pub(crate) async fn open(path: &Path, wiring: Wiring) -> Result<Self> {
        Self::wire(home::open_or_make(path)?, wiring).await
    }

    /// Wires everything over an open home.
    pub(crate) async fn wire(home: Home, wiring: Wiring) -> Result<Self> {
        let passphrase = home::passphrase(&home)?;
        let handshake = Handshake::wire(home, wiring, passphrase.as_ref()).await?;
        Ok(Self(handshake))
    }

    /// The person's side of consent, at this terminal.
    pub(crate) fn approver(&self) -> Result<Approver> {
        Ok(self.0.approver().on_surface(ExternalId::new("terminal")?))
    }
}
