//! Every requirement has a test that is named after it.

use crate::{report::Finding, rules, source::Facts};

/// A finding per id for which no test function is called `id_…`.
pub(super) fn check(all: &[Facts], required: &[String]) -> Vec<Finding> {
    let missing = required.iter().filter(|id| {
        let prefix = format!("{id}_");
        !all.iter()
            .flat_map(|f| &f.fns)
            .any(|f| f.in_test && f.text.starts_with(&prefix))
    });
    missing
        .map(|id| {
            let message = format!("no test is named after the requirement {id}");
            let mend = format!("write the test that shows it and call it `{id}_…`");
            Finding::new(&rules::path("tidy"), "tidy.requirement", message, mend)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::scan_text;

    #[test]
    fn a_requirement_needs_a_test_not_just_a_function() {
        let tests = scan_text(
            "crates/a/tests/it.rs",
            "//! t\nproptest! { #[test] fn q1_x(n in 0..3) {} }\n",
        );
        let live = scan_text(
            "crates/a/src/lib.rs",
            "//! t\nfn q2_x() {}\nfn q10_x() {}\n",
        );
        let required = ["q1".to_owned(), "q2".to_owned()];
        let messages: Vec<_> = check(&[tests, live], &required)
            .into_iter()
            .map(|f| f.message)
            .collect();
        assert_eq!(messages, ["no test is named after the requirement q2"]);
        assert_eq!(check(&[], &[]), [], "an empty list turns it off");
    }
}
