//! What the tokens of a file say, those inside macro calls included, where the syntax tree sees nothing.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::UseTree;

/// A path of at least two segments, as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RawPath {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// One name that a `use` brings in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Import {
    pub(super) alias: String,
    pub(super) path: Vec<String>,
    pub(super) glob: bool,
    pub(super) public: bool,
    pub(super) line: usize,
}

/// What the tokens of one file say. Documentation is left out.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) imports: Vec<Import>,
    pub(super) paths: Vec<RawPath>,
    pub(super) idents: Vec<(String, usize)>,
    pub(super) literals: Vec<(String, usize)>,
    pub(super) fns: Vec<(String, usize)>,
    pub(super) macros: Vec<(String, usize)>,
    pub(super) attributes: Vec<(String, usize)>,
}

/// Reads the tokens of a file.
pub(super) fn read(stream: TokenStream) -> Tokens {
    let mut tokens = Tokens::default();
    tokens.walk(stream);
    tokens
}

impl Tokens {
    fn walk(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut i = 0;
        while i < tokens.len() {
            i += match &tokens[i] {
                TokenTree::Punct(p) if p.as_char() == '#' => self.attribute(&tokens[i..]),
                TokenTree::Ident(word) if *word == "use" => self.import(&tokens, i),
                TokenTree::Ident(word) if *word == "extern" => self.extern_crate(&tokens[i..]),
                TokenTree::Ident(_) => self.path(&tokens[i..]),
                TokenTree::Literal(literal) => {
                    self.literal(literal);
                    1
                }
                TokenTree::Group(group) => {
                    self.walk(group.stream());
                    1
                }
                TokenTree::Punct(_) => 1,
            };
        }
    }

    /// `#[name …]` or `#![name …]`. Returns how many tokens were taken.
    fn attribute(&mut self, tokens: &[TokenTree]) -> usize {
        let at = if is_punct(tokens.get(1), '!') { 2 } else { 1 };
        let Some(TokenTree::Group(group)) = tokens.get(at) else {
            return 1;
        };
        if group.delimiter() != Delimiter::Bracket {
            return 1;
        }
        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
        let Some(TokenTree::Ident(first)) = inner.first() else {
            return at;
        };
        if first == "doc" {
            return at + 1;
        }
        self.attributes.push((text(first), line(&inner[0])));
        if first == "cfg_attr" {
            for token in inner.iter().skip(1) {
                if let TokenTree::Group(list) = token {
                    let words = list
                        .stream()
                        .into_iter()
                        .filter(|t| matches!(t, TokenTree::Ident(_)));
                    self.attributes
                        .extend(words.map(|t| (t.to_string(), line(&t))));
                }
            }
        }
        self.walk(group.stream());
        at + 1
    }

    /// `use …;`. Precise capturing (`use<'a>`) is not an import.
    fn import(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let rest = &tokens[at + 1..];
        let Some(end) = rest.iter().position(|t| is_punct(Some(t), ';')) else {
            return 1;
        };
        let colons = rest.iter().take_while(|t| is_punct(Some(t), ':')).count();
        let body: TokenStream = rest[colons..end].iter().cloned().collect();
        let Ok(tree) = syn::parse2::<UseTree>(body) else {
            return 1;
        };
        let public = match tokens[..at] {
            [.., TokenTree::Ident(ref word)] => word == "pub",
            [.., TokenTree::Ident(ref word), TokenTree::Group(_)] => word == "pub",
            _ => false,
        };
        self.use_tree(&tree, &mut Vec::new(), public);
        end + 2
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>, public: bool) {
        let mut add = |alias: &syn::Ident, name: Option<&syn::Ident>, glob: bool, line: usize| {
            let mut path = prefix.clone();
            path.extend(name.filter(|n| *n != "self").map(text));
            self.idents.extend(name.map(|n| (text(n), line)));
            // `use a::{self}` brings in `a`.
            let alias = if alias == "self" {
                path.last().cloned().unwrap_or_default()
            } else {
                text(alias)
            };
            self.imports.push(Import {
                alias,
                path,
                glob,
                public,
                line,
            });
        };
        match tree {
            UseTree::Name(name) => add(
                &name.ident,
                Some(&name.ident),
                false,
                name.ident.span().start().line,
            ),
            UseTree::Rename(r) => add(
                &r.rename,
                Some(&r.ident),
                false,
                r.ident.span().start().line,
            ),
            UseTree::Glob(glob) => {
                let nameless = syn::Ident::new("_", proc_macro2::Span::call_site());
                add(&nameless, None, true, glob.star_token.spans[0].start().line);
            }
            UseTree::Path(path) => {
                self.idents
                    .push((text(&path.ident), path.ident.span().start().line));
                prefix.push(text(&path.ident));
                self.use_tree(&path.tree, prefix, public);
                prefix.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, prefix, public);
                }
            }
        }
    }

    /// `extern crate a as b;`.
    fn extern_crate(&mut self, tokens: &[TokenTree]) -> usize {
        match tokens {
            [
                _,
                TokenTree::Ident(word),
                TokenTree::Ident(name),
                TokenTree::Ident(by),
                TokenTree::Ident(alias),
                ..,
            ] if word == "crate" && by == "as" => {
                let line = name.span().start().line;
                let path = vec![text(name)];
                self.imports.push(Import {
                    alias: text(alias),
                    path,
                    glob: false,
                    public: false,
                    line,
                });
                5
            }
            _ => 1,
        }
    }

    /// A word, or a path of words; `fn name` and `name!` on the way.
    fn path(&mut self, tokens: &[TokenTree]) -> usize {
        let TokenTree::Ident(first) = &tokens[0] else {
            return 1;
        };
        let start = line(&tokens[0]);
        if let (true, Some(TokenTree::Ident(name))) = (first == "fn", tokens.get(1)) {
            self.fns.push((text(name), start));
        }
        let mut path = vec![text(first)];
        self.idents.push((text(first), start));
        let mut at = 1;
        while is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':') {
            match tokens.get(at + 2) {
                Some(TokenTree::Ident(next)) => {
                    path.push(text(next));
                    self.idents.push((text(next), line(&tokens[at + 2])));
                    at += 3;
                }
                Some(TokenTree::Punct(p)) if p.as_char() == '<' => {
                    let inside = angle_len(&tokens[at + 2..]);
                    let within = tokens.get(at + 3..at + 1 + inside).unwrap_or_default();
                    self.walk(within.iter().cloned().collect());
                    at += 2 + inside;
                }
                _ => break,
            }
        }
        // `name!(…)` or `macro_rules! x {…}`, but not `name != x`.
        let bang = matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == '!');
        if bang
            && matches!(
                tokens.get(at + 1),
                Some(TokenTree::Group(_) | TokenTree::Ident(_))
            )
        {
            self.macros
                .push((path.last().cloned().unwrap_or_default(), start));
        }
        if path.len() > 1 {
            self.paths.push(RawPath { path, line: start });
        }
        at
    }

    fn literal(&mut self, literal: &proc_macro2::Literal) {
        let value = match syn::Lit::new(literal.clone()) {
            syn::Lit::Str(text) => text.value(),
            syn::Lit::ByteStr(bytes) => String::from_utf8_lossy(&bytes.value()).into_owned(),
            syn::Lit::CStr(text) => text.value().to_string_lossy().into_owned(),
            _ => return,
        };
        self.literals.push((value, literal.span().start().line));
    }
}

