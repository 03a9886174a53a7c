//! From `cargo metadata` to the graph. The only file that knows cargo's own shapes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::graph::{Dep, Graph, Kind, Member, Node};
use crate::{files::Tree, report::CannotRun};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    workspace_root: String,
    resolve: Option<Resolve>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    rename: Option<String>,
    kind: Option<String>,
    req: String,
    path: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<ResolveNode>,
}

#[derive(Deserialize)]
struct ResolveNode {
    id: String,
    deps: Vec<NodeDep>,
}

#[derive(Deserialize)]
struct NodeDep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Deserialize)]
struct DepKind {
    kind: Option<String>,
}

/// Reads the answer of `cargo metadata` with its resolved graph.
pub(super) fn graph(json: &str, tree: &Tree) -> Result<Graph, CannotRun> {
    let metadata: Metadata = serde_json::from_str(json)
        .map_err(|e| CannotRun::new(format!("`cargo metadata` is not understood: {e}")))?;
    let resolve = metadata
        .resolve
        .ok_or_else(|| CannotRun::new("`cargo metadata` resolved nothing"))?;
    let root = slashes(&metadata.workspace_root);
    let names: BTreeMap<&str, &str> = metadata
        .packages
        .iter()
        .map(|p| (p.id.as_str(), p.name.as_str()))
        .collect();
    let folder_of = |path: &str| relative(&root, &slashes(path));

    let mut members = Vec::new();
    for package in metadata
        .packages
        .iter()
        .filter(|p| metadata.workspace_members.contains(&p.id))
    {
        let manifest = folder_of(&package.manifest_path).ok_or_else(|| {
            CannotRun::new(format!("`{}` lies outside of the workspace", package.name))
        })?;
        let folder = manifest.trim_end_matches("/Cargo.toml").to_owned();
        let lines = dependency_lines(tree.text(&manifest).unwrap_or_default());
        let dep = |d: &Dependency| {
            let kind = kind(d.kind.as_deref())?;
            Ok(Dep {
                member: d
                    .path
                    .as_deref()
                    .and_then(folder_of)
                    .map(|folder| short(&folder).to_owned()),
                versioned: d.req != "*",
                code_name: d.rename.as_ref().unwrap_or(&d.name).replace('-', "_"),
                line: lines
                    .get(&(kind, d.rename.clone().unwrap_or_else(|| d.name.clone())))
                    .copied(),
                name: d.name.clone(),
                kind,
            })
        };
        members.push(Member {
            short: short(&folder).to_owned(),
            folder,
            package: package.name.clone(),
            id: package.id.clone(),
            deps: package
                .dependencies
                .iter()
                .map(dep)
                .collect::<Result<_, CannotRun>>()?,
        });
    }
    members.sort_by(|a, b| a.folder.cmp(&b.folder));

    let mut nodes = BTreeMap::new();
    for node in &resolve.nodes {
        let normal = node
            .deps
            .iter()
            .filter(|d| d.dep_kinds.iter().any(|k| k.kind.is_none()));
        let name = names.get(node.id.as_str()).copied().unwrap_or(&node.id);
        let normal = normal.map(|d| d.pkg.clone()).collect();
        nodes.insert(
            node.id.clone(),
            Node {
                name: name.to_owned(),
                normal,
            },
        );
    }
    Ok(Graph { members, nodes })
}

fn kind(kind: Option<&str>) -> Result<Kind, CannotRun> {
    match kind {
        None => Ok(Kind::Normal),
        Some("build") => Ok(Kind::Build),
        Some("dev") => Ok(Kind::Dev),
        Some(other) => Err(CannotRun::new(format!(
            "a dependency of the unknown kind `{other}`"
        ))),
    }
}

fn slashes(path: &str) -> String {
    path.replace('\\', "/")
}

fn relative(root: &str, path: &str) -> Option<String> {
    path.strip_prefix(root)?
        .strip_prefix('/')
        .map(str::to_owned)
}

