//! Which file a `mod name;` means, and so which files only tests compile and which nothing compiles.

use std::collections::BTreeSet;

use super::{Facts, syntax::ModDecl};

/// The folder of the member that a file belongs to: `crates/core` of `crates/core/src/x.rs`.
pub(crate) fn member_of(file: &str) -> Option<&str> {
    let depth = if file.starts_with("crates/") { 2 } else { 1 };
    let end = file.match_indices('/').nth(depth - 1)?.0;
    Some(&file[..end])
}

/// Whether cargo itself compiles the file, as a target of its own.
pub(crate) fn is_root(file: &str) -> bool {
    let Some(inside) = member_of(file).and_then(|m| file.strip_prefix(m)) else {
        return false;
    };
    let parts: Vec<&str> = inside.split('/').skip(1).collect();
    matches!(
        parts.as_slice(),
        ["build.rs"]
            | ["src", "lib.rs" | "main.rs"]
            | ["src", "bin", _]
            | ["src", "bin", _, "main.rs"]
            | ["tests" | "benches" | "examples", _]
            | ["tests" | "benches" | "examples", _, "main.rs"]
    )
}

/// Whether a file ships with nothing: it lies under `tests/` or `benches/` of its member.
pub(super) fn is_test_path(file: &str) -> bool {
    member_of(file)
        .and_then(|member| file.strip_prefix(member))
        .is_some_and(|inside| inside.starts_with("/tests/") || inside.starts_with("/benches/"))
}

/// The file that a declaration in `file` means.
pub(crate) fn target(file: &str, decl: &ModDecl) -> String {
    let (dir, name) = file.rsplit_once('/').unwrap_or(("", file));
    let stem = name.trim_end_matches(".rs");
    let mut base = if is_root(file) {
        dir.to_owned()
    } else {
        format!("{dir}/{stem}")
    };
    if let (Some(path), true) = (&decl.path, decl.inside.is_empty()) {
        return normal(&format!("{dir}/{path}"));
    }
    for inside in &decl.inside {
        base = format!("{base}/{inside}");
    }
    match &decl.path {
        Some(path) => normal(&format!("{base}/{path}")),
        None => format!("{base}/{}.rs", decl.name),
    }
}

/// The files that no `mod` declares and cargo does not compile either: code and tests that never run.
pub(crate) fn orphans(all: &[Facts]) -> Vec<&str> {
    let declared: BTreeSet<String> = all
        .iter()
        .flat_map(|facts| facts.mods.iter().map(|m| target(&facts.file, m)))
        .collect();
    all.iter()
        .map(|facts| facts.file.as_str())
        .filter(|file| !is_root(file) && !declared.contains(*file))
        .collect()
}

/// Marks the files that `#[cfg(test)] mod x;` names, and those below them, as compiled by tests only.
pub(super) fn mark_test_files(all: &mut [Facts]) {
    loop {
        let targets: BTreeSet<String> = all
            .iter()
            .flat_map(|facts| {
                facts
                    .mods
                    .iter()
                    .filter(|m| m.test_only)
                    .map(|m| target(&facts.file, m))
            })
            .collect();
        let mut changed = false;
        for facts in all
            .iter_mut()
            .filter(|f| f.code_lines > 0 && targets.contains(&f.file))
        {
            facts.mark_test();
            changed = true;
        }
        if !changed {
            return;
        }
    }
}

/// Resolves `.` and `..`.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files::Tree, source::scan_all};

    #[test]
    fn members_and_roots() {
        assert_eq!(member_of("crates/core/src/x.rs"), Some("crates/core"));
        assert_eq!(member_of("xtask/src/x.rs"), Some("xtask"));
        assert_eq!(member_of("x.rs"), None);
        for root in [
            "crates/a/src/lib.rs",
            "xtask/src/main.rs",
            "crates/a/tests/it.rs",
            "crates/a/examples/x/main.rs",
        ] {
            assert!(is_root(root), "{root}");
        }
        for not in [
            "crates/a/src/x.rs",
            "crates/a/tests/it/x.rs",
            "crates/a/src/x/lib.rs",
        ] {
            assert!(!is_root(not), "{not}");
        }
    }

    #[test]
    fn a_declaration_means_a_file() {
        let decl = |path: Option<&str>, inside: &[&str]| ModDecl {
            name: "m".to_owned(),
            path: path.map(str::to_owned),
            inside: inside.iter().map(|s| (*s).to_owned()).collect(),
            test_only: false,
        };
        for (file, decl, want) in [
            ("crates/a/src/lib.rs", decl(None, &[]), "crates/a/src/m.rs"),
            ("crates/a/src/x.rs", decl(None, &[]), "crates/a/src/x/m.rs"),
            (
                "crates/a/tests/it.rs",
                decl(None, &["it"]),
                "crates/a/tests/it/m.rs",
            ),
            (
                "crates/a/tests/it.rs",
                decl(Some("it/m.rs"), &[]),
                "crates/a/tests/it/m.rs",
            ),
            (
                "crates/a/tests/it/main.rs",
                decl(None, &[]),
                "crates/a/tests/it/m.rs",
            ),
            (
                "crates/a/src/x.rs",
                decl(Some("../y.rs"), &[]),
                "crates/a/y.rs",
            ),
        ] {
            assert_eq!(target(file, &decl), want, "{file}");
        }
    }

    #[test]
    fn files_below_a_test_module_are_tests_and_undeclared_files_are_orphans() {
        let tree = Tree::of(&[
            (
                "crates/a/src/lib.rs",
                "//! a\n#[cfg(test)]\nmod t;\nmod live;\n",
            ),
            ("crates/a/src/t.rs", "//! t\nmod deep;\n"),
            ("crates/a/src/t/deep.rs", "//! d\nfn x() { a::b() }\n"),
            ("crates/a/src/live.rs", "//! l\nfn x() { a::b() }\n"),
            ("crates/a/src/lost.rs", "//! l\n"),
        ]);
        let (all, _) = scan_all(&tree);
        let tests: Vec<_> = all
            .iter()
            .filter(|f| f.paths.iter().any(|m| m.in_test))
            .map(|f| f.file.as_str())
            .collect();
        assert_eq!(tests, ["crates/a/src/t/deep.rs"]);
        assert_eq!(orphans(&all), ["crates/a/src/lost.rs"]);
    }
}