/// How many tokens a `<…>` takes, both brackets counted. `->` does not close one.
fn angle_len(tokens: &[TokenTree]) -> usize {
    let (mut open, mut arrow) = (0usize, false);
    for (i, token) in tokens.iter().enumerate() {
        if let TokenTree::Punct(p) = token {
            match p.as_char() {
                '<' => open += 1,
                '>' if !arrow => open -= 1,
                _ => {}
            }
            arrow = p.as_char() == '-' && p.spacing() == Spacing::Joint;
        }
        if open == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == c)
}

fn text(ident: &proc_macro2::Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Tokens {
        read(TokenStream::from_str(text).expect("tokens"))
    }

    fn paths(text: &str) -> Vec<String> {
        of(text).paths.iter().map(|p| p.path.join("::")).collect()
    }

    #[test]
    fn imports_of_every_form() {
        let got: Vec<_> =
            of("use ::a::{self, b as c, d::*}; pub use e::F; pub(crate) use g; use h::I as _;")
                .imports
                .into_iter()
                .map(|i| (i.alias, i.path.join("::"), i.glob, i.public))
                .collect();
        let want = [
            ("a", "a", false, false),
            ("c", "a::b", false, false),
            ("_", "a::d", true, false),
            ("F", "e::F", false, true),
            ("g", "g", false, true),
            ("_", "h::I", false, false),
        ];
        assert_eq!(
            got,
            want.map(|(a, p, g, public)| (a.to_owned(), p.to_owned(), g, public))
        );
        assert_eq!(of("extern crate std as s;").imports[0].alias, "s");
        assert!(of("fn f() -> impl T + use<'a> { x }").imports.is_empty());
    }

    #[test]
    fn paths_inside_macros_generics_and_imports_inside_macros() {
        assert_eq!(paths("vec![a::b(c::d)]"), ["a::b", "c::d"]);
        assert_eq!(
            paths("Gate::<x::Y, fn() -> z::W>::new()"),
            ["x::Y", "z::W", "Gate::new"]
        );
        assert_eq!(
            of("proptest! { use std::net::TcpStream; }").imports[0]
                .path
                .len(),
            3
        );
    }

    #[test]
    fn tests_written_inside_macros_have_names() {
        let tokens = of("proptest! { #[test] fn q14_x(n in 0..3) { later!(); } }");
        assert_eq!(tokens.fns, [("q14_x".to_owned(), 1)]);
        let macros: Vec<_> = tokens.macros.iter().map(|m| m.0.as_str()).collect();
        assert_eq!(macros, ["proptest", "later"]);
        assert!(of("if a != (b) {}").macros.is_empty());
    }

    #[test]
    fn documentation_is_left_out_and_attributes_are_read() {
        let tokens = of(
            "#![warn(x)]\n/// \"doc\" a::b\n#[serde(rename = \"wire\")]\n#[cfg_attr(unix, skip)] struct S;",
        );
        let names: Vec<_> = tokens.attributes.iter().map(|a| a.0.as_str()).collect();
        assert_eq!(names, ["warn", "serde", "cfg_attr", "unix", "skip"]);
        assert_eq!(tokens.literals, [("wire".to_owned(), 3)]);
        assert!(tokens.paths.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        /// Macros may hold any tokens at all.
        #[test]
        fn no_soup_of_tokens_stops_it_and_no_call_in_it_is_missed(
            before in proptest::collection::vec(SOUP, 0..8),
            after in proptest::collection::vec(SOUP, 0..8),
        ) {
            let text = format!("m! {{ {} ; x . expose ( ) ; {} }}", before.join(" "), after.join(" "));
            let Ok(stream) = TokenStream::from_str(&text) else { return Ok(()) };
            prop_assert!(read(stream).idents.iter().any(|(word, _)| word == "expose"));
        }
    }

    const SOUP: &str =
        "a|b|use|fn|pub|extern|crate|as|self|::|:|<|>|->|#|!|\\[a\\]|\\(b\\)|;|,|\"s\"|'l|\\*";
}
