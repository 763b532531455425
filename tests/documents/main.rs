//! Every relative link of every Markdown document, and every document that the code names, exists.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// What a document offers and needs.
#[derive(Default)]
struct Document {
    /// Anchors of its headings, as GitHub writes them.
    anchors: HashSet<String>,
    /// Targets of its links and images.
    links: Vec<String>,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// Files below `folder` with one of the extensions, without build outputs and hidden folders.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                found.extend(files(&path, extensions));
            }
        } else if path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted)) {
            found.push(path);
        }
    }
    found
}

/// The anchor of a heading: lower case, punctuation removed, a hyphen for each space.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn document(text: &str) -> Document {
    let mut document = Document::default();
    let mut repeated: HashMap<String, usize> = HashMap::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let earlier = repeated.entry(anchor.clone()).or_default();
                document.anchors.insert(match *earlier {
                    0 => anchor,
                    count => format!("{anchor}-{count}"),
                });
                *earlier += 1;
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                document.links.push(dest_url.to_string());
            }
            _ => {}
        }
    }
    document
}

/// The reason why a link of the document at `from` leads nowhere, if it does.
fn broken(from: &Path, link: &str, documents: &HashMap<PathBuf, Document>) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(p, a)| (p, Some(a)));
    let target = match path {
        "" => from.to_path_buf(),
        path => from.parent().expect("a folder").join(path),
    };
    let Ok(target) = target.canonicalize() else {
        return Some(format!("{}: `{link}` does not exist", from.display()));
    };
    let anchor = anchor?;
    let found = documents.get(&target).is_some_and(|document| document.anchors.contains(anchor));
    (!found).then(|| format!("{}: `{link}` names no heading", from.display()))
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let documents: HashMap<PathBuf, Document> = files(&workspace(), &["md"])
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a document");
            (path.canonicalize().expect("a path"), document(&text))
        })
        .collect();
    let links: usize = documents.values().map(|document| document.links.len()).sum();
    assert!(links > 100, "found {links} links only");
    let mut faults: Vec<String> = documents
        .iter()
        .flat_map(|(path, document)| {
            document.links.iter().filter_map(|link| broken(path, link, &documents))
        })
        .collect();
    faults.sort();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Paths such as `docs/decisions/001-content-guided-vocoder.md` in comments and messages.
#[test]
fn every_document_that_the_code_names_exists() {
    let root = workspace();
    let mut faults = Vec::new();
    for path in files(&root, &["rs", "toml", "py", "sh"]) {
        let text = std::fs::read_to_string(&path).expect("a source file");
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || "/-_.".contains(c));
        for named in text.split(is_end).filter(|word| word.starts_with("docs/")) {
            let named = named.trim_end_matches('.');
            if named.ends_with(".md") && !root.join(named).is_file() {
                faults.push(format!("{}: `{named}` does not exist", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn broken_links_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("a path").join("a.md");
    let text = "# One `two`, three\n\n# One\n\n# One\n";
    std::fs::write(&path, text).expect("written");
    let own = document(text);
    let anchors = ["one-two-three", "one", "one-1"];
    assert!(anchors.iter().all(|anchor| own.anchors.contains(*anchor)), "{:?}", own.anchors);
    let documents = HashMap::from([(path.clone(), own)]);
    let links = ["#one-1", "#one-2", "a.md#one", "a.md#two", "no.md", "https://example.org/x"];
    let faults = links.map(|link| broken(&path, link, &documents).is_some());
    assert_eq!(faults, [false, true, false, true, true, false]);
}
