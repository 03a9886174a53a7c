//! A cloud call with your own approval window, in a home that has an approval passphrase and a cloud provider:
//! `cargo run -p handshake-llm --example own_window -- openai/gpt-5-mini 'Say hello'`
#![allow(clippy::print_stdout, reason = "an example prints")]

use handshake_llm::{
    Approver, ChatEvent, Error, ErrorCode, Handshake, Preview, RequestId, Secret, TurnEvent,
    shown::{PartState, Shown},
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, prompt] = args.as_slice() else {
        println!("usage: own_window PROVIDER/MODEL PROMPT");
        return Ok(());
    };
    let handshake = Handshake::builder().open().await?;
    let answer = ask_first(&handshake, model, prompt, window).await?;
    println!("{answer}");
    handshake.finish().await
}

/// Calls a model. Where a person must be asked, the window is shown: it gives the passphrase back for a yes.
pub async fn ask_first<W>(
    handshake: &Handshake,
    model: &str,
    prompt: &str,
    window: W,
) -> Result<String, Error>
where
    W: Fn(&Preview, &Shown) -> Option<Secret> + Clone + Send + 'static,
{
    let mut call = handshake.chat(handshake.ask(model, prompt)?);
    let mut answer = String::new();
    while let Some(event) = call.next().await {
        match event? {
            // In a task of its own: a call that is not polled does not wait, and what nobody waits for is withdrawn.
            TurnEvent::AwaitingConsent { request_id, .. } => {
                let decision = decide(handshake.approver(), request_id, window.clone());
                tokio::spawn(async move {
                    if let Err(error) = decision.await {
                        println!("error: {error}");
                    }
                });
            }
            TurnEvent::Chat(ChatEvent::TextDelta { text }) => answer.push_str(&text),
            _ => {}
        }
    }
    Ok(answer)
}

/// Shows the window until there is an answer.
async fn decide(
    approver: Approver,
    id: RequestId,
    window: impl Fn(&Preview, &Shown) -> Option<Secret>,
) -> Result<(), Error> {
    // The bytes are compared with the plan here: what is shown is what is signed, and what is sent.
    let preview = approver.open(id).await?;
    let shown = preview.shown().await?;
    loop {
        let Some(passphrase) = tokio::task::block_in_place(|| window(&preview, &shown)) else {
            return preview.deny().await;
        };
        match preview.approve_once(&passphrase).await {
            Err(error) if error.code == ErrorCode::FactorRequired => println!("error: {error}"),
            done => return done.map(drop),
        }
    }
}

/// The window: this one is a terminal, and encodes nothing. What is new comes first; all of it is in the body.
fn window(preview: &Preview, shown: &Shown) -> Option<Secret> {
    let summary = &shown.summary;
    println!("To       {}{}", summary.to.origin, summary.to.path);
    println!("Bytes    {} ({} new)", summary.bytes, summary.new.bytes);
    println!("Why      {:?}", summary.asked_because);
    println!("Findings {:?}", summary.findings);
    for part in shown.parts.iter().filter(|it| it.state != PartState::Known) {
        println!("{:?}: {:?}", part.source, part.pieces);
    }
    println!("{}", String::from_utf8_lossy(preview.body()));
    println!("Approval passphrase (leave empty to deny; it is shown as you type):");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).ok()?;
    let typed = line.trim_end_matches(['\r', '\n']);
    (!typed.is_empty()).then(|| Secret::new(typed.as_bytes().to_vec()))
}
