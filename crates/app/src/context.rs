//! What every command is given: where output goes, the home, and the list of trusted homes.

use std::path::PathBuf;

use handshake_llm::parts::{Home, Place, default_path, default_trust_dir};

use crate::{
    error::Result,
    home,
    out::Out,
    trace,
    wire::{App, Wiring},
};

/// What every command is given.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) out: Out,
    home: Option<PathBuf>,
    trust_dir: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(out: Out, home: Option<PathBuf>, trust_dir: Option<PathBuf>) -> Self {
        Self {
            out,
            home,
            trust_dir,
        }
    }

    /// The home's path: the option, the environment, the platform.
    pub(crate) fn home_path(&self) -> Result<PathBuf> {
        match &self.home {
            Some(home) => Ok(home.clone()),
            None => Ok(default_path()?),
        }
    }

    /// Where the list of trusted homes is: the option, or the account's own place. Never the environment: whoever sets
    /// that for a program could name a list that trusts their home.
    pub(crate) fn trust_dir(&self) -> Result<PathBuf> {
        match &self.trust_dir {
            Some(dir) => Ok(dir.clone()),
            None => Ok(default_trust_dir()?),
        }
    }

    /// How the home's path stands with that list.
    pub(crate) fn place(&self) -> Result<Place> {
        Ok(Place::at(&self.home_path()?, &self.trust_dir()?)?)
    }

    /// Opens the home, where there is one. Makes none.
    pub(crate) fn open_home(&self) -> Result<Option<Home>> {
        Ok(Home::open(&self.home_path()?, &self.trust_dir()?)?)
    }

    /// Opens the home, or makes it, and wires everything.
    pub(crate) async fn app(&self) -> Result<App> {
        self.app_with(Wiring::default()).await
    }

    /// The same with tools, grants or listeners.
    pub(crate) async fn app_with(&self, wiring: Wiring) -> Result<App> {
        let app = App::wire(home::open_or_make(self)?, wiring).await?;
        trace::guard(std::sync::Arc::new(app.guard.clone()));
        Ok(app)
    }
}
