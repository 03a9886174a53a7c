//! `handshake demo`: the whole mission, in five acts, on a fresh machine.

use handshake_core::base_url::BaseUrl;

use crate::{
    context::Context,
    demo,
    error::{Exit, Result},
};

/// Run the guided demo in a temporary home.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  handshake demo\n  handshake demo --yes-demo")]
pub(crate) struct Args {
    /// Use the Ollama server at this URL for the local acts [default: its usual address].
    #[arg(long, value_name = "URL")]
    local_url: Option<String>,
    /// Approve with the demo's own key instead of asking at the terminal.
    #[arg(long)]
    yes_demo: bool,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    let local_url = args.local_url.as_deref().map(BaseUrl::parse).transpose()?;
    demo::run(cx.out, local_url, args.yes_demo).await
}
