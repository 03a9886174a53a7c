//! The rules that a person confirmed, as they are sealed.

use handshake_core::{
    digest::NotCanonical,
    seal::{Needs, SealKind, Sealable, Statement},
    time::UtcTime,
};

use crate::rules::Rules;

/// That a person confirmed these rules.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmedRules<'a>(pub &'a Rules);

impl ConfirmedRules<'_> {
    /// One set of rules is confirmed at a time, so the id says only that.
    pub const ID: &'static str = "confirmed";
}

impl Sealable for ConfirmedRules<'_> {
    fn statement(&self, made_at: UtcTime) -> Result<Statement, NotCanonical> {
        Statement::new(SealKind::Policy, Self::ID, 0, &self.0.digest(), made_at)
    }

    /// Always a person's: what needs none is not confirmed.
    fn needs(&self, _: bool) -> Needs {
        Needs::Signature
    }

    fn is_registered(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rt_b09_other_rules_are_another_statement() {
        let at = UtcTime::from_unix_millis(1);
        let of = |rules: &Rules| ConfirmedRules(rules).statement(at).expect("canonical");
        let wide = Rules {
            disabled_rules: ["github-token".to_owned()].into(),
            ..Rules::default()
        };
        assert_eq!(of(&wide), of(&wide.clone()));
        assert_ne!(of(&wide), of(&Rules::default()));
        assert_eq!(of(&wide).subject(), of(&Rules::default()).subject());
        assert_eq!(ConfirmedRules(&wide).needs(false), Needs::Signature);
    }
}
