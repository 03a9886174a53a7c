//! Conformance suites: one function per promise of a port's contract. Each panics with what was broken.

pub mod artifact;
pub mod profile;
pub mod provider;
pub mod session;
