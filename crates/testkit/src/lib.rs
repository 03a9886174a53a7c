#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod broken_logs;
pub mod canary;
pub mod capture;
pub mod field;
pub mod fixture;
pub mod gate;
pub mod memory;
pub mod mock;
pub mod suite;

pub use self::gate::cleared;
