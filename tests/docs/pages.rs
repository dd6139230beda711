//! All pages: their links work, their prose fits a screen, and the site lists each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The address for links to files of the repository that are not on the site.
const REPOSITORY: &str = "https://github.com/tokenward/tokenward/blob/main/";
const WIDEST_LINE: usize = 120;

#[test]
fn links_on_pages_work() {
    let pages: BTreeMap<PathBuf, Page> =
        pages().into_iter().map(|path| (path.clone(), Page::read(&path))).collect();
    let mut wrong = Vec::new();
    for (path, page) in &pages {
        for link in &page.links {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match (file.strip_prefix(REPOSITORY), file) {
                (Some(file), _) => PathBuf::from(file),
                (None, "") => path.clone(),
                (None, file) if file.contains("://") || file.starts_with("mailto:") => continue,
                (None, file) => normalized(&path.parent().unwrap().join(file)),
            };
            let leads = target.exists()
                && (anchor.is_empty() || pages.get(&target).is_none_or(|page| page.anchors.contains(anchor)));
            if !leads {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn broken_link_is_found() {
    let page = Page::of(
        "# A title\n\n[one](gone.md) and `[no](link.md)`\n\n```sh\n[no](link.md)\n# no title\n```\n[two](#a-title)\n[1]: https://x.test\n",
    );
    assert_eq!(page.links, ["gone.md", "#a-title", "https://x.test"]);
    assert_eq!(page.anchors, BTreeSet::from(["a-title".to_owned()]));
}

#[test]
fn site_pages_link_only_to_the_site() {
    for path in pages().iter().filter(|path| path.starts_with("docs")) {
        for link in
            Page::read(path).links.iter().filter(|link| !link.contains("://") && !link.starts_with('#'))
        {
            let target = normalized(&path.parent().unwrap().join(link.split('#').next().unwrap()));
            assert!(target.starts_with("docs"), "{}: {link}: write {REPOSITORY}…", path.display());
        }
    }
}

#[test]
fn site_lists_each_page() {
    let summary = Page::read(Path::new("docs/SUMMARY.md"));
    let listed: BTreeSet<PathBuf> = summary.links.iter().map(|link| Path::new("docs").join(link)).collect();
    let written =
        pages().into_iter().filter(|path| path.starts_with("docs") && !path.ends_with("SUMMARY.md"));
    assert_eq!(listed, written.collect());
}

#[test]
fn prose_has_at_most_120_columns() {
    let mut wide = Vec::new();
    for path in pages() {
        let text = fs::read_to_string(&path).unwrap();
        // Lines of tables, lines of code and addresses of links cannot be wrapped.
        for (number, line) in
            prose(&text).filter(|(_, line)| !line.starts_with('|') && !line.starts_with('['))
        {
            if line.chars().count() > WIDEST_LINE {
                wide.push(format!("{}:{number}", path.display()));
            }
        }
    }
    assert_eq!(wide, [""; 0]);
}

#[test]
fn readme_has_at_most_130_lines() {
    assert!(fs::read_to_string("README.md").unwrap().lines().count() <= 130);
}

#[test]
fn pictures_match_their_text() {
    let output = Command::new("tools/pictures").arg("--check").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A page: the targets of its links, and the anchors of its headings.
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        Self::of(&fs::read_to_string(path).unwrap())
    }

    fn of(text: &str) -> Self {
        let (mut links, mut anchors) = (Vec::new(), BTreeSet::new());
        for (_, line) in prose(text) {
            // Code contains no links, so remove the text between backticks.
            let bare: String = line.split('`').step_by(2).collect();
            links.extend(
                bare.split("](")
                    .skip(1)
                    .filter_map(|rest| rest.split_once(')'))
                    .map(|(link, _)| link.to_owned()),
            );
            links.extend(
                line.strip_prefix('[')
                    .and_then(|rest| rest.split_once("]: "))
                    .map(|(_, link)| link.to_owned()),
            );
            if line.starts_with('#') {
                anchors.insert(anchor(line.trim_start_matches('#').trim()));
            }
        }
        Self { links, anchors }
    }
}

/// The lines of a page outside its code, each with its number.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// The anchor of a heading, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
    kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

/// The pages for readers: those in `docs`, and those at the top of the repository.
pub(crate) fn pages() -> Vec<PathBuf> {
    let folders = [".", "docs", "docs/guides", "docs/reference"];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| normalized(&entry.unwrap().path()));
    let pages: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|name| name == "md")).collect();
    assert!(pages.len() > 20, "{} pages", pages.len());
    pages
}

/// The path without `.` and `..`.
fn normalized(path: &Path) -> PathBuf {
    let mut normalized = PathBuf::new();
    for part in path.components() {
        match part.as_os_str().to_str().unwrap() {
            "." => {}
            ".." => assert!(normalized.pop(), "{}", path.display()),
            part => normalized.push(part),
        }
    }
    normalized
}
