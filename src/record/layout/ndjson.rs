//! A JSON object in each line.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::record::check::Fault;
use crate::record::values::Values;

/// What to do with a key that no value is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// It is a fault.
    Fail,
    /// Its value is passed over. Such a key may stand twice.
    Ignore,
}

/// What to do where a key is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The value is NULL.
    Null,
    /// It is a fault.
    Fail,
}

/// A JSON object in each line, of which some keys are values.
///
/// A string is its text. A number is the digits that stand there: it is never computed with, so
/// `1E400` and integers of any length stay what they are. `true` and `false` are these words, `null`
/// is NULL, and an object or a list is its JSON as it stands there, blanks included.
#[derive(Debug, Clone)]
pub struct Ndjson {
    /// The distinct keys, and a number for each.
    keys: HashMap<String, usize>,
    /// For each value, its key and the number of it.
    names: Vec<(String, usize)>,
    extra: Extra,
    absent: Absent,
}

impl Ndjson {
    /// Of the keys `names`, in this order; a name that stands twice gives its value twice.
    pub fn new(names: Vec<String>, extra: Extra, absent: Absent) -> Self {
        let mut keys = HashMap::new();
        let number = |name: String| {
            let next = keys.len();
            let number = *keys.entry(name.clone()).or_insert(next);
            (name, number)
        };
        let names = names.into_iter().map(number).collect();
        Self {
            keys,
            names,
            extra,
            absent,
        }
    }

    /// See [`Layout::read`](super::Layout::read).
    ///
    /// # Errors
    /// The record is no JSON object, with white space around it at most; a key stands twice; a key
    /// is missing or unknown, where that is a fault; a string holds a NUL or half a surrogate pair.
    pub fn read(&self, record: &[u8], values: &mut Values) -> Result<(), Fault> {
        values.clear();
        let Ok(text) = std::str::from_utf8(record) else {
            return Err(Fault::of_encoding(record).unwrap_or_else(|| syntax("no UTF-8")));
        };
        let mut object = Object {
            layout: self,
            found: vec![None; self.keys.len()],
            fault: None,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let read = (&mut object)
            .deserialize(&mut json)
            .and_then(|()| json.end());
        if let Some(fault) = object.fault {
            return Err(fault);
        }
        read.map_err(|error| invalid(text, &error))?;
        for (name, number) in &self.names {
            match object.found[*number] {
                Some(value) => push(name, value.get(), values)?,
                None if self.absent == Absent::Null => values.push_null(),
                None => {
                    let reason = format!("missing data for key \"{name}\"");
                    return Err(Fault::new("22P04", reason));
                }
            }
        }
        Ok(())
    }
}

/// Adds a value that stands like this in the record.
fn push(name: &str, json: &str, values: &mut Values) -> Result<(), Fault> {
    let Some(inner) = json.strip_prefix('"') else {
        if json == "null" {
            values.push_null();
        } else {
            values.push(json.as_bytes());
        }
        return Ok(());
    };
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        values.push(inner.strip_suffix('"').unwrap_or(inner).as_bytes());
        return Ok(());
    }
    let text: String = serde_json::from_str(json).map_err(|error| {
        let what = without_place(&error);
        syntax(&format!("{what} in the value of key \"{name}\""))
    })?;
    if memchr::memchr(0, text.as_bytes()).is_some() {
        let mut fault = Fault::of_encoding(b"\0").unwrap_or_else(|| syntax("a NUL"));
        fault
            .reason
            .push_str(&format!(" in the value of key \"{name}\""));
        return Err(fault);
    }
    values.push(text.as_bytes());
    Ok(())
}

/// Takes the values of an object as they stand in the text.
struct Object<'l, 't> {
    layout: &'l Ndjson,
    /// By the number of the key.
    found: Vec<Option<&'t RawValue>>,
    /// What is wrong with the keys.
    fault: Option<Fault>,
}

impl<'t> DeserializeSeed<'t> for &mut Object<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'t> Visitor<'t> for &mut Object<'_, 't> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key(self.layout))? {
            let value: &RawValue = map.next_value()?;
            let fault = match key {
                Ok(number) => match self.found[number].replace(value) {
                    None => continue,
                    Some(_) => self.layout.twice(number),
                },
                Err(_) if self.layout.extra == Extra::Ignore => continue,
                Err(unknown) => {
                    Fault::new("22P04", format!("extra data: unknown key \"{unknown}\""))
                }
            };
            self.fault = Some(fault);
            return Err(A::Error::custom("a fault of its keys"));
        }
        Ok(())
    }
}

impl Ndjson {
    /// The key of this number stands twice.
    fn twice(&self, number: usize) -> Fault {
        let mut names = self.names.iter();
        let name = names.find(|(_, of)| *of == number);
        let name = name.map_or("", |(name, _)| name);
        Fault::new(
            "22030",
            format!("duplicate JSON object key value: \"{name}\""),
        )
    }
}

/// The number of a key, or the key where it has none.
#[derive(Clone, Copy)]
struct Key<'l>(&'l Ndjson);

impl<'t> DeserializeSeed<'t> for Key<'_> {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Result<usize, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(match self.0.keys.get(key) {
            Some(number) => Ok(*number),
            // Nobody asks for its name.
            None if self.0.extra == Extra::Ignore => Err(String::new()),
            None => Err(key.to_owned()),
        })
    }
}

/// What is wrong with `text`, and at which of its characters.
fn invalid(text: &str, error: &serde_json::Error) -> Fault {
    let lines = text.split_inclusive('\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let end = (before + error.column()).min(text.len());
    let starts = |byte: &&u8| !(0x80..0xc0).contains(*byte);
    let column = text.as_bytes()[..end].iter().filter(starts).count().max(1);
    let what = without_place(error);
    syntax(&format!("{what} at column {column}"))
}

/// The words of an error, without the line and column that it ends in.
fn without_place(error: &serde_json::Error) -> String {
    let words = error.to_string();
    match words.rfind(" at line ") {
        Some(end) => words[..end].to_owned(),
        None => words,
    }
}

fn syntax(what: &str) -> Fault {
    Fault::new(
        "22P02",
        format!("invalid input syntax for type json: {what}"),
    )
}

#[cfg(test)]
mod tests;
