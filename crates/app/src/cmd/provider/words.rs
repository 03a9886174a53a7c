//! Words of the command line that are one of a few: help, completions and spelling hints list them.

use clap::ValueEnum;
use handshake_core::tier::{ModelTier, Reach};

/// A tier, as it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum TierWord {
    /// Requests stay on this machine.
    Local,
    /// Requests leave this machine.
    Cloud,
}

impl From<TierWord> for ModelTier {
    fn from(word: TierWord) -> Self {
        match word {
            TierWord::Local => Self::Local,
            TierWord::Cloud => Self::Cloud,
        }
    }
}

/// A reach, as it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ReachWord {
    /// The server answers requests itself.
    Direct,
    /// The server is on this machine and forwards requests elsewhere.
    Relay,
}

impl From<ReachWord> for Reach {
    fn from(word: ReachWord) -> Self {
        match word {
            ReachWord::Direct => Self::Direct,
            ReachWord::Relay => Self::Relay,
        }
    }
}

/// A field of a provider that may be absent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Clearable {
    /// The dialect of its kind.
    Dialect,
    /// The model to use when a request names none.
    #[value(alias = "default-model")]
    DefaultModel,
    /// The reference to its secret.
    #[value(alias = "secret-ref")]
    SecretRef,
}
