//! Integration tests.

#[path = "it/corpus.rs"]
mod corpus;
#[path = "it/factory.rs"]
mod factory;
#[path = "it/field.rs"]
mod field;
#[path = "it/recording.rs"]
mod recording;
