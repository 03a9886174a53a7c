//! `codes`: `docs/codes.md` equals the one table of codes.

use crate::{
    generated::{Artefact, Files},
    report::CannotRun,
};

const PATH: &str = "docs/codes.md";

/// The example prints the document.
pub(crate) const ARTEFACT: Artefact = Artefact {
    check: "codes",
    example: "codes",
    place: (PATH, PATH),
    files,
};

fn files(printed: &str) -> Result<Files, CannotRun> {
    let text = printed.trim_end();
    if text.is_empty() {
        return Err(CannotRun::new("the example `codes` prints nothing"));
    }
    Ok(Files::from([(PATH.to_owned(), format!("{text}\n"))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_ends_with_one_newline_and_is_never_empty() {
        assert_eq!(files("# Codes\n\n\n").expect("made")[PATH], "# Codes\n");
        assert!(files(" \n").is_err());
    }
}
