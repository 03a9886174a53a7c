//! What needs the syntax tree: which lines only tests compile, which types are built, which modules are declared.

use syn::{
    Attribute, ExprPath, ExprStruct, ImplItemFn, Item, ItemImpl, ItemMod, ItemType, Meta, Token,
    Type,
    punctuated::Punctuated,
    spanned::Spanned as _,
    visit::{self, Visit},
};

use super::tokens::RawPath;

/// `mod name;`, with what is needed to find its file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ModDecl {
    /// The module's name.
    pub(crate) name: String,
    /// `#[path = "…"]`.
    pub(crate) path: Option<String>,
    /// The inline modules around it.
    pub(crate) inside: Vec<String>,
    /// Whether only tests compile it.
    pub(crate) test_only: bool,
}

/// What the tree of one file says.
#[derive(Debug, Default)]
pub(super) struct Syntax {
    /// First and last line of each test-only item.
    pub(super) tests: Vec<(usize, usize)>,
    pub(super) built: Vec<(String, usize)>,
    pub(super) type_aliases: Vec<(String, Vec<String>, usize)>,
    /// Paths that only the tree shows: `<Gate>::new`, `Self::new`.
    pub(super) paths: Vec<RawPath>,
    pub(super) mods: Vec<ModDecl>,
    selves: Vec<Vec<String>>,
    inline: Vec<String>,
    in_test: usize,
}

/// Reads a parsed file.
pub(super) fn read(file: &syn::File) -> Syntax {
    let mut syntax = Syntax::default();
    if file.attrs.iter().any(is_test) {
        syntax.tests.push((1, usize::MAX));
    }
    syntax.visit_file(file);
    syntax
}

impl<'ast> Visit<'ast> for Syntax {
    fn visit_item(&mut self, item: &'ast Item) {
        let test = attributes(item).iter().any(is_test);
        if test {
            let span = item.span();
            self.tests.push((span.start().line, span.end().line));
        }
        self.in_test += usize::from(test);
        visit::visit_item(self, item);
        self.in_test -= usize::from(test);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if item.attrs.iter().any(is_test) {
            let span = item.span();
            self.tests.push((span.start().line, span.end().line));
        }
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_none() {
            self.mods.push(ModDecl {
                name: name(&item.ident),
                path: item.attrs.iter().find_map(path_attribute),
                inside: self.inline.clone(),
                test_only: self.in_test > 0,
            });
        }
        self.inline.push(name(&item.ident));
        visit::visit_item_mod(self, item);
        self.inline.pop();
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        if let Some(target) = type_path(&item.ty) {
            self.type_aliases
                .push((name(&item.ident), target, item.span().start().line));
        }
        visit::visit_item_type(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.selves
            .push(type_path(&item.self_ty).unwrap_or_default());
        visit::visit_item_impl(self, item);
        self.selves.pop();
    }

    fn visit_expr_struct(&mut self, expr: &'ast ExprStruct) {
        let path = self.resolve_self(segments(&expr.path));
        if let Some(last) = path.last() {
            self.built.push((last.clone(), expr.span().start().line));
        }
        visit::visit_expr_struct(self, expr);
    }

    fn visit_expr_path(&mut self, expr: &'ast ExprPath) {
        let plain = segments(&expr.path);
        let line = expr.span().start().line;
        if let Some(target) = expr.qself.as_ref().and_then(|q| type_path(&q.ty)) {
            let mut path = self.resolve_self(target);
            path.extend(plain.last().cloned());
            self.paths.push(RawPath { path, line });
        } else if plain.len() > 1 && plain[0] == "Self" {
            self.paths.push(RawPath {
                path: self.resolve_self(plain),
                line,
            });
        }
        visit::visit_expr_path(self, expr);
    }
}

impl Syntax {
    fn resolve_self(&self, path: Vec<String>) -> Vec<String> {
        match (path.first().map(String::as_str), self.selves.last()) {
            (Some("Self"), Some(target)) if !target.is_empty() => {
                target.iter().chain(&path[1..]).cloned().collect()
            }
            _ => path,
        }
    }
}

fn name(ident: &syn::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|s| name(&s.ident)).collect()
}

fn type_path(ty: &Type) -> Option<Vec<String>> {
    match ty {
        Type::Path(path) if path.qself.is_none() => Some(segments(&path.path)),
        Type::Group(group) => type_path(&group.elem),
        Type::Paren(paren) => type_path(&paren.elem),
        Type::Reference(reference) => type_path(&reference.elem),
        _ => None,
    }
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(text),
                ..
            }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// `#[cfg(test)]`, `#[cfg(all(test, …))]` and attributes that make a test, such as `#[tokio::test]`.
/// `any(test, …)` may be compiled without tests and so is not one.
fn is_test(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("cfg") {
        return attribute
            .parse_args::<Meta>()
            .is_ok_and(|meta| needs_test(&meta));
    }
    attribute
        .path()
        .segments
        .last()
        .is_some_and(|last| last.ident == "test")
}

fn needs_test(meta: &Meta) -> bool {
    match meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(needs_test)),
        _ => false,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::ExternCrate(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Union(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Syntax {
        read(&syn::parse_file(text).expect("parses"))
    }

    #[test]
    fn only_what_needs_test_is_test_only() {
        for test in [
            "cfg(test)",
            "cfg(all(test, unix))",
            "test",
            "tokio::test(flavor = \"x\")",
        ] {
            assert_eq!(
                of(&format!("#[{test}]\nfn x() {{\n}}\n")).tests,
                [(1, 3)],
                "{test}"
            );
        }
        for not in [
            "cfg(any(test, feature = \"x\"))",
            "cfg(not(test))",
            "inline",
            "cfg(feature = \"test\")",
        ] {
            assert_eq!(of(&format!("#[{not}]\nfn x() {{\n}}\n")).tests, [], "{not}");
        }
    }

    #[test]
    fn a_file_or_a_method_may_be_test_only_too() {
        assert_eq!(of("#![cfg(test)]\nfn x() {}\n").tests, [(1, usize::MAX)]);
        assert_eq!(of("impl X {\n#[cfg(test)]\nfn x() {}\n}\n").tests, [(2, 3)]);
    }

    #[test]
    fn modules_carry_their_path_their_surroundings_and_whether_they_are_tests() {
        let syntax = of("mod a;\n#[path = \"x/y.rs\"] mod b;\n#[cfg(test)] mod t { mod c; }\n");
        let got: Vec<_> = syntax
            .mods
            .iter()
            .map(|m| {
                (
                    m.name.as_str(),
                    m.path.as_deref(),
                    m.inside.len(),
                    m.test_only,
                )
            })
            .collect();
        assert_eq!(
            got,
            [
                ("a", None, 0, false),
                ("b", Some("x/y.rs"), 0, false),
                ("c", None, 1, true)
            ]
        );
    }

    #[test]
    fn qualified_and_self_paths_are_named_by_their_type() {
        let syntax =
            of("impl Gate { fn f() { Self::new(); <Gate>::new(); <Self as T>::new(); g::new() } }");
        let got: Vec<_> = syntax.paths.iter().map(|p| p.path.join("::")).collect();
        assert_eq!(got, ["Gate::new", "Gate::new", "Gate::new"]);
    }
}
