//! The simulator over raw sockets: no HTTP client that could mend what it says.

#[path = "it/client.rs"]
mod client;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/ollama.rs"]
mod ollama;
#[path = "it/openai.rs"]
mod openai;
#[path = "it/quirks.rs"]
mod quirks;
#[path = "it/records.rs"]
mod records;
#[path = "it/script.rs"]
mod script;
