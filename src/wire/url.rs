//! Connection URLs by libpq's rules (`PostgreSQL` manual, "Connection URIs").
//!
//! A URL holds a password, and a mistake in a URL moves parts of the password to other places: in
//! `postgresql://me:my/secret@host` the port is `my`. So an error never repeats a part of a URL
//! that could be one of a password.

use percent_encoding::percent_decode_str;

use super::settings::Settings;

const SCHEMES: [&str; 4] = ["postgresql://", "postgres://", "gaussdb://", "opengauss://"];

/// Reads a URL; see [`Settings::from_url`].
pub(super) fn read(url: &str) -> Result<Settings, String> {
    let url = url.trim();
    let Some(rest) = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        return Err(wrong_scheme(url));
    };
    let mut settings = Settings::default();
    let rest = read_login(rest, &mut settings)?;
    read_rest(rest, &mut settings).map_err(|message| {
        if rest.contains('@') {
            "what stands before the `@` of the URL is not a user and password: in them, `/` is written `%2F`, `@` `%40` and `:` `%3A`".into()
        } else {
            message
        }
    })?;
    Ok(settings)
}

fn wrong_scheme(url: &str) -> String {
    if url.starts_with("jdbc:") {
        "a JDBC URL cannot be used; leave out `jdbc:` and give the user as `postgresql://user@host/database`".into()
    } else {
        "a connection URL begins with `postgresql://`, `postgres://`, `gaussdb://` or `opengauss://`".into()
    }
}

/// Reads `user:password@`, where it is there; returns what follows. libpq takes the first `@`.
fn read_login<'a>(rest: &'a str, settings: &mut Settings) -> Result<&'a str, String> {
    let Some(end) = rest.find(['@', '/']) else {
        return Ok(rest);
    };
    if rest.as_bytes()[end] == b'/' {
        return Ok(rest);
    }
    let (user, password) = rest[..end].split_once(':').unwrap_or((&rest[..end], ""));
    set_filled(settings, "user", user, "user")?;
    set_filled(settings, "password", password, "password")?;
    Ok(&rest[end + 1..])
}

/// Reads `host:port,host2:port2/dbname?keyword=value&...`.
fn read_rest(rest: &str, settings: &mut Settings) -> Result<(), String> {
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, dbname) = before.split_once('/').unwrap_or((before, ""));
    read_hosts(hosts, settings)?;
    set_filled(settings, "dbname", dbname, "database name")?;
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .try_for_each(|pair| read_parameter(pair, settings))
}

fn read_hosts(text: &str, settings: &mut Settings) -> Result<(), String> {
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for part in text.split(',') {
        let (host, port) = split_port(part)?;
        hosts.push(decoded(host, "host")?);
        let port = decoded(port, "port")?;
        // Not left to `Settings`, which repeats a bad one: `user:password` without a host.
        if super::settings::port(&port).is_none() {
            return Err("the port of the URL is not a number from 1 to 65535".into());
        }
        ports.push(port);
    }
    // As libpq: a list of empty parts alone says nothing.
    for (keyword, list) in [("host", hosts.join(",")), ("port", ports.join(","))] {
        if !list.is_empty() {
            settings.set(keyword, list)?;
        }
    }
    Ok(())
}

/// Splits `host:port`, `[address]:port` and both without a port.
fn split_port(part: &str) -> Result<(&str, &str), String> {
    let Some(inside) = part.strip_prefix('[') else {
        return Ok(part.split_once(':').unwrap_or((part, "")));
    };
    let Some((address, after)) = inside.split_once(']') else {
        return Err("an IPv6 address in the URL has no closing `]`".into());
    };
    let plain = address.split('%').next().unwrap_or(address);
    if plain.parse::<std::net::Ipv6Addr>().is_err() {
        return Err("what stands in `[...]` in the URL is not an IPv6 address".into());
    }
    match after.strip_prefix(':') {
        Some(port) => Ok((address, port)),
        None if after.is_empty() => Ok((address, "")),
        None => Err("behind the `]` of an IPv6 address there may be only `:port`".into()),
    }
}

