//! What a job file says: YAML as a tree, with a way back from each node to its line and column.
//!
//! The only place that knows `serde_yaml`. It gives no positions with the values, but it does with
//! errors; so a place is found by reading the document again with a visitor that fails at the node
//! in question. That costs a pass per place that is asked for, and nothing where none is.

use std::fmt;
use std::sync::Arc;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// A line and column of a job file, 1 for the first; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Text that is no YAML document.
#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) place: Option<Place>,
    pub(super) what: String,
}

/// A parsed document.
#[derive(Debug)]
pub(super) struct Document {
    text: Arc<str>,
    pub(super) root: Node,
}

/// A node of the document. The order of keys is kept, and so are keys that stand twice.
#[derive(Debug)]
pub(super) enum Node {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// A scalar, both as YAML reads it and as it is written.
#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) kind: Kind,
    /// The text without YAML's quotes: `007` stays `007`, `NULL` stays `NULL`.
    pub(super) text: String,
}

/// What YAML takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number,
    Text,
}

impl Document {
    /// Parses one YAML document.
    pub(super) fn parse(text: &str) -> Result<Self, Syntax> {
        if let Some(at) = text.chars().position(is_mask) {
            return Err(Syntax {
                place: Some(place_of(text, at)),
                what: "a character of Unicode's private plane 15 cannot be used here".into(),
            });
        }
        let text = masked(text);
        if text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#')
        }) {
            // `serde_yaml` calls that an unexpected end.
            let root = Node::Map(Vec::new());
            let text = text.into();
            return Ok(Self { text, root });
        }
        let mut root: Node = serde_yaml::from_str(&text).map_err(|error| syntax(&error))?;
        Texts(&mut root)
            .deserialize(serde_yaml::Deserializer::from_str(&text))
            .map_err(|error| syntax(&error))?;
        let text = text.into();
        Ok(Self { text, root })
    }

    /// Where the node at `path` begins: an index for each level, among the entries of a map or the
    /// items of a list. `of_key`: where its key begins.
    pub(super) fn place(&self, path: &[usize], of_key: bool) -> Option<Place> {
        find(&self.text, path, of_key)
    }

    /// The lines of the items of the list at `path`.
    pub(super) fn lines(&self, path: &[usize]) -> Lines {
        Lines {
            text: Arc::clone(&self.text),
            list: path.to_owned(),
        }
    }
}

/// The lines on which the items of a list begin. Each is looked for when it is asked for, in a pass
/// over the document: a job that runs well asks for none.
#[derive(Clone)]
pub(super) struct Lines {
    text: Arc<str>,
    list: Vec<usize>,
}

impl Lines {
    /// The line of the item `index`, 1 for the document's first line.
    pub(super) fn of_item(&self, index: usize) -> usize {
        let path = [self.list.as_slice(), &[index]].concat();
        find(&self.text, &path, false).map_or(0, |place| place.line)
    }
}

impl fmt::Debug for Lines {
    /// Without the document, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}

fn find(text: &str, path: &[usize], of_key: bool) -> Option<Place> {
    let find = Find { path, of_key };
    let found = find.deserialize(serde_yaml::Deserializer::from_str(text));
    place(&found.err()?)
}

fn place(error: &serde_yaml::Error) -> Option<Place> {
    let location = error.location()?;
    Some(Place {
        line: location.line(),
        column: location.column(),
    })
}

fn place_of(text: &str, at: usize) -> Place {
    let before: String = text.chars().take(at).collect();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

fn syntax(error: &serde_yaml::Error) -> Syntax {
    let place = place(error);
    let text = error.to_string();
    // The message repeats the place at its end.
    let what = text
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    Syntax { place, what }
}

/// `text` with what YAML would trip over inside `${{ }}` replaced, one character by one, so that an
/// expression needs no quotes, not even between `{` and `}`. [`unmasked`] undoes it.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("${{") {
        let (before, expression) = rest.split_at(open);
        out.push_str(before);
        let line = &expression[..expression.find('\n').unwrap_or(expression.len())];
        // One that goes on over lines is left as it is.
        let end = line.find("}}").map_or("${{".len(), |close| close + 2);
        let (expression, after) = expression.split_at(end);
        let closed = expression.len() > "${{".len();
        out.extend(expression.chars().map(|c| if closed { mask(c) } else { c }));
        rest = after;
    }
    out.push_str(rest);
    out
}

