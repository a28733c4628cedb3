use super::*;
use crate::error::render;
use crate::job::{Action, Compression, Header, InputPattern};
use crate::record::dialect::Format;

fn load_with(text: &[u8], overrides: &Overrides) -> Result<Job> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.yaml");
    std::fs::write(&file, text).unwrap();
    load(&file, overrides)
}

fn job(text: &str) -> Job {
    load_with(text.as_bytes(), &Overrides::default())
        .unwrap_or_else(|error| panic!("{}", render(&error)))
}

/// The rendered error, without the folder.
fn mistakes(text: impl AsRef<[u8]>) -> String {
    let error = load_with(text.as_ref(), &Overrides::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Job);
    let text = render(&error);
    let end = text.find("orders.yaml").unwrap_or(0);
    let start = text[..end].rfind([' ', '`']).map_or(0, |at| at + 1);
    text.replace(&text[start..end], "")
}

#[test]
fn a_job_of_very_many_steps_is_read_in_one_go() {
    // A pass over the file for each step would take hours.
    let steps = "\n  - sql: x".repeat(70_000);
    let job = job(&format!("steps:{steps}\n"));
    assert_eq!(job.line_of(&job.steps[69_999]), 70_001);
    assert!(!format!("{:?}", job.lines).contains("sql"));
}

