//! Values that are never shown.

use std::borrow::Cow;
use std::fmt;

/// A password or key. `Debug` shows that there is one, nothing more; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The hidden text, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

/// Secrets that may turn up in a text: in a statement that failed, in what a server says of it.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Shorter ones are not looked for: they would be found in ordinary words.
    const SHORTEST: usize = 4;

    /// Adds a secret, as it is and as an SQL literal holds it.
    pub fn add(&mut self, text: &str) {
        let doubled = text.replace('\'', "''");
        for form in [text.to_owned(), doubled.replace('\\', "\\\\"), doubled] {
            let secret = Secret::new(form);
            if secret.0.len() >= Self::SHORTEST && !self.0.contains(&secret) {
                self.0.push(secret);
            }
        }
        // A longer form first: a shorter one may be a part of it.
        self.0
            .sort_by_key(|secret| std::cmp::Reverse(secret.0.len()));
    }

    /// Adds those of `others`.
    pub fn extend(&mut self, others: &Self) {
        for secret in &others.0 {
            self.add(&secret.0);
        }
    }

    /// `text` with every secret in it replaced by `****`.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hidden = Cow::Borrowed(text);
        for Secret(secret) in &self.0 {
            if hidden.contains(secret.as_str()) {
                hidden = Cow::Owned(hidden.replace(secret.as_str(), "****"));
            }
        }
        hidden
    }

    /// Whether a variable of this name probably holds a secret.
    pub fn is_name_of_one(name: &str) -> bool {
        let name = name.to_uppercase();
        ["PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL"]
            .iter()
            .any(|word| name.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_in_its_debug_output() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(****)");
    }

    #[test]
    fn secrets_are_hidden_in_every_form_they_take_in_sql() {
        let mut secrets = Secrets::default();
        secrets.add("it's \\x");
        secrets.add("abc");
        assert_eq!(
            secrets.hide("raw it's \\x, 'it''s \\x', E'it''s \\\\x', abc"),
            "raw ****, '****', E'****', abc"
        );
    }
}
