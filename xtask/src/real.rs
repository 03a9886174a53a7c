//! `real`: the program against two real servers on this machine. A llama.cpp server out of a Python package, and an
//! Ollama daemon built from its module where a Go toolchain is there, both with the same tiny model.
//!
//! Everything lies under `target/real`: what is installed stays between runs, the program's home is new every time.
//! Only loopback and the package registries are spoken to, and the servers end with the run, however it ends.

mod bench;
mod handshake;
mod install;
mod places;
mod proxy;
mod scenarios;
mod server;
mod stream;
mod tool;

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
};

use self::{
    bench::{Bench, Provider},
    handshake::Handshake,
    install::{Llama, Ollama},
    places::Places,
    proxy::Proxy,
    server::{Server, Spec, free_port},
    tool::Tool,
};
use crate::{
    report::{CannotRun, CheckResult, Finding},
    workspace::Workspace,
};

/// What both servers call the model; the daemon adds a tag.
const MODEL: &str = "smol";

/// Runs every scenario. What cannot be installed is an error, except for the daemon on a machine that cannot build
/// it: that is said, and left out.
pub(crate) fn check(workspace: &Workspace) -> CheckResult {
    let places = Places::new(&workspace.root);
    fs::create_dir_all(&places.dir).map_err(|e| CannotRun::new(format!("target/real: {e}")))?;
    // Held until the end: a second run at the same time would take away the first one's home.
    let _lock = lock(&places)?;
    let bench = bench(workspace, &places).map_err(CannotRun::new)?;
    let failures = scenarios::run(&bench, |line| workspace.say(line));
    drop(bench);
    Ok(failures
        .into_iter()
        .map(|failure| {
            let rule = format!("real.{}", failure.name);
            let mend = "mend what it names; target/real holds the logs of the servers and the home";
            Finding::new("xtask/src/real/scenarios.rs", &rule, failure.what, mend)
        })
        .collect())
}

fn lock(places: &Places) -> Result<File, CannotRun> {
    let failed = |why: String| CannotRun::new(format!("target/real cannot be locked: {why}"));
    let file = File::create(places.dir.join("lock")).map_err(|e| failed(e.to_string()))?;
    file.try_lock().map_err(|e| failed(e.to_string()))?;
    Ok(file)
}

/// Installs, builds and starts everything.
fn bench(workspace: &Workspace, places: &Places) -> Result<Bench, String> {
    let say = |line: &str| workspace.say(&format!("real: {line}"));
    say("llama.cpp and the model …");
    let llama = install::llama(places).map_err(|why| format!("llama.cpp: {why}"))?;
    say("Ollama, which takes minutes the first time …");
    let ollama =
        install::ollama(places, &workspace.cargo).map_err(|why| format!("Ollama: {why}"))?;
    say("the program …");
    let program = handshake::build(&workspace.cargo)?;
    let around = places
        .empty("run")
        .map_err(|e| format!("target/real: {e}"))?;
    let ollama = match ollama {
        Ollama::Installed(program) => Some(
            start_ollama(places, &program, &llama.model).map_err(|why| format!("Ollama: {why}"))?,
        ),
        Ollama::Skipped(why) => {
            say(&format!(
                "SKIPPED everything about Ollama, and the swap: {why}"
            ));
            None
        }
    };
    Ok(Bench {
        hsk: Handshake::new(program, around),
        llama: start_llama(places, &llama).map_err(|why| format!("llama.cpp: {why}"))?,
        ollama,
    })
}

fn start_llama(places: &Places, llama: &Llama) -> Result<Provider, String> {
    let port = free_port().map_err(|e| e.to_string())?;
    let script = places.given.join("llama_server.py");
    let server = Server::start(Spec {
        program: &llama.python,
        args: vec![
            text(&script),
            text(&llama.model),
            port.to_string(),
            MODEL.to_owned(),
        ],
        envs: vec![("HOME", text(&places.dir))],
        ready: "/health",
        log: places.log("llama"),
        port,
    })?;
    Ok(Provider {
        id: "llama",
        kind: "openai_compat",
        dialect: Some("llamacpp"),
        path: "/v1",
        model: MODEL,
        proxy: before(server.addr)?,
        _server: server,
    })
}

fn start_ollama(places: &Places, program: &Path, model: &Path) -> Result<Provider, String> {
    let failed = |e: std::io::Error| e.to_string();
    let port = free_port().map_err(failed)?;
    let home = places.dir.join("ollama");
    fs::create_dir_all(&home).map_err(failed)?;
    let host = SocketAddr::from(([127, 0, 0, 1], port)).to_string();
    let server = Server::start(Spec {
        program,
        args: vec!["serve".to_owned()],
        envs: vec![
            ("HOME", text(&home)),
            ("OLLAMA_MODELS", text(&home.join("models"))),
            ("OLLAMA_HOST", host.clone()),
            // Names that it would forward to its vendor are refused by itself, should one ever reach it.
            ("OLLAMA_NO_CLOUD", "1".to_owned()),
        ],
        ready: "/api/version",
        log: places.log("ollama"),
        port,
    })?;
    let modelfile = home.join("Modelfile");
    let template = fs::read_to_string(places.given.join("Modelfile")).map_err(failed)?;
    fs::write(&modelfile, format!("FROM {}\n{template}", model.display())).map_err(failed)?;
    let log = places.log("ollama-create");
    fs::write(&log, "").map_err(failed)?;
    Tool::new(program)
        .args(["create", MODEL, "-f"])
        .args([&modelfile])
        .env("HOME", &home)
        .env("OLLAMA_HOST", host)
        .run(&log)?;
    Ok(Provider {
        id: "ollama",
        kind: "ollama",
        dialect: None,
        path: "",
        model: "smol:latest",
        proxy: before(server.addr)?,
        _server: server,
    })
}

fn before(server: SocketAddr) -> Result<Proxy, String> {
    Proxy::before(server).map_err(|e| format!("the proxy before it: {e}"))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_at_a_time_are_one_too_many() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        fs::create_dir_all(&places.dir).expect("made");
        let first = lock(&places).expect("free");
        assert!(lock(&places).is_err());
        drop(first);
        assert!(lock(&places).is_ok());
    }
}
