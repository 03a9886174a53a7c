//! Conformance suites: one function per promise of a port's contract. Each panics with what was broken.

pub mod adapter;
pub mod artifact;
pub mod consent;
pub mod feed;
pub mod finding;
mod home;
pub mod ledger;
pub mod profile;
pub mod provider;
pub mod queue;
pub mod session;

pub use self::home::Home;
