//! A first call, streamed. Start a model server on this machine, for one `handshake simulate`, then
//! `cargo run -p handshake-llm --example first_call -- http://127.0.0.1:11434 MODEL 'Say hello'`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::{env, path::Path};

use handshake_llm::{ChatEvent, Error, Handshake, TurnEvent};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arg = |n| {
        env::args()
            .nth(n)
            .expect("usage: first_call URL MODEL PROMPT")
    };
    let dir = env::temp_dir().join("handshake-first-call");
    first_call(&dir, &arg(1), &arg(2), &arg(3)).await.map(drop)
}

/// Opens a home in a folder of its own, registers the server, and prints the answer as it comes.
pub async fn first_call(dir: &Path, url: &str, model: &str, ask: &str) -> Result<String, Error> {
    let home = Handshake::builder().home(dir.join("home"));
    let handshake = home.trust_dir(dir.join("config")).open().await?;
    handshake
        .add_local_provider("local", "ollama", url, None)
        .await?;

    let mut call = handshake.chat(handshake.ask(&format!("local/{model}"), ask)?);
    let mut answer = String::new();
    while let Some(event) = call.next().await {
        if let TurnEvent::Chat(ChatEvent::TextDelta { text }) = event? {
            println!("{text}");
            answer.push_str(&text);
        }
    }
    handshake.finish().await?;
    Ok(answer)
}
