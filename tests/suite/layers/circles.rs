//! Circles of files: sets of files in which each one needs all others. Nobody can read or move one of them alone.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Words before the name of an item.
const ITEMS: [&str; 9] =
    ["const", "enum", "fn", "macro_rules", "static", "struct", "trait", "type", "union"];

/// How many imports may lead to each other.
const MAX_IMPORTS: usize = 16;

/// A file: its name in messages, and its module as names from the crate's root.
pub(super) struct File {
    pub(super) name: String,
    pub(super) module: Vec<String>,
    pub(super) code: TokenStream,
}

/// A module, which may be a part of a file.
#[derive(Default)]
struct Module {
    file: usize,
    parent: usize,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// All paths in the code, of imports too.
    paths: BTreeSet<Vec<String>>,
}

/// The item that a path leads to.
#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// An item of this module.
    Item(usize),
}

/// The modules of a crate. The first one is the root.
struct Modules(Vec<Module>);

/// The circles of the files of a crate, each as text with its edges. A file and those above it (`m.rs` or
/// `m/mod.rs` for all below `m/`) may use each other. Code for tests does not count.
pub(super) fn circles(mut files: Vec<File>) -> Vec<String> {
    files.sort_by_key(|file| file.module.len());
    let edges = edges(&files);
    let reached: Vec<_> = (0..files.len()).map(|file| reached(&edges, file)).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in reached.iter().enumerate() {
        if others.contains(&file) {
            let back = |other: &usize| reached[*other].contains(&file);
            circles.insert(others.iter().copied().filter(back).collect::<BTreeSet<_>>());
        }
    }
    let text = |circle: BTreeSet<usize>| {
        let inside = edges.iter().filter(|((a, b), _)| circle.contains(a) && circle.contains(b));
        let lines = inside.map(|((a, b), paths)| {
            let paths = paths.iter().map(|path| path.join("::")).collect::<Vec<_>>().join(", ");
            format!("  {} uses {}: {paths}", files[*a].name, files[*b].name)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    circles.into_iter().map(text).collect()
}

/// The paths by which one file uses another one.
type Edges = BTreeMap<(usize, usize), BTreeSet<Vec<String>>>;

fn edges(files: &[File]) -> Edges {
    let modules = Modules::of(files);
    let mut edges = Edges::new();
    for (module, content) in modules.0.iter().enumerate() {
        // A name alone says no more than its import.
        let is_new =
            |path: &&Vec<String>| path.len() > 1 || !content.imports.contains_key(&path[0]);
        for path in content.paths.iter().filter(is_new) {
            let Some(target) = modules.resolve(module, path, 0) else { continue };
            let (Target::Module(target) | Target::Item(target)) = target;
            let (from, to) = (content.file, modules.0[target].file);
            let (above, below) = (&files[from].module, &files[to].module);
            if !above.starts_with(below) && !below.starts_with(above) {
                edges.entry((from, to)).or_default().insert(path.clone());
            }
        }
    }
    edges
}

/// The files that a file needs, also by way of others.
fn reached(edges: &Edges, file: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        let used = edges.keys().filter(|(from, _)| *from == file).map(|(_, to)| *to);
        next.extend(used.filter(|to| reached.insert(*to)));
    }
    reached
}

impl Modules {
    /// The files above others come first.
    fn of(files: &[File]) -> Self {
        let mut modules = Self(Vec::new());
        let mut of_files: Vec<Option<usize>> = Vec::new();
        for (file, File { module, code, .. }) in files.iter().enumerate() {
            let module = match module.split_last() {
                None => Some(modules.add(Module { file, ..Module::default() })),
                Some((name, above)) => {
                    let parent = files[..file].iter().position(|file| file.module == above);
                    // A file that is not declared is one for tests, or below one.
                    parent.and_then(|parent| of_files[parent]).and_then(|parent| {
                        modules.0[parent]
                            .items
                            .contains(name)
                            .then(|| modules.child(parent, name, file))
                    })
                }
            };
            of_files.push(module);
            if let Some(module) = module {
                modules.read(module, code.clone(), true);
            }
        }
        modules
    }

    fn add(&mut self, module: Module) -> usize {
        self.0.push(module);
        self.0.len() - 1
    }

    fn child(&mut self, parent: usize, name: &str, file: usize) -> usize {
        let child = self.add(Module { file, parent, ..Module::default() });
        self.0[parent].children.insert(name.to_owned(), child);
        child
    }

    /// Reads code of a module. Only on the outside, items are those of the module.
    fn read(&mut self, module: usize, code: TokenStream, outside: bool) {
        let tokens: Vec<TokenTree> = code.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            let rest = &tokens[at..];
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' && is_for_tests(rest) => {
                    let end = rest.iter().position(|token| is_punct(token, ';') || is_block(token));
                    at += end.map_or(rest.len(), |end| end + 1);
                }
                TokenTree::Group(group) => self.read(module, group.stream(), false),
                TokenTree::Ident(word) if word == "use" => {
                    let end = rest.iter().position(|token| is_punct(token, ';'));
                    // Not an import: `impl Trait + use<'a>`.
                    if let Some(end) =
                        end.filter(|_| !rest.first().is_some_and(|t| is_punct(t, '<')))
                    {
                        self.import(module, &[], &rest[..end]);
                        at += end;
                    }
                }
                TokenTree::Ident(word) if word == "mod" => {
                    let [TokenTree::Ident(name), body, ..] = rest else { continue };
                    if let TokenTree::Group(body) = body {
                        let file = self.0[module].file;
                        let child = self.child(module, &name.to_string(), file);
                        self.read(child, body.stream(), true);
                        at += 2;
                    } else {
                        self.0[module].items.insert(name.to_string());
                    }
                }
                TokenTree::Ident(word) => {
                    if outside && ITEMS.iter().any(|item| word == item) {
                        let mut names = rest.iter().filter_map(name);
                        self.0[module].items.extend(names.next());
                    }
                    let (path, len) = path(&tokens[at - 1..]);
                    at += len - 1;
                    self.0[module].paths.insert(path);
                }
                _ => {}
            }
        }
    }

    /// Reads a tree of imports.
    fn import(&mut self, module: usize, before: &[String], tree: &[TokenTree]) {
        for tree in tree.split(|token| is_punct(token, ',')) {
            let mut path = before.to_vec();
            let mut name = None;
            let mut tokens = tree.iter();
            while let Some(token) = tokens.next() {
                match token {
                    TokenTree::Ident(word) if word == "as" => {
                        name = tokens.next().map(ToString::to_string);
                    }
                    TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                    TokenTree::Ident(word) => path.push(word.to_string()),
                    TokenTree::Group(group) => {
                        let tokens: Vec<_> = group.stream().into_iter().collect();
                        self.import(module, &path, &tokens);
                        path.clear();
                        break;
                    }
                    TokenTree::Punct(punct) if punct.as_char() == '*' => {
                        self.0[module].globs.push(path.clone());
                        path.clear();
                        break;
                    }
                    _ => {}
                }
            }
            if let Some(last) = path.last() {
                let name = name.unwrap_or(last.clone());
                self.0[module].imports.insert(name, path.clone());
                self.0[module].paths.insert(path);
            }
        }
    }

    /// The item that a path in a module leads to, if it is in the crate.
    fn resolve(&self, module: usize, path: &[String], imports: usize) -> Option<Target> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => 0,
            "self" => module,
            "super" => self.0[module].parent,
            name => match self.lookup(module, name, imports)? {
                Target::Module(module) => module,
                item => return Some(item),
            },
        };
        while let Some((name, after)) = rest.split_first() {
            rest = after;
            at = match name.as_str() {
                "super" => self.0[at].parent,
                name => match self.lookup(at, name, imports) {
                    Some(Target::Module(module)) => module,
                    Some(item) => return Some(item),
                    None => return Some(Target::Item(at)),
                },
            };
        }
        Some(Target::Module(at))
    }

    /// The meaning of a name in a module.
    fn lookup(&self, module: usize, name: &str, imports: usize) -> Option<Target> {
        let content = &self.0[module];
        if imports > MAX_IMPORTS {
            return None;
        }
        if let Some(child) = content.children.get(name) {
            return Some(Target::Module(*child));
        }
        if content.items.contains(name) {
            return Some(Target::Item(module));
        }
        if let Some(path) = content.imports.get(name) {
            // A name of another crate may be that of the import: `use log; log::info!()`.
            return (path[..] != [name]).then(|| self.resolve(module, path, imports + 1))?;
        }
        content.globs.iter().find_map(|path| match self.resolve(module, path, imports + 1)? {
            Target::Module(from) if from != module => self.lookup(from, name, imports + 1),
            _ => None,
        })
    }
}

