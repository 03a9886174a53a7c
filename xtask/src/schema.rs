//! `schema`: `schemas/<name>.json` equal what the published types say.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    generated::{Artefact, Files},
    report::CannotRun,
};

/// The example prints one object, name to schema.
pub(crate) const ARTEFACT: Artefact = Artefact {
    check: "schema",
    example: "schemas",
    place: ("schemas/", ".json"),
    files,
};

fn files(printed: &str) -> Result<Files, CannotRun> {
    let schemas: BTreeMap<String, Value> = serde_json::from_str(printed).map_err(|e| {
        CannotRun::new(format!(
            "the example `schemas` prints no object of schemas: {e}"
        ))
    })?;
    if schemas.is_empty() {
        return Err(CannotRun::new(
            "the example `schemas` prints no schema at all",
        ));
    }
    schemas
        .into_iter()
        .map(|(name, mut schema)| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
            if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
                return Err(CannotRun::new(format!("`{name}` cannot name a file")));
            }
            // The order of members must not depend on how serde_json was compiled.
            schema.sort_all_objects();
            let text = serde_json::to_string_pretty(&schema)
                .map_err(|e| CannotRun::new(format!("schema `{name}`: {e}")))?;
            Ok((format!("schemas/{name}.json"), format!("{text}\n")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_schema_is_a_pretty_file_in_a_fixed_order() {
        let made = files(r#"{"hsk.a@0.1":{"type":"object","$id":"a"}}"#).expect("made");
        let want = "{\n  \"$id\": \"a\",\n  \"type\": \"object\"\n}\n";
        assert_eq!(
            made.into_iter().collect::<Vec<_>>(),
            [("schemas/hsk.a@0.1.json".to_owned(), want.to_owned())]
        );
    }

    #[test]
    fn a_name_that_leaves_the_folder_and_an_empty_answer_are_refused() {
        for bad in [
            r#"{"../x":{}}"#,
            r#"{"a/b":{}}"#,
            r#"{"":{}}"#,
            r#"{".x":{}}"#,
            "{}",
            "[]",
            "",
            "x",
        ] {
            assert!(files(bad).is_err(), "{bad}");
        }
    }
}
