//! What people see on a terminal: a pseudo-terminal made by `script` (util-linux).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::process::Command;

use crate::support::scene::Scene;

/// Loads a file slowly on a terminal of `columns`, with more variables of the environment; returns
/// the bytes that the terminal got.
fn shown(columns: u32, environment: &str, more: &str) -> String {
    let scene = Scene::new(
        "CREATE TABLE t (a int, b text); \
         CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.a % 10000 = 0 THEN PERFORM pg_sleep(0.15); END IF; RETURN NEW; END $$; \
         CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let mut text = String::new();
    for n in 1..=60_000 {
        text.push_str(&format!("{n},{}\n", "x".repeat(100)));
    }
    scene.file("orders.csv", text);
    let job = scene.job(
        "- sql: SELECT 1\n- copy_from: {file: orders.csv, table: t, format: csv}\n- sql: SELECT 2",
    );
    let command = format!(
        "stty cols {columns} rows 24; {environment} exec {} {more} {}",
        env!("CARGO_BIN_EXE_dwsload"),
        job.display()
    );
    let output = Command::new("script")
        .args(["-qefc", &command, "/dev/null"])
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    assert_eq!(scene.psql("SELECT count(*) FROM t"), "60000");
    shown
}

/// What stands on a screen of `columns` after `bytes`, and the most lines that were ever in use.
fn screen(bytes: &str, columns: usize) -> (Vec<String>, usize) {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column, mut most) = (0, 0, 0);
    let mut chars = bytes.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                assert_eq!(
                    chars.next(),
                    Some('['),
                    "an escape this screen does not know"
                );
                let mut number = String::new();
                let end = loop {
                    match chars.next().unwrap() {
                        c if c.is_ascii_alphabetic() => break c,
                        c => number.push(c),
                    }
                };
                let count = number.parse().unwrap_or(1);
                match end {
                    'A' => row -= count.min(row),
                    'B' => row += count,
                    'K' if number == "2" => lines[row].clear(),
                    'K' => lines[row].truncate(column),
                    'J' => {
                        lines[row].truncate(column);
                        lines.truncate(row + 1);
                    }
                    'm' | 'h' | 'l' => {}
                    other => panic!("an escape this screen does not know: {number}{other}"),
                }
            }
            c => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
        most = most.max(lines.iter().filter(|line| !line.is_empty()).count());
    }
    let lines = lines
        .into_iter()
        .map(|line| line.into_iter().collect::<String>().trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    (lines, most)
}

/// The drawings of the bar, each as it was sent.
fn bars(bytes: &str) -> Vec<&str> {
    bytes
        .split(['\r', '\n', '\u{1b}'])
        .filter(|part| part.contains("orders.csv") && part.contains('%'))
        .collect()
}

#[test]
fn a_bar_tells_of_a_load_and_goes_with_it() {
    let bytes = shown(110, "", "");
    let bars = bars(&bytes);
    assert!(bars.len() > 1, "{bytes:?}");
    for part in ["━", "%", " of 6.4 MB", " rows", "MB/s", " s left"] {
        assert!(
            bars.iter().any(|bar| bar.contains(part)),
            "no {part}: {bars:?}"
        );
    }
    let (lines, _) = screen(&bytes, 110);
    let begins = [
        "job: PostgreSQL",
        "1/3 sql: SELECT 1",
        "2/3 copy_from t: 60,000 rows",
        "3/3 sql: SELECT 1",
        "job: done, 60,000 rows loaded",
    ];
    assert_eq!(lines.len(), begins.len(), "{lines:#?}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{lines:#?}");
    }
}

#[test]
fn a_bar_takes_one_line_however_narrow_the_terminal() {
    let bytes = shown(40, "", "");
    let bars = bars(&bytes);
    assert!(bars.len() > 1, "{bytes:?}");
    for bar in bars {
        let text = bar.trim_start_matches(|c| c != ' ').trim_end();
        assert!(text.chars().count() <= 40, "{text:?}");
    }
    let (lines, most) = screen(&bytes, 40);
    assert!(most <= lines.len() + 1, "{lines:#?}");
}

#[test]
fn nothing_moves_where_nothing_can_or_shall() {
    for (environment, more) in [("TERM=dumb", ""), ("", "--progress plain"), ("", "--quiet")] {
        let bytes = shown(100, environment, more);
        assert!(!bytes.contains('\u{1b}'), "{bytes:?}");
        assert!(!bytes.contains('━'), "{bytes:?}");
        assert_eq!(bytes.is_empty(), more == "--quiet", "{bytes:?}");
    }
}

#[test]
fn a_bar_has_no_colours_where_none_are_wanted() {
    let bytes = shown(100, "NO_COLOR=1", "");
    assert!(!bars(&bytes).is_empty(), "{bytes:?}");
    let colours = bytes.split("\u{1b}[").skip(1).filter(|part| {
        part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .starts_with('m')
    });
    assert_eq!(colours.count(), 0, "{bytes:?}");
}
