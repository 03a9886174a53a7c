//! What the scenarios work with: the program, and the servers that it is told about.

use serde_json::{Map, Value, json};

use super::{
    handshake::Handshake,
    proxy::Proxy,
    server::Server,
    stream::{Answer, failed, finished},
};

/// What a prompt says and nothing that is kept may hold.
pub(super) const CANARY: &str = "plum-harbour-7391";

/// A server as the program knows it.
#[derive(Debug)]
pub(super) struct Provider {
    /// Its id.
    pub(super) id: &'static str,
    /// Its kind.
    pub(super) kind: &'static str,
    /// Its dialect, for kinds that have dialects.
    pub(super) dialect: Option<&'static str>,
    /// The path of the base URL.
    pub(super) path: &'static str,
    /// The model that it serves.
    pub(super) model: &'static str,
    /// What stands before it.
    pub(super) proxy: Proxy,
    /// Runs for as long as this.
    pub(super) _server: Server,
}

impl Provider {
    /// `provider/model`.
    pub(super) fn model_ref(&self) -> String {
        format!("{}/{}", self.id, self.model)
    }

    /// Where the program finds it.
    pub(super) fn base_url(&self) -> String {
        format!("http://{}{}", self.proxy.addr, self.path)
    }
}

/// The program and the servers.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) hsk: Handshake,
    pub(super) llama: Provider,
    /// Where it could be installed.
    pub(super) ollama: Option<Provider>,
}

/// A chat request on its way to becoming a command line.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    request: Map<String, Value>,
    params: Map<String, Value>,
    flags: Vec<String>,
}

impl Chat {
    /// One prompt. Nothing is left to chance that a server lets us fix.
    pub(super) fn new(prompt: &str) -> Self {
        let messages = json!([{ "role": "user", "content": prompt }]);
        Self {
            request: Map::from_iter([("messages".to_owned(), messages)]),
            params: Map::new(),
            flags: Vec::new(),
        }
        .param("temperature", 0.0)
        .param("seed", 7)
        .param("max_tokens", 48)
    }

    /// To a model, `provider/model`.
    pub(super) fn to(self, model: impl Into<String>) -> Self {
        self.with("model", model.into())
    }

    /// One member of the request.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.request.insert(name.to_owned(), value.into());
        self
    }

    /// One parameter.
    pub(super) fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    /// A flag of the command and its value.
    pub(super) fn flag(mut self, name: &str, value: impl Into<String>) -> Self {
        self.flags.extend([name.to_owned(), value.into()]);
        self
    }

    /// The command line: the request goes through a file.
    pub(super) fn args(mut self, hsk: &Handshake) -> Result<Vec<String>, String> {
        self.request.insert("params".to_owned(), self.params.into());
        let file = hsk.file("request.json", &self.request.into())?;
        let mut args = vec!["chat".to_owned(), "--request".to_owned(), file];
        args.extend(self.flags);
        Ok(args)
    }

    /// Runs it; the stream ends well. Returns it with its finish reason.
    pub(super) fn finishes(self, hsk: &Handshake) -> Result<(Answer, String), String> {
        let answer = hsk.run(&self.args(hsk)?)?.exits(0)?;
        let reason = finished(&answer)?.to_owned();
        Ok((answer, reason))
    }

    /// Runs it; the stream ends in that error, and the program with that status.
    pub(super) fn fails(self, hsk: &Handshake, code: &str, status: i32) -> Result<Answer, String> {
        let answer = hsk.run(&self.args(hsk)?)?.exits(status)?;
        failed(&answer, code)?;
        Ok(answer)
    }
}

/// Holds, or says what does not.
pub(super) fn ensure(holds: bool, what: &str, answer: &Answer) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("{what}: {}", answer.short()))
    }
}
