//! The log against everything that can be done to it.

#[path = "it/cli.rs"]
mod cli;
#[path = "it/export.rs"]
mod export;
#[path = "it/keys.rs"]
mod keys;
#[path = "it/leaves.rs"]
mod leaves;
#[path = "it/mutations.rs"]
mod mutations;
#[path = "it/receipts.rs"]
mod receipts;
#[path = "it/sample.rs"]
mod sample;
#[path = "it/seams.rs"]
mod seams;
