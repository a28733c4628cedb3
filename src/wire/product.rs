//! What a server is, for people.

use super::session::Session;

/// The product and its version, such as `PostgreSQL 15.18` or `openGauss 3.0.6`.
///
/// Every Gauss server (DWS, openGauss, GaussDB) reports the `server_version` 9.2.4, so it is asked
/// for its `version()`. It is known by its parameter `is_sysadmin`, where PostgreSQL has
/// `is_superuser` (openGauss, `guc.cpp`); a PostgreSQL is asked nothing.
///
/// # Cancel safety
/// May be dropped: the session settles the query before its next one.
pub async fn product(session: &mut Session) -> String {
    let reported = format!(
        "PostgreSQL {}",
        session
            .parameter("server_version")
            .unwrap_or("of unknown version")
    );
    if session.parameter("is_sysadmin").is_none() {
        return reported;
    }
    // A session that cannot answer this fails at its first statement, and says why there.
    let rows = session.rows("SELECT version()").await.unwrap_or_default();
    rows.first()
        .and_then(|row| row.text(0))
        .and_then(|version| of_gauss(&version))
        .unwrap_or(reported)
}

/// The words between the parenthesis and the build, `GaussDB 8.2.1` of
/// `PostgreSQL 9.2.4 (GaussDB 8.2.1 build 39137c2d) compiled at ...`.
fn of_gauss(version: &str) -> Option<String> {
    let (_, product) = version.split_once('(')?;
    let (product, _) = product.split_once(')')?;
    let product = product.split(" build").next().unwrap_or_default().trim();
    (!product.is_empty()).then(|| product.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauss_server_is_called_as_it_calls_itself() {
        for (version, product) in [
            (
                "(openGauss 3.0.6 build ) compiled at 2026-11-23 07:55:18 commit 0 last mr  release",
                Some("openGauss 3.0.6"),
            ),
            (
                "PostgreSQL 9.2.4 (GaussDB 8.2.1 build 39137c2d) compiled at 2022-09-23",
                Some("GaussDB 8.2.1"),
            ),
            ("PostgreSQL 9.2.4", None),
            ("( build x)", None),
        ] {
            assert_eq!(of_gauss(version).as_deref(), product, "{version}");
        }
    }
}
