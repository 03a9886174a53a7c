#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod binary;
mod bytes;
mod checksum;
mod engine;
pub mod enroll;
mod error;
pub mod guard;
mod matcher;
mod pack;
mod places;
mod rarity;
mod redact;
mod rule;
mod sample;
mod scan;
mod stored;
mod tree;
mod validator;
mod view;

pub use checksum::Checksum;
pub use engine::{Engine, Places, Verdict, default_budget};
pub use enroll::{Enrolment, Refused, SharedEnrolment};
pub use error::PackError;
pub use guard::SinkGuard;
pub use redact::Redactor;
pub use rule::RuleInfo;
pub use stored::{SharedStored, StoredValidator};
pub use validator::SecretValidator;
