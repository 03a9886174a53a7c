//! What it costs to open a home of many providers, each under a person's seal: `cargo bench -p handshake-llm --bench
//! open [-- N]`. Prints milliseconds, the median of some rounds; asserts nothing.
#![expect(clippy::print_stdout, reason = "what it measures is its result")]

use std::time::{Duration, Instant};

use handshake_core::{
    base_url::BaseUrl,
    ids::{ProviderId, Token},
    ports::RegistryFeed,
    provider::{ProviderDraft, ProviderRecord},
    tier::Reach,
};
use handshake_llm::{Builder, Handshake, Secret};
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery staple";
const ROUNDS: usize = 7;

fn builder(folder: &TempDir) -> Builder {
    Handshake::builder()
        .home(folder.path().join("home"))
        .trust_dir(folder.path().join("trust"))
}

fn record(handshake: &Handshake, number: usize) -> ProviderRecord {
    let draft = ProviderDraft {
        provider_id: ProviderId::new(format!("cloud-{number}")).expect("valid"),
        provider_kind: Token::new("openai_compat").expect("valid"),
        tier: None,
        base_url: BaseUrl::parse(&format!("https://p{number}.example.org/v1")).expect("valid"),
        reach: Reach::Direct,
        dialect: Some(Token::new("generic").expect("valid")),
        default_model: None,
        secret_ref: None,
    };
    let now = handshake.parts().clock.now();
    draft.into_record(now).expect("valid")
}

fn median(mut all: Vec<Duration>) -> f64 {
    all.sort();
    all[all.len() / 2].as_secs_f64() * 1000.0
}

async fn timed<T>(times: &mut Vec<Duration>, work: impl AsyncFnOnce() -> T) -> T {
    let began = Instant::now();
    let done = work().await;
    times.push(began.elapsed());
    done
}

#[tokio::main]
async fn main() {
    let count = std::env::args().find_map(|word| word.parse().ok());
    let count: usize = count.unwrap_or(10_000);
    let folder = TempDir::new().expect("a folder");
    let made = builder(&folder).approval_passphrase(PASSPHRASE).open();
    let made = made.await.expect("made");
    let records: Vec<_> = (0..count).map(|number| record(&made, number)).collect();
    let factor = Secret::new(PASSPHRASE.as_bytes().to_vec());
    let approval = made.parts().vault.approve(Some(&factor)).expect("right");
    let mut import = Vec::new();
    let registered = timed(&mut import, async || {
        let registering = made
            .parts()
            .register_providers(records, Some(&approval), Vec::new());
        registering.await
    });
    registered.await.expect("registered");
    made.finish().await.expect("written");
    drop(made);

    let (mut open, mut view, mut one, mut all) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let opened = timed(&mut open, async || builder(&folder).open().await).await;
        let opened = opened.expect("opened");
        let store = &opened.parts().store;
        let read = timed(&mut view, async || store.current())
            .await
            .expect("read");
        let mut records = read.providers.values();
        let first = records.next().expect("a provider");
        let judged = timed(&mut one, async || read.seals.provider(first)).await;
        judged.expect("sealed");
        timed(&mut all, async || {
            assert!(records.all(|record| read.seals.provider(record).is_ok()));
        })
        .await;
    }
    let file = folder.path().join("home").join("vault.hskv");
    let size = std::fs::metadata(file).expect("a vault").len();
    println!("providers             {count}");
    println!("vault                 {size} bytes");
    println!("register all of them  {:8.1} ms", median(import));
    println!("open the home         {:8.1} ms", median(open));
    println!("read the view         {:8.1} ms", median(view));
    println!("check one seal        {:8.3} ms", median(one));
    println!("check all seals       {:8.1} ms", median(all));
}
