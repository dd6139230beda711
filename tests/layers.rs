//! The imports between modules of `src`: `make lint` runs this test.
//!
//! The layers of the engine import only layers above them. The engine imports neither `filter` nor `cli`, and these
//! two do not import each other. Two sibling modules never import each other, directly or indirectly. A module and
//! its own submodules may.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

/// The layers of `src/engine`, from the lowest.
const LAYERS: [&str; 9] =
    ["words", "matching", "config", "memory", "fetching", "request", "policy", "report", "authoring"];
/// What the engine must not use: the host, the system, a clock, randomness. (`core::net` has addresses as values.)
const IMPURE: [&str; 9] = [
    "proxy_wasm",
    "rand",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time",
    "std::io",
];

/// Each module of `src`, with the paths in its code that start with `crate` or another crate.
#[derive(Default)]
struct Modules(BTreeMap<Vec<String>, BTreeSet<Vec<String>>>);

#[test]
fn every_import_is_allowed() {
    let modules = Modules::of_source();
    assert!(modules.0.len() > 100, "{} modules", modules.0.len());
    assert_eq!(modules.faults(), [""; 0]);
}

#[test]
fn forbidden_imports_are_found() {
    for (module, code, fault) in [
        (
            "engine::words::time",
            "use crate::engine::policy::verdict::Verdict;",
            "engine::words::time imports engine::policy, a layer below it",
        ),
        (
            "engine::matching::path",
            "fn f() { assert!(crate::engine::report::chain::LINK > 0); }",
            "engine::matching::path imports engine::report, a layer below it",
        ),
        ("engine::request::head", "use crate::{cli, lib};", "engine::request::head imports cli"),
        ("engine::policy::verdict", "use crate::filter::host;", "engine::policy::verdict imports filter"),
        ("filter::http", "use crate::cli::output;", "filter::http imports cli"),
        ("cli::mint", "use crate::filter::host;", "cli::mint imports filter"),
        ("engine::words::time", "use std::time::SystemTime;", "engine::words::time uses std::time"),
        ("engine::words::time", "use std::{fmt, fs::{File}};", "engine::words::time uses std::fs"),
        ("cli::mint", "use proxy_wasm::hostcalls;", "cli::mint uses proxy_wasm"),
        (
            "engine::words::rate",
            "use crate::engine::words::{name, time::{Span}};",
            "a cycle in engine::words: rate imports time",
        ),
    ] {
        let mut modules = Modules::default();
        for known in ["engine::policy::verdict", "engine::report::chain", "cli::output", "filter::host"] {
            modules.add(known, "");
        }
        modules.add("engine::words::time", "use crate::engine::words::rate::RateLimit;");
        modules.add(module, code);
        let faults = modules.faults();
        assert!(faults.iter().any(|found| found == fault), "{code}: {faults:?}");
    }
}

#[test]
fn allowed_imports_are_accepted() {
    let mut modules = Modules::default();
    modules.add("engine::words::time", "");
    modules.add("engine::policy", "");
    modules.add("engine::policy::verdict", "use crate::engine::{words::time::{self, Span}, policy::Policy};");
    modules.add("cli::mint", "use std::fs; use crate::engine::policy::verdict;");
    modules.add("filter::http", "#[cfg(test)] mod tests { use crate::cli::mint; }");
    assert_eq!(modules.faults(), [""; 0]);
}

impl Modules {
    fn of_source() -> Self {
        let mut modules = Self::default();
        modules.read(Path::new("src"), &mut Vec::new());
        modules
    }

