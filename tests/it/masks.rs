//! Dates as they are rewritten here and as PostgreSQL reads them by the same mask.

use dwsload::record::mask::Mask;
use dwsload::wire::session::Session;

use crate::support::scene::Scene;
use crate::support::session::{block_on, session};

/// Moments for each mask.
const COUNT: usize = 300;

/// Masks that the server writes and reads as we do.
const MASKS: &[&str] = &[
    "DD.MM.YYYY",
    "YYYYMMDD",
    "MM/DD/YY",
    "DD-MON-YY",
    "Mon DD, YYYY",
    "DAY, DD MONTH YYYY",
    "DD MONTH YYYY HH24:MI",
    "YYYY-DDD",
    "DY DD.MM.YYYY",
    "YYYY\"年\"MM\"月\"DD\"日\"",
    "YYYYMMDDHH24MISS",
    "YYYYMMDDHH24MISSMS",
    "YYYY-MM-DD HH24:MI:SS.US",
    "YYYY-MM-DD\"T\"HH24:MI:SS.MS",
    "DD/MM/YYYY HH12:MI:SS AM",
    "DD/MM/YYYY PM HH:MI",
    "MM/DD/YYYY HH:MI:SS.US P.M.",
    "YYYY-MM-DD HH24:MI:SS TZH:TZM",
    "YYYYMMDDHH24MISSTZH",
];

/// Those of PostgreSQL 13 and later.
const DECIMALS: &[&str] = &[
    "YYYYMMDDHH24MISSFF1",
    "YYYY-MM-DD HH24:MI:SS.FF2",
    "YYYY-MM-DD HH24:MI:SS.FF3TZH:TZM",
    "YYYY-MM-DD HH24.MI.SS.FF6",
];

/// Masks whose numbers may have fewer digits.
const SHORT: &[&str] = &[
    "DD.MM.YYYY",
    "MM/DD/YYYY HH24:MI:SS",
    "YYYY-MM-DD HH12:MI PM",
    "YYYY-DDD",
];

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `text` without the zeros that numbers begin with.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    let mut chars = text.chars().peekable();
    let mut inside = false;
    while let Some(c) = chars.next() {
        let goes_on = chars.peek().is_some_and(char::is_ascii_digit);
        if c != '0' || inside || !goes_on {
            short.push(c);
            inside = c.is_ascii_digit();
        }
    }
    short
}

/// What the server writes by `mask`.
async fn values(session: &mut Session, mask: &str) -> Vec<String> {
    let sql = format!(
        "SELECT to_char(moment, {}) FROM samples ORDER BY n",
        quoted(mask)
    );
    let rows = session.rows(&sql).await.expect("values");
    let text = |row: &dwsload::wire::session::Row| row.text(0).map(String::from);
    rows.iter().filter_map(text).collect()
}

/// Checks that the server reads each value by `mask` as it reads ours.
async fn compare(session: &mut Session, mask: &str, values: &[String]) {
    assert_eq!(values.len(), COUNT);
    let ours = Mask::parse(mask).expect("a mask");
    let mut pairs = Vec::new();
    for value in values {
        let mut iso = Vec::new();
        let rewritten = ours.rewrite(value.as_bytes(), &mut iso);
        rewritten.unwrap_or_else(|fault| panic!("{mask}: {}", fault.reason));
        let iso = String::from_utf8(iso).expect("it is ASCII");
        pairs.push(format!("({}, {})", quoted(value), quoted(&iso)));
    }
    let with_zone = mask.contains("TZH");
    let type_name = if with_zone {
        "timestamptz"
    } else {
        "timestamp"
    };
    let sql = format!(
        "SELECT v, o FROM (VALUES {}) AS t (v, o) \
         WHERE to_timestamp(v, {})::{type_name} IS DISTINCT FROM o::{type_name}",
        pairs.join(", "),
        quoted(mask),
    );
    let rows = session.rows(&sql).await.expect("an answer");
    let different: Vec<_> = rows.iter().map(|row| (row.text(0), row.text(1))).collect();
    assert!(different.is_empty(), "{mask}: {different:?}");
}

#[test]
fn dates_are_read_by_a_mask_as_postgresql_does() {
    // In these years, one of two digits is the same to all.
    let scene = Scene::new(&format!(
        "CREATE TABLE samples (n int, moment timestamptz); \
         SELECT setseed(0.5); \
         INSERT INTO samples SELECT n, timestamptz '1970-01-02 00:00:00Z' + random() * interval '79 years' \
         FROM generate_series(1, {COUNT}) AS n"
    ));
    block_on(async {
        let mut session = session(&scene.database.url()).await;
        let version = session.parameter("server_version").unwrap_or_default();
        let major = version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok());
        let decimals = if major.is_none_or(|major: u32| major >= 13) {
            DECIMALS
        } else {
            &[]
        };
        for zone in ["Asia/Kolkata", "Asia/Shanghai", "Etc/GMT+9"] {
            let sql = format!("SET TimeZone = '{zone}'");
            session.run(&sql).await.expect("a time zone");
            for mask in MASKS.iter().chain(decimals) {
                if *mask == "YYYYMMDDHH24MISSTZH" && zone == "Asia/Kolkata" {
                    // Half an hour is not in it.
                    continue;
                }
                let values = values(&mut session, mask).await;
                compare(&mut session, mask, &values).await;
                let lower: Vec<String> = values.iter().map(|value| value.to_lowercase()).collect();
                if !mask.contains("\"T\"") {
                    compare(&mut session, mask, &lower).await;
                }
            }
            for mask in SHORT {
                let values = values(&mut session, mask).await;
                let short: Vec<String> = values.iter().map(|value| shortened(value)).collect();
                compare(&mut session, mask, &short).await;
            }
        }
    });
}
