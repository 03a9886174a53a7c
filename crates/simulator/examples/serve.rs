//! Serves a script file, or the defaults, until standard input ends.
//!
//! `cargo run -p handshake-simulator --example serve -- [SCRIPT.json]`

use std::error::Error;
use std::io::{Read as _, Write as _};

use handshake_simulator::{Script, SimConfig, Simulator};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let script = match std::env::args().nth(1) {
        Some(path) => Script::from_json(&std::fs::read_to_string(path)?)?,
        None => Script::new(),
    };
    let simulator = Simulator::start(SimConfig::with_script(script)).await?;
    writeln!(std::io::stdout(), "{}", simulator.url())?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    writeln!(
        std::io::stdout(),
        "{} requests, {} bytes",
        simulator.requests(),
        simulator.bytes_received()
    )?;
    simulator.shutdown().await;
    Ok(())
}
