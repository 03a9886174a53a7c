//! `handshake serve`: the gateway.

use std::net::SocketAddr;

use crate::{
    context::Context,
    error::{Exit, Result},
    serve,
};

/// Run the gateway for OpenAI clients on a loopback port.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  handshake token create my-editor\n  handshake serve\n  OPENAI_BASE_URL=http://127.0.0.1:4477/v1 OPENAI_API_KEY=hsk_… my-editor\n\nThe signal USR1 stops cloud calls as `handshake stop` does; INT and TERM end the gateway."
)]
pub(crate) struct Args {
    /// Loopback address to listen on.
    #[arg(
        long,
        default_value = "127.0.0.1:4477",
        value_name = "ADDRESS",
        overrides_with = "listen"
    )]
    listen: SocketAddr,
    /// Also accept this Host header, for clients in containers.
    #[arg(long, value_name = "HOST")]
    allow_host: Vec<String>,
}

pub(crate) async fn run(cx: &Context, args: Args) -> Result<Exit> {
    serve::run(cx, args.listen, args.allow_host).await
}
