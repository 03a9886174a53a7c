//! What can be wrong with a rule pack. Scanning itself fails only with `ValidatorError`.

/// A rule pack that cannot be used. Names the rule, never a value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The file is not TOML of the documented form.
    #[error("cannot read the rule pack: {0}")]
    Syntax(String),
    /// A rule's id is not a rule id.
    #[error("invalid rule id: {0:?}")]
    Id(String),
    /// Two rules have the same id.
    #[error("duplicate rule: {0}")]
    Duplicate(String),
    /// An anchor is missing, shorter than three bytes or not ASCII.
    #[error("rule without ASCII anchors of at least three bytes: {0}")]
    Anchor(String),
    /// The pattern does not compile within its size limit.
    #[error("pattern does not compile within its size limit: rule {0}")]
    Pattern(String),
    /// There is no such rule. What is code rather than a rule, enrolled secrets first of all, cannot be switched off.
    #[error("no rule of this name can be switched off: {0}")]
    Unknown(String),
    /// The automaton over all anchors could not be built.
    #[error("too many anchors in the rule pack")]
    TooLarge,
}