#[test]
fn a_job_has_psycopg2s_defaults_and_paths_from_its_folder() {
    let job = job("steps:\n  - copy_from: {file: a.tsv, table: s.t, null: NULL, sep: ','}\n");
    assert_eq!(
        (job.name.as_str(), job.transaction),
        ("orders", Transaction::Job)
    );
    let Action::CopyFrom(step) = &job.steps[0].action else {
        panic!("{:?}", job.steps);
    };
    assert_eq!(job.line_of(&job.steps[0]), 2);
    assert_eq!(step.table.to_string(), r#""s"."t""#);
    assert_eq!((step.columns.as_ref(), step.size), (None, None));
    assert_eq!(step.dialect.format, Format::Text);
    assert_eq!(step.dialect.sep.as_deref(), Some(","));
    assert_eq!(step.dialect.null.as_deref(), Some("NULL"));
    assert_eq!(
        (step.header, step.compression),
        (Header::None, Compression::Auto)
    );
    let folder = job.file.parent().unwrap();
    assert_eq!(step.input, [InputPattern::Path(folder.join("a.tsv"))]);
}

#[test]
fn expressions_reach_every_text_and_see_the_variables_before_them() {
    let text = "\
job: ${{ 'nightly' }}
vars: {day: 2026-01-31, file: 'in-${{ vars.day }}.csv'}
timeout: ${{ 10 }}m
session: {search_path: '${{ vars.region | default(\"eu\") }}'}
steps:
  - name: ${{ job }}
    copy_to: {query: SELECT 1, file: out/${{ vars.file }}.gz, format: csv, header: true}
";
    let job = job(text);
    assert_eq!(job.timeout, Some(Duration::from_secs(600)));
    assert_eq!(job.session[0].1, "eu");
    assert_eq!(job.steps[0].title(), "nightly");
    let Action::CopyTo(step) = &job.steps[0].action else {
        panic!("{:?}", job.steps);
    };
    assert!(
        step.output
            .to_string()
            .ends_with("out/in-2026-01-31.csv.gz")
    );
}

#[test]
fn the_kind_of_server_is_found_out_or_declared() {
    let kind = |line: &str| job(&format!("{line}\nsteps: [{{sql: x}}]\n")).server;
    assert_eq!(kind(""), None);
    assert_eq!(kind("server: dws"), Some(Kind::Dws));
    assert_eq!(kind("server: GaussDB(DWS)"), Some(Kind::Dws));
    assert_eq!(kind("server: ${{ 'post' }}gres"), Some(Kind::PostgreSql));
    let error = mistakes("server: opengaus\nsteps: [{sql: x}]\n");
    assert!(
        error.contains("expected postgresql, dws, gaussdb, opengauss, greenplum, found `opengaus`; did you mean `opengauss`?"),
        "{error}"
    );
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let text = "\
conection: embedded
lock: never
transaction: batch
timeout: 90
vars: {2x: 1}
steps:
  - copy_from:
      fiel: a.csv
      table: a.b.c
      format: cvs
      size: 0
      wire: binary
      columns: []
    table: t
  - sql: SELECT ${{ vars.nope }}
    show: maybe
  - expect: [1]
    sql: x
  - nothing
  - copy_to: {table: t, query: SELECT 1, file: '-', header: yes}
    name: out
    name: twice
  - copy_from: {file: -, table: t, quote: \"'\", format: fixed}
  - copy_expert: {sql: x, file: -}
  - copy_to: {table: t, file: a.csv}
  - copy_to: {table: u, file: ./a.csv}
";
    insta::assert_snapshot!(mistakes(text), @r#"
        error: `orders.yaml` has 23 mistakes
          orders.yaml:1:1: conection: unknown key, did you mean `connection`?
          orders.yaml:2:7: lock: expected fail, skip, wait, none, found `never`
          orders.yaml:3:1: transaction: `batch` commits a part of a file at a time, and only a ledger knows which parts are in: it needs `exactly_once: true`
          orders.yaml:4:10: timeout: expected a time with its unit, such as `90s`, `30m` or `2h`, found `90`
          orders.yaml:5:8: vars.2x: a variable's name is made of letters, digits and `_`, and begins with no digit
          orders.yaml:8:7: steps[1].copy_from.fiel: unknown key, did you mean `file`?
          orders.yaml:9:14: steps[1].copy_from.table: `a.b.c` has more than two parts; write schema.table, and put a name that holds a dot in double quotes
          orders.yaml:10:15: steps[1].copy_from.format: expected text, csv, binary, fixed, ndjson, found `cvs`; did you mean `csv`?
          orders.yaml:11:13: steps[1].copy_from.size: a `size` of 0 would load nothing and call it success; leave it out, or give bytes
          orders.yaml:12:7: steps[1].copy_from.wire: `wire` is not supported yet
          orders.yaml:13:16: steps[1].copy_from.columns: the list is empty; leave it out to take all columns
          orders.yaml:14:5: steps[1].table: `table` is no key of a step; it belongs under `copy_from` or `copy_to`: indent it further
          orders.yaml:15:10: steps[2].sql: `vars.nope` is not set: set it under `vars`, with `--var nope=...`, or give `| default('...')`
          orders.yaml:16:11: steps[2].show: expected true, false, found `maybe`
          orders.yaml:17:5: steps[3]: a step has exactly one of sql, expect, copy_from, copy_to, copy_expert; this one has `sql` and `expect`
          orders.yaml:19:5: steps[4]: expected a mapping with one of sql, expect, copy_from, copy_to, copy_expert, found a single value
          orders.yaml:20:25: steps[5].copy_to.query: `table` and `query` exclude each other
          orders.yaml:20:61: steps[5].copy_to.header: expected true, false, found `yes`; did you mean `true`?
          orders.yaml:22:5: steps[5].name: this key stands twice
          orders.yaml:23:16: steps[6].copy_from: `positions` is missing
          orders.yaml:23:36: steps[6].copy_from.quote: this key needs `format: csv`, and this is fixed
          orders.yaml:24:33: steps[7].copy_expert.file: standard input is read before in this job; it can be read once
          orders.yaml:26:31: steps[9].copy_to.file: an earlier step writes this file
          state: nothing was opened
        "#);
}

#[test]
fn a_single_mistake_is_one_line() {
    insta::assert_snapshot!(mistakes("steps:\n  - copy_from: {delimiter: ',', file: a, table: t}\n"), @r"
        error: orders.yaml:2:17: steps[1].copy_from.delimiter: unknown key, did you mean `sep`?
          state: nothing was opened
        ");
}

#[test]
fn the_words_of_other_tools_are_understood_as_slips() {
    insta::assert_snapshot!(mistakes("\
connection: {server: h, db: d, username: u}
steps:
  - copy_from: {seperator: ',', delimeter: ',', file: a, table: t, header: Yes, columns: [a]}
"), @r"
        error: `orders.yaml` has 6 mistakes
          orders.yaml:1:14: connection.server: unknown key, did you mean `host`?
          orders.yaml:1:25: connection.db: unknown key, did you mean `dbname`?
          orders.yaml:1:32: connection.username: unknown key, did you mean `user`?
          orders.yaml:3:17: steps[1].copy_from.seperator: unknown key, did you mean `sep`?
          orders.yaml:3:33: steps[1].copy_from.delimeter: unknown key, did you mean `sep`?
          orders.yaml:3:76: steps[1].copy_from.header: expected true, false, match, map, found `Yes`; did you mean `true`?
          state: nothing was opened
        ");
}

#[test]
fn a_connection_string_of_pairs_is_led_to_the_mapping() {
    let error = mistakes("connection: host=h password=hunter2\nsteps: [{sql: x}]\n");
    assert!(
        error.contains("written as a mapping: `{host: ..., "),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_comma_without_quotes_is_explained() {
    let error = mistakes("steps:\n  - copy_to: {query: SELECT a, b FROM t, file: x}\n");
    assert!(error.contains("comma needs quotes"), "{error}");
}

#[test]
fn what_is_no_job_says_so() {
    for (text, part) in [
        (&b""[..], "`steps` is missing"),
        (b"# later\n\n", "`steps` is missing"),
        (b"hello", "no mapping with `steps`"),
        (b"job: x\n", "`steps` is missing"),
        (b"steps: []\n", "the list is empty"),
        (b"steps:\n\t- sql: x\n", "never with tabs"),
        (
            b"steps:\n- copy_from:\n    file: -\n    table: t\n",
            "needs quotes, `\"-\"`",
        ),
        (
            b"steps:\n- copy_from: {file: *.csv, table: t}\n",
            "needs quotes, such as `\"*.csv\"`",
        ),
        (
            b"steps:\n- copy_from:\n    file: x\n    sep: ,\n",
            "`,]}` and the like needs quotes",
        ),
        (
            b"steps:\n- sql: SELECT ': x'\n",
            "quote texts that hold `: `",
        ),
        (b"a: 1\n---\nb: 2\n", "more than one document"),
        (b"\x1f\x8b\x08\0\xff\xfe", "not UTF-8"),
        (b"\0\0\0", "control characters"),
        (b"steps: &a [*a]\n", "recurs"),
    ] {
        let error = mistakes(text);
        assert!(
            error.contains(part),
            "{}: {error}",
            String::from_utf8_lossy(text)
        );
    }
    let long = vec![b'#'; 10_000_000];
    assert!(mistakes(long).contains("longer than 1 MiB"));
}

#[test]
fn a_password_in_the_file_is_warned_of_and_never_shown() {
    let text = "connection: {host: h, password: hunter2}\nsteps: [{sql: x}]\n";
    let job = job(text);
    assert!(
        job.warnings[0].contains("connection.password"),
        "{:?}",
        job.warnings
    );
    assert!(!format!("{job:?}").contains("hunter2"));
}

#[test]
fn overrides_win_and_a_slip_in_them_is_noticed() {
    let text = "vars: {day: '${{ env.DWSLOAD_NOT_SET }}'}\nsteps:\n  - {name: one, sql: '${{ vars.day }}'}\n  - sql: b\n";
    let with = |vars: &[(&str, &str)], only: &[&str]| {
        let overrides = Overrides {
            vars: vars
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            only: only.iter().map(ToString::to_string).collect(),
            inputs: Vec::new(),
            again: false,
            shared: false,
            shard: None,
        };
        load_with(text.as_bytes(), &overrides)
    };
    let job = with(&[("day", "d")], &["2", "one"]).unwrap();
    assert_eq!(job.steps.len(), 2);
    let only = with(&[("day", "d")], &["2"]).unwrap();
    assert_eq!(only.steps[0].number, 2);
    for (error, part) in [
        (
            with(&[("day", "d"), ("dya", "d")], &[]),
            "did you mean `day`?",
        ),
        (with(&[("day", "d")], &["3"]), "1 (one), 2 (sql)"),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(render(&error).contains(part), "{}", render(&error));
    }
}

#[test]
fn files_of_the_command_line_take_the_place_of_those_of_one_step() {
    let text = "steps:\n  - {name: one, copy_from: {file: a.gz, table: a, compression: gzip}}\n  \
        - copy_from: {file: '-', table: b, on_missing: ok}\n  - sql: c\n";
    let here = tempfile::NamedTempFile::new().unwrap();
    let with = |only: &[&str], inputs: &[&std::path::Path]| {
        let overrides = Overrides {
            only: only.iter().map(ToString::to_string).collect(),
            inputs: inputs.iter().map(|path| path.to_path_buf()).collect(),
            ..Overrides::default()
        };
        load_with(text.as_bytes(), &overrides)
    };
    let (file, stdin) = (here.path(), std::path::Path::new("-"));
    let job = with(&["one", "3"], &[file, stdin]).unwrap();
    let Action::CopyFrom(load) = &job.steps[0].action else {
        panic!("{:?}", job.steps)
    };
    let expected = [InputPattern::Path(file.to_owned()), InputPattern::Stdin];
    assert_eq!(load.input, expected);
    assert_eq!(load.compression, Compression::Auto);
    for (only, inputs, kind, part) in [
        (
            &[][..],
            &[file][..],
            ErrorKind::Usage,
            "steps: 1 (one), 2 (copy_from b)\n  hint: name the step: `--only 1`",
        ),
        (
            &["3"],
            &[file],
            ErrorKind::Usage,
            "no step that is run is a `copy_from`",
        ),
        (
            &["2"],
            &[stdin, stdin],
            ErrorKind::Usage,
            "read more than once",
        ),
        (
            &["2"],
            &["none.csv".as_ref()],
            ErrorKind::Input,
            "no file `none.csv`",
        ),
    ] {
        let error = with(only, inputs).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(render(&error).contains(part), "{}", render(&error));
    }
}

#[test]
fn retry_is_a_mapping_or_none() {
    let steps = "steps:\n- sql: SELECT 1\n";
    for (retry, attempts, seconds, is_explicit) in [
        ("", 10, 600, false),
        ("retry: none\n", 1, 600, true),
        ("retry: {attempts: 3}\n", 3, 600, true),
        ("retry: {attempts: 1, within: 5m}\n", 1, 300, true),
    ] {
        let retry = job(&format!("{retry}{steps}")).retry;
        assert_eq!(retry.attempts, attempts);
        assert_eq!(retry.within.as_secs(), seconds);
        assert_eq!(retry.is_explicit, is_explicit);
    }
    insta::assert_snapshot!(mistakes(format!("retry: {{attempts: 0, within: 0s, times: 1}}\n{steps}")), @r"
    error: `orders.yaml` has 3 mistakes
      orders.yaml:1:19: retry.attempts: the first attempt counts: 1 is the least
      orders.yaml:1:30: retry.within: a time of 0 would be over at once
      orders.yaml:1:34: retry.times: unknown key; known here: attempts, within, wait
      state: nothing was opened
    ");
    insta::assert_snapshot!(mistakes(format!("retry: 3\n{steps}")), @r"
    error: orders.yaml:1:8: retry: expected `{attempts: 5, within: 10m}` or `none`, found `3`
      state: nothing was opened
    ");
}
