//! What a server's refusal says of the records that it would not take.

use crate::wire::error::ServerMessage;

/// Whether a refusal is about the data, so that other data may be loaded: its value (22), a
/// constraint (23, 44), what a trigger or a limit makes of it (09, 21, 27, 38, 39, 54, P0), or a
/// policy on rows. A policy has the code of missing rights, but those are missed before any data;
/// where no COPY is under way, its words tell it.
pub(super) fn is_about_data(said: &ServerMessage) -> bool {
    let in_copy = |text: &str| text.contains("COPY ");
    let by_policy = said.code == "42501"
        && (said.context.as_deref().is_some_and(in_copy)
            || said.message.contains("row-level security policy"));
    by_policy
        || matches!(
            said.class(),
            "09" | "21" | "22" | "23" | "27" | "38" | "39" | "44" | "54" | "P0"
        )
}

/// Whether a record that is refused so may be taken where other records are, or are not, there. A
/// value, a NULL and a CHECK are matters of the record alone.
pub(super) fn depends_on_others(said: &ServerMessage) -> bool {
    said.class() != "22" && !matches!(said.code.as_str(), "23502" | "23514")
}
