//! Integration tests.

#[path = "it/corpus.rs"]
mod corpus;
#[path = "it/factory.rs"]
mod factory;
#[path = "it/recording.rs"]
mod recording;
