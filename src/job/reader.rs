//! Reading a job file's tree: what a node must be, and a mistake where it is something else.
//!
//! Every read returns `None` after it has noted a mistake, so that reading goes on and all
//! mistakes are found at once.

use std::cell::RefCell;

use super::diagnose::{Mistakes, Path, nearest};
use super::raw::{Document, Kind, Lines, Node, Scalar};
use super::template::Scope;

/// What reading needs at every node.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    document: &'a Document,
    pub(super) scope: Scope,
    mistakes: RefCell<Mistakes>,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a Document, scope: Scope) -> Self {
        Self {
            document,
            scope,
            mistakes: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// The document's root.
    pub(super) fn root(&self) -> At<'_> {
        At {
            reader: self,
            node: &self.document.root,
            path: Path::default(),
        }
    }

    /// The mistakes and the warnings found.
    pub(super) fn finish(self) -> (Mistakes, Vec<String>) {
        (self.mistakes.into_inner(), self.warnings.into_inner())
    }
}

/// The keys of a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    /// Keys that mean something.
    pub(super) known: &'static [&'static str],
    /// Keys that will mean something: using one must not silently do nothing.
    pub(super) reserved: &'static [&'static str],
}

/// Words that other tools have for the same thing: `(theirs, ours)`.
const SYNONYMS: [(&str, &str); 20] = [
    ("delimiter", "sep"),
    ("separator", "sep"),
    ("delim", "sep"),
    ("null_string", "null"),
    ("nullstr", "null"),
    ("path", "file"),
    ("files", "file"),
    ("source", "file"),
    ("target", "table"),
    ("into", "table"),
    ("headers", "header"),
    ("cols", "columns"),
    ("fields", "columns"),
    ("variables", "vars"),
    ("settings", "session"),
    ("select", "sql"),
    ("db", "dbname"),
    ("username", "user"),
    ("hostname", "host"),
    ("server", "host"),
];

/// The word for what older YAML, and many a tool, calls `yes` or `off`.
fn yes_or_no(text: &str) -> Option<&'static str> {
    match text.to_lowercase().as_str() {
        "yes" | "y" | "on" | "1" => Some("true"),
        "no" | "n" | "off" | "0" => Some("false"),
        _ => None,
    }
}

impl Keys {
    /// The key that `key`, which is not known, was probably meant to be.
    fn meant(self, key: &str) -> Option<&'static str> {
        let synonyms = SYNONYMS
            .iter()
            .filter(|(_, ours)| self.known.contains(ours));
        let ours = |word: &str| {
            let found = synonyms.clone().find(|(theirs, _)| *theirs == word);
            found.map(|(_, ours)| *ours)
        };
        let all = self.known.iter().chain(self.reserved).copied();
        ours(&key.to_lowercase())
            .or_else(|| nearest(key, all))
            .or_else(|| ours(nearest(key, synonyms.clone().map(|(theirs, _)| *theirs))?))
    }

    /// What to say of `key`, which is not known.
    pub(super) fn unknown(self, key: &str) -> String {
        match self.meant(key) {
            Some(near) if near == key => format!("`{key}` is not supported yet"),
            Some(near) => format!("unknown key, did you mean `{near}`?"),
            // Such as `{query: SELECT a, b FROM t}`, where YAML sees the key `b FROM t`.
            None if key.contains(char::is_whitespace) => {
                "unknown key; inside `{ }` and `[ ]`, a text that holds a comma needs quotes".into()
            }
            None => format!("unknown key; known here: {}", self.known.join(", ")),
        }
    }
}

/// One node, and where it is.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    pub(super) reader: &'a Reader<'a>,
    node: &'a Node,
    path: Path,
}

impl<'a> At<'a> {
    /// Notes that the value here is wrong.
    pub(super) fn wrong(&self, what: impl Into<String>) {
        self.note(false, what.into());
    }

    /// Notes that the key of this value is wrong.
    pub(super) fn wrong_key(&self, what: impl Into<String>) {
        self.note(true, what.into());
    }

    fn note(&self, of_key: bool, what: String) {
        self.reader
            .mistakes
            .borrow_mut()
            .add(self.reader.document, &self.path, of_key, what);
    }

    /// Adds a warning about the value here.
    pub(super) fn warn(&self, what: &str) {
        let text = format!("{}: {what}", self.path);
        self.reader.warnings.borrow_mut().push(text);
    }

    /// The lines of the items of the list here.
    pub(super) fn lines(&self) -> Lines {
        self.path.lines(self.reader.document)
    }

