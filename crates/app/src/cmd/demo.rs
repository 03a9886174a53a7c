//! `handshake demo`: the whole mission, in five acts, on a fresh machine.

use handshake_core::base_url::BaseUrl;

use crate::{
    cx::Cx,
    demo,
    error::{Exit, Result},
};

/// The whole mission on a fresh machine, in a temporary home of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  handshake demo\n  handshake demo --yes-demo")]
pub(crate) struct Args {
    /// A real Ollama to use for the local acts, instead of the one at its usual address.
    #[arg(long, value_name = "URL")]
    local_url: Option<String>,
    /// The demo's own key approves, without asking at the terminal.
    #[arg(long)]
    yes_demo: bool,
}

pub(crate) async fn run(cx: &Cx, args: Args) -> Result<Exit> {
    let local_url = args.local_url.as_deref().map(BaseUrl::parse).transpose()?;
    demo::run(cx.out, local_url, args.yes_demo).await
}