fn short(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

/// The line of each dependency in a manifest. Manifests that hide them in ways this does not read lose only the
/// line in a message.
fn dependency_lines(text: &str) -> BTreeMap<(Kind, String), usize> {
    let mut lines = BTreeMap::new();
    let mut section = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            section = section_kind(header);
            for (table, kind) in SECTIONS {
                if let Some((_, name)) = header
                    .rsplit_once(&format!("{table}."))
                    .filter(|_| section.is_none())
                {
                    lines.entry((*kind, name.to_owned())).or_insert(number + 1);
                    break;
                }
            }
        } else if let (Some(kind), Some((key, _))) = (section, line.split_once('=')) {
            let name = key
                .trim()
                .split('.')
                .next()
                .unwrap_or_default()
                .trim_matches('"');
            lines.entry((kind, name.to_owned())).or_insert(number + 1);
        }
    }
    lines
}

/// The longer names first: each ends like the last.
const SECTIONS: &[(&str, Kind)] = &[
    ("dev-dependencies", Kind::Dev),
    ("build-dependencies", Kind::Build),
    ("dependencies", Kind::Normal),
];

fn section_kind(header: &str) -> Option<Kind> {
    let last = header.rsplit('.').next().unwrap_or(header);
    SECTIONS
        .iter()
        .find(|(name, _)| *name == last)
        .map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{
      "workspace_root": "/w", "workspace_members": ["a#1", "b#1"],
      "packages": [
        {"id": "a#1", "name": "p-a", "manifest_path": "/w/crates/a/Cargo.toml", "dependencies": [
          {"name": "p-b", "rename": null, "kind": "dev", "req": "*", "path": "/w/crates/b"},
          {"name": "x-y", "rename": "z", "kind": null, "req": "^1", "path": null}]},
        {"id": "b#1", "name": "p-b", "manifest_path": "/w/crates/b/Cargo.toml", "dependencies": []},
        {"id": "x#1", "name": "x-y", "manifest_path": "/r/x/Cargo.toml", "dependencies": []}],
      "resolve": {"nodes": [
        {"id": "a#1", "deps": [
          {"pkg": "b#1", "dep_kinds": [{"kind": "dev"}]}, {"pkg": "x#1", "dep_kinds": [{"kind": null}]}]},
        {"id": "b#1", "deps": []}, {"id": "x#1", "deps": []}]}}"#;

    #[test]
    fn members_edges_and_the_normal_graph() {
        let manifest =
            "[dependencies]\nz = { package = \"x-y\" }\n\n[dev-dependencies]\np-b = {}\n";
        let graph =
            graph(JSON, &Tree::of(&[("crates/a/Cargo.toml", manifest)])).expect("understood");
        let a = &graph.members[0];
        assert_eq!(
            (a.short.as_str(), a.folder.as_str(), a.package.as_str()),
            ("a", "crates/a", "p-a")
        );
        let (b, x) = (&a.deps[0], &a.deps[1]);
        assert_eq!(
            (b.member.as_deref(), b.versioned, b.kind, b.line),
            (Some("b"), false, Kind::Dev, Some(5))
        );
        assert_eq!(
            (x.name.as_str(), x.code_name.as_str(), x.versioned, x.line),
            ("x-y", "z", true, Some(2))
        );
        assert_eq!(graph.nodes["a#1"].normal, ["x#1"]);
    }

    #[test]
    fn what_is_not_understood_stops_the_check() {
        for bad in [
            "",
            "{}",
            &JSON.replace("\"dev\", \"req\"", "\"new\", \"req\""),
            &JSON.replace("resolve", "r"),
        ] {
            assert!(graph(bad, &Tree::default()).is_err());
        }
    }

    #[test]
    fn lines_of_dependencies_in_every_section() {
        let lines = dependency_lines(
            "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\n[dev-dependencies.b]\npath = \"x\"\n\
             [target.'cfg(unix)'.dependencies]\nc = \"1\"\n",
        );
        let want = [
            ((Kind::Normal, "a"), 4),
            ((Kind::Normal, "c"), 8),
            ((Kind::Dev, "b"), 5),
        ];
        assert_eq!(
            lines,
            want.into_iter()
                .map(|((k, n), l)| ((k, n.to_owned()), l))
                .collect()
        );
    }
}
