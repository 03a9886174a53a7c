//! What can be wrong with a rule pack. Scanning itself fails only with `ValidatorError`.

/// A rule pack that cannot be used. Names the rule, never a value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The file is not TOML of the documented form.
    #[error("the rule pack cannot be read: {0}")]
    Syntax(String),
    /// A rule's id is not a rule id.
    #[error("rule id {0:?} is not valid")]
    Id(String),
    /// Two rules share an id.
    #[error("rule {0} is there twice")]
    Duplicate(String),
    /// An anchor is missing, shorter than three bytes or not ASCII.
    #[error("rule {0} needs ASCII anchors of three bytes or more")]
    Anchor(String),
    /// The pattern does not compile within its size limit.
    #[error("the pattern of rule {0} does not compile within its limit")]
    Pattern(String),
    /// The automaton over all anchors could not be built.
    #[error("the anchors of the rule pack are too many")]
    TooLarge,
}