/// A path at the start of some tokens, and the number of its tokens.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    let mut len = 0;
    while let Some(name) = tokens.get(len).and_then(name) {
        path.push(name);
        len += 1;
        match &tokens[len..] {
            [a, b, TokenTree::Ident(_), ..] if is_punct(a, ':') && is_punct(b, ':') => len += 2,
            _ => break,
        }
    }
    (path, len)
}

fn name(token: &TokenTree) -> Option<String> {
    matches!(token, TokenTree::Ident(_)).then(|| token.to_string())
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

fn is_block(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// True after the `#` of `#[cfg(test)]`.
fn is_for_tests(rest: &[TokenTree]) -> bool {
    let text = rest.first().map(ToString::to_string).unwrap_or_default();
    text.replace(' ', "") == "[cfg(test)]"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of files, given as modules (`a::b`; empty for the root) and code.
    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(module, code): &(&str, &str)| File {
            name: module.to_string(),
            module: module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            code: code.parse().unwrap(),
        };
        circles(files.iter().map(file).collect())
    }

    #[test]
    fn paths_of_every_form_make_a_circle() {
        let root = "mod a; mod b; pub use b::{B, C as D}; use a::A;";
        let b = "pub struct B; pub enum C { One } use super::A;";
        for a in [
            "use crate::b::B; pub struct A(B);",
            "pub struct A(super::b::B);",
            "use super::{b, x::Y}; pub fn A() -> b::B { b::B }",
            "use super::b as c; pub fn A() { c::B; }",
            "pub struct A; fn f() { if true { super::b::C::One; } }",
            // By way of the parent, which has it from the other file.
            "use super::B; pub struct A;",
            "pub struct A; fn f() { crate::D::One; }",
            "use super::*; pub struct A(B);",
            // In a module inside the file, and in the tokens of a macro.
            "pub struct A; mod c { use super::super::b::B; }",
            "pub struct A; fn f() { panic!(\"{}\", super::b::B) }",
            "pub struct A; impl self::super::b::C {}",
        ] {
            let found = of(&[("", root), ("a", a), ("b", b)]);
            assert_eq!(found.len(), 1, "{a}");
            assert!(found[0].contains("a uses b: ") && found[0].contains("b uses a: super::A"));
        }
    }

    #[test]
    fn longer_circles_and_several_of_them_are_told_apart() {
        let files = [
            ("", "mod a; mod b; mod c; mod d; mod e; mod f;"),
            ("a", "use crate::b::B;"),
            ("b", "use crate::c::C; pub struct B;"),
            ("c", "use crate::a; pub struct C;"),
            ("d", "use crate::{a, e::E};"),
            ("e", "use crate::d; pub struct E;"),
            ("f", "use crate::{a, d};"),
        ];
        let expected = [
            "  a uses b: crate::b::B\n  b uses c: crate::c::C\n  c uses a: crate::a",
            "  d uses e: crate::e::E\n  e uses d: crate::d",
        ];
        assert_eq!(of(&files), expected);
    }

    #[test]
    fn what_is_no_circle_is_none() {
        for (why, a, b) in [
            ("one direction", "use super::b::B; pub struct A;", "pub struct B;"),
            ("another crate", "pub struct A; use ::b::B;", "use super::a::A;"),
            (
                "a comment and a text",
                "pub struct A; // super::b::B\nconst X: &str = \"super::b::B\";",
                "use super::a;",
            ),
            ("tests", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }", "use super::a;"),
            (
                "an own name",
                "pub struct A; struct b; impl b { fn new() { b::new() } }",
                "use super::a;",
            ),
            (
                "a name that an import hides",
                "pub struct A; use other::b; fn f() { b::g() }",
                "use super::a;",
            ),
            ("the parent", "use super::R; pub struct A;", "use super::R; pub struct B;"),
        ] {
            let files = [("", "mod a; mod b; pub struct R(a::A, b::B);"), ("a", a), ("b", b)];
            assert_eq!(of(&files), [""; 0], "{why}");
        }
        // A file and those above it, at any depth.
        let files = [
            ("", "mod a;"),
            ("a", "mod b; mod c; use b::c::D; pub struct A;"),
            ("a::b", "pub mod c; pub use c::D;"),
            ("a::b::c", "use super::super::A; use crate::a::b; pub struct D;"),
            ("a::c", "use super::{A, D};"),
            ("a::tests", "use super::b; use super::c::X;"),
        ];
        assert_eq!(of(&files), [""; 0]);
    }
}