    /// The value where it is a scalar, as it is written.
    pub(super) fn scalar(&self) -> Option<&'a Scalar> {
        match self.node {
            Node::Scalar(scalar) => Some(scalar),
            Node::List(_) | Node::Map(_) => None,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self.node, Node::Map(_))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.node, Node::List(_))
    }

    /// Whether nothing stands here, or YAML's null.
    pub(super) fn is_null(&self) -> bool {
        self.scalar()
            .is_some_and(|scalar| scalar.kind == Kind::Null)
    }

    /// What tells this run from others.
    pub(super) fn run_id(&self) -> String {
        self.reader.scope.run_id()
    }

    fn found(&self) -> &'static str {
        match self.node {
            Node::Scalar(Scalar {
                kind: Kind::Null, ..
            }) => "nothing",
            Node::Scalar(_) => "a single value",
            Node::List(_) => "a list",
            Node::Map(_) => "a mapping",
        }
    }

    /// Notes that something else was expected here. Returns `None`, for `?`.
    pub(super) fn expected<T>(&self, what: &str) -> Option<T> {
        self.wrong(format!("expected {what}, found {}", self.found()));
        None
    }

    /// The text here, expressions replaced. Numbers and booleans are taken as they are written.
    pub(super) fn text(&self) -> Option<String> {
        match self.scalar() {
            Some(scalar) if scalar.kind != Kind::Null => self.rendered(&scalar.text),
            Some(_) => self.expected("text (the empty text is written `''`)"),
            None => self.expected("text"),
        }
    }

    /// Like [`At::text`], where `NULL` and `~` are texts too.
    pub(super) fn text_or_null(&self) -> Option<String> {
        match self.scalar() {
            Some(scalar) if !scalar.text.is_empty() => self.rendered(&scalar.text),
            _ => self.text(),
        }
    }

    fn rendered(&self, text: &str) -> Option<String> {
        let rendered = self.reader.scope.render(text);
        rendered.map_err(|what| self.wrong(what)).ok()
    }

    /// The text here, made into something else.
    pub(super) fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text()?;
        parse(&text).map_err(|what| self.wrong(what)).ok()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        self.choice(&[("true", true), ("false", false)], &[])
    }

    /// One of a few words. `later` are words that will be understood.
    pub(super) fn choice<T: Copy>(&self, words: &[(&str, T)], later: &[&str]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        if later.contains(&text.as_str()) {
            self.wrong(format!("`{text}` is not supported yet"));
            return None;
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let near = yes_or_no(&text)
            .filter(|word| known.contains(word))
            .or_else(|| nearest(&text, known.iter().copied()))
            .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        self.wrong(format!(
            "expected {}, found `{text}`{near}",
            known.join(", ")
        ));
        None
    }

    /// The items of the list here.
    pub(super) fn list(&self) -> Option<Vec<At<'a>>> {
        let Node::List(list) = self.node else {
            return self.expected("a list");
        };
        let item = |(index, node)| At {
            reader: self.reader,
            node,
            path: self.path.item(index),
        };
        Some(list.iter().enumerate().map(item).collect())
    }

    /// The items of the list here, or the single value.
    pub(super) fn one_or_more(&self) -> Vec<At<'a>> {
        match self.node {
            Node::List(_) => self.list().unwrap_or_default(),
            _ => vec![self.clone()],
        }
    }

    /// The value of `key` in the mapping here, ahead of a reading of all of it.
    pub(super) fn entry(&self, key: &str) -> Option<At<'a>> {
        let Node::Map(map) = self.node else {
            return None;
        };
        let index = map.iter().position(|(name, _)| name == key)?;
        Some(At {
            reader: self.reader,
            node: &map[index].1,
            path: self.path.key(index, key),
        })
    }

    /// The entries of the mapping here: keys and values. Each key counts once.
    pub(super) fn entries(&self) -> Option<Vec<(&'a str, At<'a>)>> {
        let Node::Map(map) = self.node else {
            return self.expected("a mapping");
        };
        let mut entries: Vec<(&str, At<'_>)> = Vec::with_capacity(map.len());
        for (index, (key, node)) in map.iter().enumerate() {
            let at = At {
                reader: self.reader,
                node,
                path: self.path.key(index, key),
            };
            if entries.iter().any(|(before, _)| before == key) {
                at.wrong_key("this key stands twice");
            } else {
                entries.push((key, at));
            }
        }
        Some(entries)
    }

    /// The entries of the mapping here, all of them among `keys`.
    pub(super) fn fields(&self, keys: Keys) -> Option<Fields<'a>> {
        self.fields_where(keys, |_| None)
    }

    /// The same, with more to say about some unknown keys.
    pub(super) fn fields_where(
        &self,
        keys: Keys,
        explain: impl Fn(&str) -> Option<String>,
    ) -> Option<Fields<'a>> {
        let mut entries = self.entries()?;
        let mut meant = Vec::new();
        entries.retain(|(key, at)| {
            let known = keys.known.contains(key);
            if !known {
                at.wrong_key(explain(key).unwrap_or_else(|| keys.unknown(key)));
                meant.extend(keys.meant(key));
            }
            known
        });
        Some(Fields {
            whole: self.clone(),
            entries,
            meant,
        })
    }
}

/// The entries of a mapping whose keys are known.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) whole: At<'a>,
    entries: Vec<(&'a str, At<'a>)>,
    /// Keys that unknown ones were probably meant to be: one slip is one mistake.
    meant: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The value of `key`, where it is there.
    pub(super) fn get(&self, key: &str) -> Option<&At<'a>> {
        self.entries
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, at)| at)
    }

    /// The value of `key`; a mistake where it is not there.
    pub(super) fn require(&self, key: &str) -> Option<&At<'a>> {
        let found = self.get(key);
        if found.is_none() && !self.meant.contains(&key) {
            self.whole.wrong(format!("`{key}` is missing"));
        }
        found
    }

    /// Which of `keys` are there.
    pub(super) fn present<'k>(&self, keys: &[&'k str]) -> Vec<&'k str> {
        keys.iter()
            .copied()
            .filter(|key| self.get(key).is_some())
            .collect()
    }

    /// Notes that each of `keys` that is there makes no sense, because of `why`.
    pub(super) fn refuse(&self, keys: &[&str], why: &str) {
        for at in keys.iter().filter_map(|key| self.get(key)) {
            at.wrong_key(why);
        }
    }
}
