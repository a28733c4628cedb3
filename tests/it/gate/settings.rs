//! Settings of the session that PostgreSQL and Gauss servers do not share.

use std::time::Duration;

use super::statements::{Kind, Statement};

/// Settings of Gauss servers alone, with their defaults. The gate keeps each in the PostgreSQL
/// behind it, in a setting `gauss.NAME`.
pub(super) const GAUSS: &[(&str, &str)] = &[
    ("session_timeout", "10min"),
    ("lockwait_timeout", "20min"),
    ("update_lockwait_timeout", "2min"),
    ("sql_compatibility", ""),
    ("behavior_compat_options", ""),
    ("connection_info", ""),
    ("max_query_retry_times", "6"),
    ("retry_ecode_list", "YY001 YY002 YY003 YY004 YY005 YY006"),
    ("enable_copy_server_files", "off"),
    ("raise_errors_if_no_files", "off"),
    ("cstore_insert_mode", "auto"),
    ("partition_max_cache_size", "2GB"),
    ("xc_maintenance_mode", "off"),
    ("query_band", ""),
];

/// Settings of PostgreSQL that a Gauss server does not know.
const MISSING: &[&str] = &[
    "lock_timeout",
    "row_security",
    "idle_session_timeout",
    "jit",
    "default_table_access_method",
    "default_toast_compression",
    "max_parallel_workers_per_gather",
    "parallel_leader_participation",
    "plan_cache_mode",
];

/// A setting that a statement reads or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    /// In small letters.
    pub(super) name: String,
    /// It is set or reset, not shown.
    pub(super) changes: bool,
    /// What it is set to, where that is one constant.
    pub(super) value: Option<String>,
    /// The word that names it.
    pub(super) at: usize,
}

/// The setting that SET, RESET, SHOW, `set_config` or `current_setting` is about.
pub(super) fn used(statement: &Statement<'_>) -> Option<Use> {
    let word = |at: usize| statement.word(at);
    if let Some(at) = ["set_config", "current_setting"]
        .iter()
        .find_map(|function| statement.find(&[function, "("]))
    {
        let name = word(at + 2).filter(|word| word.kind == Kind::Text)?;
        let value = word(at + 4).filter(|word| word.kind == Kind::Text);
        let changes = word(at)?.is("set_config");
        return Some(Use {
            name: name.text.to_ascii_lowercase(),
            changes,
            value: value.filter(|_| changes).map(|word| word.text.clone()),
            at: at + 2,
        });
    }
    let mut at = match word(0)?.text.as_str() {
        "set" | "reset" | "show" if word(0)?.kind == Kind::Word => 1,
        _ => return None,
    };
    if statement.stands(at, &["local"]) || statement.stands(at, &["session"]) {
        at += 1;
    }
    let name = word(at).filter(|word| matches!(word.kind, Kind::Word | Kind::Name))?;
    Some(Use {
        name: name.text.to_ascii_lowercase(),
        changes: !statement.begins(&["show"]),
        value: word(at + 2).map(|word| word.text.clone()),
        at,
    })
}

/// Whether only Gauss servers have it.
pub(super) fn is_gauss(name: &str) -> bool {
    GAUSS.iter().any(|(known, _)| *known == name)
}

/// Whether only PostgreSQL has it.
pub(super) fn is_missing(name: &str) -> bool {
    MISSING.contains(&name)
}

/// A time as `session_timeout` is given; a bare number is one of seconds. `None` is no limit.
pub(super) fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: u64 = digits.parse().unwrap_or(0);
    let unit = match text[digits.len()..].trim() {
        "ms" => 1,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 1_000,
    };
    (number > 0).then(|| Duration::from_millis(number * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_wherever_it_is_set() {
        for (text, expected) in [
            (
                "SET session_timeout = 0",
                Some(("session_timeout", true, Some("0"))),
            ),
            (
                "set local Session_Timeout to '2s'",
                Some(("session_timeout", true, Some("2s"))),
            ),
            (
                "RESET session_timeout",
                Some(("session_timeout", true, None)),
            ),
            (
                "SHOW sql_compatibility",
                Some(("sql_compatibility", false, None)),
            ),
            (
                "SELECT pg_catalog.set_config('session_timeout', '0', false)",
                Some(("session_timeout", true, Some("0"))),
            ),
            (
                "SELECT current_setting('x', true)",
                Some(("x", false, None)),
            ),
            ("UPDATE t SET a = 1", None),
        ] {
            let found = Statement::of(text.as_bytes()).first().and_then(used);
            let found = found
                .as_ref()
                .map(|found| (found.name.as_str(), found.changes, found.value.as_deref()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, millis) in [
            ("0", None),
            ("2", Some(2000)),
            ("300ms", Some(300)),
            ("1 min", Some(60_000)),
        ] {
            assert_eq!(time(text), millis.map(Duration::from_millis), "{text}");
        }
    }
}