const MASK: u32 = 0xF_0000;

fn mask(c: char) -> char {
    match c {
        '{' | '}' | '[' | ']' | ',' | '#' | ':' => char::from_u32(MASK + u32::from(c)).unwrap_or(c),
        c => c,
    }
}

fn is_mask(c: char) -> bool {
    (MASK..MASK + 0x80).contains(&u32::from(c))
}

fn unmasked(text: &str) -> String {
    text.chars()
        .map(|c| {
            let original = is_mask(c).then(|| char::from_u32(u32::from(c) - MASK));
            original.flatten().unwrap_or(c)
        })
        .collect()
}

/// A map's key: any scalar, as it is written.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written).map(Self)
    }
}

/// Reads a scalar's text, whatever YAML takes it for.
struct Written;

impl Visitor<'_> for Written {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain word as key")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(unmasked(text))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

/// A scalar whose text comes later, from [`Texts`].
fn scalar(kind: Kind) -> Node {
    Node::Scalar(Scalar {
        kind,
        text: String::new(),
    })
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a YAML tag")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(scalar(Kind::Null))
    }

    /// A document without a node.
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(scalar(Kind::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(scalar(Kind::Bool(value)))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(scalar(Kind::Number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(scalar(Kind::Number))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(scalar(Kind::Number))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(scalar(Kind::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(scalar(Kind::Number))
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(scalar(Kind::Text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some((Key(key), node)) = entries.next_entry()? {
            map.push((key, node));
        }
        Ok(Node::Map(map))
    }
}

/// Fills in the text of every scalar of a tree of the same shape.
struct Texts<'a>(&'a mut Node);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0 {
            Node::Scalar(scalar) => {
                scalar.text = deserializer.deserialize_str(Written)?;
                Ok(())
            }
            Node::List(_) => deserializer.deserialize_seq(self),
            Node::Map(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the same value as before")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let Node::List(list) = self.0 {
            for node in list {
                items.next_element_seed(Texts(node))?;
            }
        }
        // serde_yaml takes the end of a list for granted only after it was asked for it.
        items.next_element::<IgnoredAny>().map(drop)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if let Node::Map(map) = self.0 {
            for (_, node) in map {
                entries.next_key::<IgnoredAny>()?;
                entries.next_value_seed(Texts(node))?;
            }
        }
        entries.next_key::<IgnoredAny>().map(drop)
    }
}

/// Walks to a node and fails there.
struct Find<'a> {
    path: &'a [usize],
    of_key: bool,
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Find<'_> {
    fn here<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.path.is_empty() {
            Err(E::custom("here"))
        } else {
            Ok(())
        }
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.here()?;
        for _ in 0..self.path[0] {
            items.next_element::<IgnoredAny>()?;
        }
        items
            .next_element_seed(Find {
                path: &self.path[1..],
                of_key: self.of_key,
            })
            .map(drop)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.here()?;
        for _ in 0..self.path[0] {
            entries.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if self.of_key && self.path.len() == 1 {
            let find = Find {
                path: &[],
                of_key: false,
            };
            return entries.next_key_seed(find).map(drop);
        }
        entries.next_key::<IgnoredAny>()?;
        entries.next_value_seed(Find {
            path: &self.path[1..],
            of_key: self.of_key,
        })
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.here()
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.here()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.here()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.here()
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<(), E> {
        self.here()
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<(), E> {
        self.here()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.here()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.here()
    }
}

#[cfg(test)]
mod tests;