    fn read(&mut self, folder: &Path, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert_ne!(name, "mod", "{}: name the file after its folder", path.display());
            names.push(name);
            if path.is_dir() {
                self.read(&path, names);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.add(&names.join("::"), &std::fs::read_to_string(&path).unwrap());
            }
            names.pop();
        }
    }

    /// Adds a module's code, without its tests.
    fn add(&mut self, module: &str, code: &str) {
        let mut file = syn::parse_file(code).unwrap_or_else(|error| panic!("{module}: {error}"));
        file.items.retain(|item| !matches!(item, syn::Item::Mod(module) if is_test(module)));
        let paths = self.0.entry(module.split("::").map(str::to_owned).collect()).or_default();
        find(file.into_token_stream(), paths);
    }

    /// The violations, one per line.
    fn faults(&self) -> Vec<String> {
        let mut faults = BTreeSet::new();
        let mut edges: BTreeMap<&[String], BTreeSet<[&str; 2]>> = BTreeMap::new();
        for (module, paths) in &self.0 {
            let name = module.join("::");
            for path in paths {
                let [root, rest @ ..] = path.as_slice() else { continue };
                if root != "crate" {
                    faults.extend(impurity(module, path).map(|what| format!("{name} uses {what}")));
                    continue;
                }
                faults.extend(wrong_way(module, rest).map(|what| format!("{name} imports {what}")));
                let shared = module.iter().zip(rest).take_while(|(one, other)| one == other).count();
                let (here, there) = (module.get(shared), rest.get(shared));
                let (Some(here), Some(there), Some(parent)) = (here, there, module.get(..shared)) else {
                    continue;
                };
                if self.has(parent, there) {
                    edges.entry(parent).or_default().insert([here, there]);
                }
            }
        }
        for (parent, edges) in edges {
            let cycles = edges.iter().filter(|[from, to]| reaches(&edges, to, from));
            let parent = parent.join("::");
            faults.extend(cycles.map(|[from, to]| format!("a cycle in {parent}: {from} imports {to}")));
        }
        faults.into_iter().collect()
    }

    /// Whether `parent` has a submodule with this name.
    fn has(&self, parent: &[String], name: &str) -> bool {
        self.0.keys().any(|module| {
            module.starts_with(parent) && module.get(parent.len()).is_some_and(|found| found == name)
        })
    }
}

/// The paths in the tokens: `crate::a::b` and `std::fs`; trees of imports are expanded.
fn find(tokens: TokenStream, paths: &mut BTreeSet<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    while let [first, others @ ..] = rest {
        rest = others;
        match first {
            TokenTree::Group(group) => find(group.stream(), paths),
            TokenTree::Ident(root)
                if ["crate", "std", "rand", "proxy_wasm"].iter().any(|name| root == name) =>
            {
                rest = tree(vec![root.to_string()], others, paths);
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Reads the rest of a path that starts with `path`; returns the tokens after it.
fn tree<'t>(
    mut path: Vec<String>,
    tokens: &'t [TokenTree],
    paths: &mut BTreeSet<Vec<String>>,
) -> &'t [TokenTree] {
    let mut rest = tokens;
    while let [TokenTree::Punct(one), TokenTree::Punct(two), next, others @ ..] = rest {
        if (one.as_char(), two.as_char()) != (':', ':') {
            break;
        }
        match next {
            TokenTree::Ident(name) => path.push(name.to_string()),
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in
                    inner.split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','))
                {
                    let [TokenTree::Ident(name), more @ ..] = branch else { continue };
                    let mut longer = path.clone();
                    longer.push(name.to_string());
                    tree(longer, more, paths);
                }
                return others;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => break,
        }
        rest = others;
    }
    path.retain(|name| name != "self");
    paths.insert(path);
    rest
}

fn is_test(module: &syn::ItemMod) -> bool {
    module.attrs.iter().any(|attribute| attribute.to_token_stream().to_string() == "# [cfg (test)]")
}

/// The forbidden import of a module from this crate, if any.
fn wrong_way(module: &[String], path: &[String]) -> Option<String> {
    let part = |names: &[String]| names.first().cloned().unwrap_or_default();
    match (part(module).as_str(), part(path).as_str()) {
        ("engine", outer @ ("filter" | "cli")) | ("filter", outer @ "cli") | ("cli", outer @ "filter") => {
            Some(outer.to_owned())
        }
        ("engine", "engine") => {
            let level = |names: &[String]| {
                LAYERS.iter().position(|layer| names.get(1).is_some_and(|name| name == layer))
            };
            let below = level(path)? > level(module)?;
            below.then(|| format!("engine::{}, a layer below it", path.get(1).map_or("", String::as_str)))
        }
        _ => None,
    }
}

/// The forbidden import of a module from another crate, if any.
fn impurity(module: &[String], path: &[String]) -> Option<&'static str> {
    let path = path.join("::");
    let is = |what: &str| path == what || path.starts_with(&format!("{what}::"));
    match module.first()?.as_str() {
        "engine" => IMPURE.into_iter().find(|what| is(what)),
        "cli" => is("proxy_wasm").then_some("proxy_wasm"),
        _ => None,
    }
}

/// Whether imports lead from one module to another.
fn reaches<'m>(edges: &BTreeSet<[&'m str; 2]>, from: &'m str, to: &str) -> bool {
    let (mut seen, mut next) = (BTreeSet::from([from]), vec![from]);
    while let Some(here) = next.pop() {
        let found = edges.iter().filter(|[one, _]| *one == here).map(|[_, other]| *other);
        next.extend(found.filter(|other| seen.insert(other)));
    }
    seen.contains(to)
}