fn read_parameter(pair: &str, settings: &mut Settings) -> Result<(), String> {
    let (keyword, value) = pair
        .split_once('=')
        .filter(|(_, value)| !value.contains('='))
        .ok_or("behind the `?` of the URL there must be `keyword=value` pairs, joined by `&`; an `=` in a value is written `%3D`")?;
    let keyword = decoded(keyword, "keyword behind the `?`")?;
    let value = decoded(value, &format!("`{keyword}`"))?;
    match (keyword.as_str(), value.as_str()) {
        // What JDBC says; libpq takes it too.
        ("ssl", "true") => settings.set("sslmode", "require"),
        _ => settings.set(&keyword, value),
    }
}

/// Sets a decoded value, if there is one.
fn set_filled(
    settings: &mut Settings,
    keyword: &str,
    text: &str,
    what: &str,
) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    settings.set(keyword, decoded(text, what)?)
}

/// Undoes percent-encoding. A `+` stays a `+`.
fn decoded(text: &str, what: &str) -> Result<String, String> {
    let mut after_percent = text.split('%').skip(1);
    let is_code =
        |part: &str| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    if !after_percent.all(is_code) {
        return Err(format!(
            "the {what} in the URL has a `%` without two hexadecimal digits behind it; a `%` itself is written `%25`"
        ));
    }
    percent_decode_str(text)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| format!("the {what} in the URL is not UTF-8 once decoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings as `keyword=value` pairs, sorted by keyword.
    fn pairs(url: &str) -> String {
        let settings = read(url).unwrap_or_else(|message| panic!("{url}: {message}"));
        let mut pairs: Vec<_> = Settings::KEYWORDS
            .iter()
            .filter_map(|keyword| Some(format!("{keyword}={}", settings.get(keyword)?)))
            .collect();
        pairs.sort_unstable();
        pairs.join(" ")
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        let cases = [
            ("postgresql://", ""),
            ("postgres://", ""),
            ("gaussdb://dw:8000/sales", "dbname=sales host=dw port=8000"),
            ("opengauss://dw", "host=dw"),
            (" postgresql://dw\n", "host=dw"),
            ("postgresql://localhost:5433", "host=localhost port=5433"),
            ("postgresql://localhost/mydb", "dbname=mydb host=localhost"),
            ("postgresql://user@localhost", "host=localhost user=user"),
            (
                "postgresql://user:secret@localhost/d",
                "dbname=d host=localhost password=secret user=user",
            ),
            ("postgresql://:secret@h", "host=h password=secret"),
            ("postgresql://user:@h", "host=h user=user"),
            ("postgresql://user@", "user=user"),
            (
                "postgresql:///mydb?host=localhost&port=5433",
                "dbname=mydb host=localhost port=5433",
            ),
            (
                "postgresql://other@h1:123,h2:456/db?application_name=app",
                "application_name=app dbname=db host=h1,h2 port=123,456 user=other",
            ),
            ("postgresql://h1,h2:5433,h3", "host=h1,h2,h3 port=,5433,"),
            ("postgresql://h1,h2", "host=h1,h2 port=,"),
            (
                "postgresql://[2001:db8::1234]/database",
                "dbname=database host=2001:db8::1234",
            ),
            ("postgresql://[::1]:5433,[::2]", "host=::1,::2 port=5433,"),
            (
                "postgresql://u@[fe80::1%25eth0]",
                "host=fe80::1%eth0 user=u",
            ),
            (
                "postgresql://%2Fvar%2Flib/dbname",
                "dbname=dbname host=/var/lib",
            ),
            ("postgresql:///?host=/var/run", "host=/var/run"),
            (
                "postgresql://h?user=u&password=a%26b",
                "host=h password=a&b user=u",
            ),
            (
                "postgresql://u%40x:p%3A%2F%40%25+@h",
                "host=h password=p:/@%+ user=u@x",
            ),
            // What ends a host elsewhere does not end a password.
            ("postgresql://u:p?#:x@h", "host=h password=p?#:x user=u"),
            ("postgresql://u:%C3%A4@h", "host=h password=ä user=u"),
            ("postgresql://h/a%2Fb%20c/d", "dbname=a/b c/d host=h"),
            ("postgresql://h/?ssl=true", "host=h sslmode=require"),
            ("postgresql://h?database=x", "dbname=x host=h"),
            (
                "postgresql://h/?application_name=me@here",
                "application_name=me@here host=h",
            ),
            ("postgresql://h/d1?dbname=d2", "dbname=d2 host=h"),
            (
                "postgresql://h?options=-c%20search_path%3Dx",
                "host=h options=-c search_path=x",
            ),
            ("postgresql://h?", "host=h"),
            ("postgresql://h?sslmode=", "host=h sslmode="),
        ];
        for (url, expected) in cases {
            assert_eq!(pairs(url), expected, "{url}");
        }
    }

    #[test]
    fn bad_urls_are_refused_and_the_message_says_why() {
        let cases = [
            ("", "begins with"),
            ("dw.example.com", "begins with"),
            ("http://dw", "begins with"),
            ("postgresql:/dw", "begins with"),
            ("POSTGRESQL://dw", "begins with"),
            ("jdbc:postgresql://dw/sales", "JDBC"),
            ("postgresql://dw:80x", "port"),
            ("postgresql://dw:0", "port"),
            ("postgresql://dw:65536", "port"),
            ("postgresql://::1", "port"),
            ("postgresql://[::1", "closing `]`"),
            ("postgresql://[]", "not an IPv6 address"),
            ("postgresql://[dw]", "not an IPv6 address"),
            ("postgresql://[::1]x", "only `:port`"),
            ("postgresql://dw?port", "`keyword=value`"),
            ("postgresql://dw?a=b=c", "`keyword=value`"),
            (
                "postgresql://dw?hots=x",
                "`hots` is not a connection setting",
            ),
            ("postgresql://dw?sslmode=on", "`sslmode` must be"),
            ("postgresql://dw/%zz", "database name"),
            ("postgresql://dw/a%2", "`%25`"),
            ("postgresql://dw/a%é", "`%25`"),
            ("postgresql://dw/%ff", "UTF-8"),
            ("postgresql://dw/%00", "zero byte"),
            ("postgresql://d w/", "`host`"),
        ];
        for (url, expected) in cases {
            let message = read(url).unwrap_err();
            assert!(message.contains(expected), "{url}: {message}");
        }
    }

    #[test]
    fn no_error_repeats_a_part_of_the_password() {
        let urls = [
            "postgresql://me:hunter2",
            "postgresql://me:hunter2/x@dw/sales",
            "postgresql://me:7/hunter2?hunter2=x@dw/sales",
            "postgresql://me:7/hunter2?port=hunter2@dw/sales",
            "postgresql://me:x@hunter2@dw/sales",
            "postgresql://me:x@hunter2:hunter2@dw/sales",
            "postgresql://me:x/hunter2[@dw",
            "postgresql://me:hunter2%@dw",
            "postgresql://me:hunter2%ff@dw",
            "postgresql://me:hunter2%00@dw",
            "postgresql://me:hunter2@dw:port",
            "postgresql://me:hunter2@dw?x=y",
            "postgresql://dw?password=hunter2%",
            "postgresql://dw?password=hunter2=",
            "jdbc:postgresql://dw?password=hunter2",
            "postgres//me:hunter2@dw",
        ];
        for url in urls {
            let message = read(url).unwrap_err();
            assert!(!message.contains("hunter2"), "{url}: {message}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z:/@?%=&,\\[\\]0-9 é\0]{0,40}") {
            let _ = read(&format!("postgresql://{text}"));
        }
    }
}
