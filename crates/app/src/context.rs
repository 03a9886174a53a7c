//! What every command is given: where output goes, and the home.

use std::path::PathBuf;

use handshake_llm::parts::default_path;

use crate::{
    error::Result,
    out::Out,
    trace,
    wire::{App, Wiring},
};

/// What every command is given.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) out: Out,
    home: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(out: Out, home: Option<PathBuf>) -> Self {
        Self { out, home }
    }

    /// The home's path: the option, the environment, the platform.
    pub(crate) fn home_path(&self) -> Result<PathBuf> {
        match &self.home {
            Some(home) => Ok(home.clone()),
            None => Ok(default_path()?),
        }
    }

    /// Opens the home and wires everything.
    pub(crate) async fn app(&self) -> Result<App> {
        self.app_with(Wiring::default()).await
    }

    /// The same with tools, grants or listeners.
    pub(crate) async fn app_with(&self, wiring: Wiring) -> Result<App> {
        let app = App::open(&self.home_path()?, wiring).await?;
        trace::guard(std::sync::Arc::new(app.guard.clone()));
        Ok(app)
    }
}
