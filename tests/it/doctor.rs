//! `dwsload doctor`: what it finds, what it says to do, and that it changes nothing.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::gate::{Account, Gate, Hba, Placement, Product, Stored};
use crate::support::scene::Scene;
use crate::support::{Ran, Workplace};

/// Runs the doctor with these arguments in the folder of a scene.
fn doctor(place: &Workplace, arguments: &[&str]) -> Ran {
    let mut command = place.dwsload();
    command.arg("doctor").args(arguments);
    Ran::of(command.output().expect("the binary runs"))
}

/// Its lines, steady, and its exit code.
fn lines(scene: &Scene, ran: &Ran) -> (String, Option<i32>) {
    assert_eq!(ran.stderr, "");
    let text = String::from_utf8_lossy(&ran.stdout);
    (scene.steady(&text), ran.code)
}

/// What it says of a job of `steps`: the lines that are about the job.
fn about_job(scene: &Scene, steps: &str) -> (String, Option<i32>) {
    let job = scene.job(steps);
    let (text, code) = lines(
        scene,
        &doctor(&scene.place, &[job.to_str().expect("UTF-8")]),
    );
    let begin = text.find("round trip").expect("it got to the server");
    let (_, rest) = text[begin..].split_once('\n').expect("a line");
    (rest.to_owned(), code)
}

/// Everything a job could change in a database.
fn state(scene: &Scene) -> String {
    scene.psql(
        "SELECT c.relname, c.relfilenode, c.relacl, a.attname FROM pg_class c \
         JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace \
         ORDER BY 1, 4; SELECT * FROM orders; SELECT setconfig FROM pg_db_role_setting",
    )
}

#[test]
fn a_job_that_can_run_has_nothing_wrong_and_nothing_is_changed() {
    let scene = Scene::new(
        "CREATE TABLE orders (id int, region text); INSERT INTO orders VALUES (1, 'north')",
    );
    scene.file("orders-1.csv", "id,region\n1,a\n2,b\n");
    scene.file("orders-2.csv", "region,id\nc,3\n");
    let job = scene.job(
        "- sql: [DELETE FROM orders, CREATE TABLE made (a int)]\n\
         - copy_from: {file: 'orders-*.csv', table: orders, format: csv, header: map}\n\
         - copy_from: {file: orders-1.csv, table: made, columns: [a], sep: ',', header: true}\n\
         - copy_to: {table: orders, columns: [id], file: out/orders.txt}\n\
         - copy_to: {query: DELETE FROM orders RETURNING *, file: out/gone.txt}",
    );
    let before = state(&scene);
    let ran = doctor(&scene.place, &[job.to_str().expect("UTF-8")]);
    let (text, code) = lines(&scene, &ran);
    assert_eq!(code, Some(0), "{text}");
    let text = text
        .replace(&scene.psql("SHOW server_version"), "VERSION")
        .replace(&scene.psql("SHOW TimeZone"), "ZONE");
    insta::assert_snapshot!(text, @r"
    ok    job         job.yaml is valid, 5 steps
    ok    settings    SOCKET:5432 as test, database DB; no password
    ok    socket      SOCKET/.s.PGSQL.5432 reached in TIME
    ok    login       no password asked for (trust or peer); protocol 3.0, TIME
    ok    server      PostgreSQL VERSION, encoding UTF8, time zone ZONE
    ok    abilities   INSERT ... ON CONFLICT, MERGE, COPY in binary format (--verbose lists all)
    ok    session     may write, statement_timeout off
    ok    clock       the server's is within TIME of ours
    ok    round trip  TIME, the median of 5
    ok    step 2      into orders: table with 2 columns, INSERT granted
    ok    step 2      from 2 files, 32 B, about 3 rows
    skip  step 3      `made` is not there yet; step 1 makes it
    ok    step 3      from orders-1.csv, 18 B, 2 rows
    ok    step 4      from orders: table with 2 columns, SELECT granted
    skip  steps       not run: 1 (sql), 5 (copy_to out/gone.txt)
    nothing is wrong
    ");
    assert_eq!(state(&scene), before);
    assert!(!scene.place.path("out").exists());
}

#[test]
fn a_table_that_is_not_there_is_named_with_one_that_is() {
    let scene = Scene::new(
        "CREATE TABLE orders (id int); CREATE SCHEMA s; CREATE TABLE s.\"Visits\" (a int)",
    );
    scene.file("x", "");
    let (text, code) = about_job(
        &scene,
        "- copy_from: {file: x, table: oders, on_empty: ok}\n\
         - copy_from: {file: x, table: s.visits, on_empty: ok}\n\
         - copy_to: {table: nothing_like_it, file: y}",
    );
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(text, @r"
    fail  step 1      there is no table `oders`
                      hint: is `orders` meant?
    ok    step 1      from x, 0 B, 0 rows
    fail  step 2      there is no table `s.visits`
                      hint: is `s.Visits` meant?
    ok    step 2      from x, 0 B, 0 rows
    fail  step 3      there is no table `nothing_like_it`
                      hint: create it, or name its schema (`sales.orders`, or `session: {search_path: sales}`); upper case counts
    3 failures
    ");
}

#[test]
fn missing_rights_are_named_with_the_grant_that_gives_them() {
    let scene = Scene::new(
        "CREATE TABLE orders (id int, region text); CREATE VIEW v AS SELECT 1 AS a; \
         CREATE SCHEMA hidden; CREATE TABLE hidden.t (a int)",
    );
    let role = format!("{}_nobody", scene.database.name());
    scene.psql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT SELECT (id), INSERT (id) ON orders TO {role}"
    ));
    scene.file("x", "1\n");
    scene.file("h", "id\n1\n");
    scene.file("h2", "id,region\n1,2\n");
    let steps = "steps:\n\
         - copy_from: {file: x, table: orders}\n\
         - copy_from: {file: x, table: orders, columns: [id]}\n\
         - copy_from: {file: h, table: orders, format: csv, header: map}\n\
         - copy_from: {file: h2, table: orders, format: csv, header: map}\n\
         - copy_from: {file: x, table: hidden.t}\n\
         - copy_to: {table: orders, file: out}\n\
         - copy_to: {table: orders, columns: [id], file: out2}\n\
         - copy_to: {table: v, file: out3}\n\
         - copy_from: {file: x, table: v}\n";
    let url = scene.database.url_for(&role);
    let job = scene.file("job.yaml", format!("connection: '{url}'\n{steps}"));
    let job = job.to_str().expect("UTF-8");
    let (text, code) = lines(&scene, &doctor(&scene.place, &[job, "--quiet"]));
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(text, @r#"
    fail  step 1      no INSERT on `orders`
                      hint: its owner has to `GRANT INSERT ON "orders" TO ...`
    fail  step 4      no INSERT on `orders`
                      hint: its owner has to `GRANT INSERT ON "orders" TO ...`
    fail  step 5      no right to look into the schema `hidden`
                      hint: its owner has to `GRANT USAGE ON SCHEMA "hidden" TO ...`
    fail  step 6      no SELECT on `orders`
                      hint: its owner has to `GRANT SELECT ON "orders" TO ...`
    fail  step 8      `v` is a view: COPY reads tables
                      hint: write `query: SELECT * FROM v` in place of `table`
    fail  step 9      `v` is a view
                      hint: name the table behind it; a view takes rows by an INSTEAD OF trigger only
    "#);
    // A run stops at the first of them, with the same culprit.
    let run = scene
        .place
        .run_file(&scene.place.path("job.yaml"), &["--only", "1"]);
    assert_eq!(run.sqlstate(), Some("42501"), "{}", run.stderr);
}

#[test]
fn columns_and_headers_that_do_not_fit_are_found_before_a_run() {
    let scene = Scene::new(
        "CREATE TABLE orders (id int, region text, twice int GENERATED ALWAYS AS (id * 2) STORED)",
    );
    scene.file("good.csv", "id,region\n1,2\n");
    scene.file("slip.csv", "id,regoin\n1,2\n");
    let (text, code) = about_job(
        &scene,
        "- copy_from: {file: good.csv, table: orders, format: csv, header: match}\n\
         - copy_from: {file: slip.csv, table: orders, format: csv, header: match}\n\
         - copy_from: {file: slip.csv, table: orders, format: csv, header: map}\n\
         - copy_from: {file: good.csv, table: orders, format: csv, columns: [ID, region], force_null: [x]}",
    );
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(text, @r"
    ok    step 1      into orders: table with 3 columns, INSERT granted
    ok    step 1      from good.csv, 14 B, 1 row
    ok    step 2      into orders: table with 3 columns, INSERT granted
    fail  step 2      the header of `slip.csv` does not match: field 2 is `regoin`, expected `region`
                      hint: `header: map` takes the fields in any order, `header: true` skips the line unread
    ok    step 3      into orders: table with 3 columns, INSERT granted
    fail  step 3      the header of `slip.csv` does not fit: `orders` has no column `regoin`
                      hint: is `region` meant?
    fail  step 4      `orders` has no column `ID`, `x`
                      hint: is `id` meant?
    ok    step 4      from good.csv, 14 B, 2 rows
    3 failures
    ");
}

#[test]
fn files_are_looked_at_and_an_earlier_step_is_remembered() {
    let scene = Scene::new("CREATE TABLE t (a text)");
    scene.file("empty", "");
    scene.file("rows", "1\n2\n3");
    scene.file("many", "some text of a row\n".repeat(40_000));
    std::fs::create_dir(scene.place.path("folder")).expect("a folder");
    let (text, code) = about_job(
        &scene,
        "- copy_from: {file: none.csv, table: t}\n\
         - copy_from: {file: 'none*.csv', table: t, on_missing: warn}\n\
         - copy_from: {file: empty, table: t}\n\
         - copy_from: {file: empty, table: t, on_empty: fail}\n\
         - copy_from: {file: folder, table: t}\n\
         - copy_from: {file: rows, table: t}\n\
         - copy_from: {file: many, table: t}\n\
         - copy_from: {file: '-', table: t}\n\
         - copy_to: {table: t, file: out.txt}\n\
         - copy_from: {file: out.txt, table: t}\n\
         - copy_expert: {sql: COPY t FROM STDIN, file: nowhere}\n\
         - copy_expert: {sql: COPY t TO STDOUT, file: somewhere}",
    );
    // Nothing is wrong with the server: the first failure decides.
    assert_eq!(code, Some(6));
    insta::assert_snapshot!(text, @r"
    ok    step 1      into t: table with 1 column, INSERT granted
    fail  step 1      no file `none.csv`
                      hint: paths are relative to the job file; `on_missing: ok` or `warn` lets the job go on
    ok    step 2      into t: table with 1 column, INSERT granted
    warn  step 2      no file `none*.csv`
                      hint: a run says so and goes on (on_missing: warn)
    ok    step 3      into t: table with 1 column, INSERT granted
    warn  step 3      `empty` holds no record
    ok    step 4      into t: table with 1 column, INSERT granted
    fail  step 4      `empty` holds no record
    ok    step 5      into t: table with 1 column, INSERT granted
    fail  step 5      `folder` is a folder
                      hint: name its files, for example `folder/*.csv`
    ok    step 6      into t: table with 1 column, INSERT granted
    ok    step 6      from rows, 5 B, 3 rows
    ok    step 7      into t: table with 1 column, INSERT granted
    ok    step 7      from many, 760.0 kB, about 40,000 rows
    ok    step 8      into t: table with 1 column, INSERT granted
    skip  step 8      from stdin, which is not read
    ok    step 9      from t: table with 1 column, SELECT granted
    ok    step 10     into t: table with 1 column, INSERT granted
    fail  step 10     no file `out.txt`
                      hint: an earlier step of this job writes it, and it appears with the COMMIT: use `transaction: step`
    fail  step 11     no file `nowhere`
                      hint: paths are relative to the job file; `on_missing: ok` or `warn` lets the job go on
    skip  steps       not run: 12 (copy_expert)
    5 failures, 2 warnings
    ");
}

#[test]
fn what_an_earlier_step_makes_need_not_be_there() {
    let scene = Scene::new("CREATE TABLE old (a int)");
    scene.file("x.csv", "a,b\n1,2\n");
    let (text, code) = about_job(
        &scene,
        "- sql: CREATE TABLE IF NOT EXISTS \"Made\" (a int)\n\
         - sql: [DROP TABLE old, 'CREATE TABLE old (a int, b int)']\n\
         - copy_from: {file: x.csv, table: Made, format: csv, header: map}\n\
         - copy_from: {file: x.csv, table: old, format: csv, header: map}\n\
         - copy_from: {file: x.csv, table: mad}\n",
    );
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(text, @r"
    skip  step 3      `Made` is not there yet; step 1 makes it
    ok    step 3      from x.csv, 8 B, 1 row
    ok    step 4      into old: table with 1 column, INSERT granted
    warn  step 4      the header of `x.csv` does not fit: `old` has no column `b`
                      hint: step 2 may put that right: it names the table in a CREATE, ALTER or GRANT
    fail  step 5      there is no table `mad`
                      hint: create it, or name its schema (`sales.orders`, or `session: {search_path: sales}`); upper case counts
    ok    step 5      from x.csv, 8 B, 2 rows
    skip  steps       not run: 1 (sql), 2 (sql)
    1 failure, 1 warning
    ");
}

#[test]
fn without_a_server_it_says_why_and_still_looks_at_the_files() {
    let scene = Scene::new("");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("a port").port();
    drop(listener);
    let job = format!(
        "connection: postgresql://u@127.0.0.1:{port}/d\nsteps:\n- copy_from: {{file: none, table: t}}\n"
    );
    scene.file("job.yaml", job);
    let (text, code) = lines(&scene, &doctor(&scene.place, &["job.yaml"]));
    assert_eq!(code, Some(5));
    insta::assert_snapshot!(text.replace(&port.to_string(), "PORT"), @r"
    ok    job         job.yaml is valid, 1 step
    ok    settings    127.0.0.1:PORT as u, database d; no password
    fail  tcp         nobody answers at 127.0.0.1:PORT: Connection refused (os error 111)
                      hint: is the server running, and are its host and port right?
    fail  step 1      no file `none`
                      hint: paths are relative to the job file; `on_missing: ok` or `warn` lets the job go on
    2 failures
    ");

    let ran = doctor(&scene.place, &["postgresql://u@no.such.name.invalid/d"]);
    let (text, code) = lines(&scene, &ran);
    assert_eq!(code, Some(5));
    assert!(
        text.contains("fail  name        the name `no.such.name.invalid` has no address: "),
        "{text}"
    );
    assert!(text.contains("hint: check the host's name"), "{text}");
}

#[test]
fn a_server_that_says_nothing_is_given_up_in_time() {
    let scene = Scene::new("");
    // Connections wait in its queue, and nobody takes them.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("a port").port();
    for (mode, topic) in [("prefer", "tls"), ("disable", "login")] {
        let url = format!("postgresql://u@127.0.0.1:{port}/d?connect_timeout=1&sslmode={mode}");
        let (text, code) = lines(&scene, &doctor(&scene.place, &[&url]));
        assert_eq!(code, Some(5), "{text}");
        let said = format!("fail  {topic:<12}no answer from 127.0.0.1:{port} within TIME\n");
        assert!(text.contains(&said), "{text}");
        assert!(text.contains("hint: is the address right"), "{text}");
    }
}

#[test]
fn a_dead_coordinator_is_a_warning_where_another_answers() {
    let scene = Scene::new("");
    let gate = Gate::before(&scene.database).open();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let dead = listener.local_addr().expect("a port").port();
    drop(listener);
    let url = format!(
        "postgresql://loader@127.0.0.1:{dead},127.0.0.1:{}/{}",
        gate.port(),
        scene.database.name()
    );
    let mut command = scene.place.dwsload();
    command
        .args(["doctor", &url])
        .env("PGPASSWORD", "Loader@2024");
    let ran = Ran::of(command.output().expect("the binary runs"));
    let (text, code) = lines(&scene, &ran);
    assert_eq!(code, Some(0), "{text}");
    let warning = format!("warn  tcp         nobody answers at 127.0.0.1:{dead}: ");
    assert!(text.contains(&warning), "{text}");
    assert!(text.contains("1 warning"), "{text}");
}

#[test]
fn a_mistake_before_any_connection_has_exit_code_2() {
    let scene = Scene::new("");
    scene.file("bad.yaml", "steps:\n- copy_frm: {}\n");
    scene.file(
        "tls.yaml",
        "connection: {host: h, sslmode: verify-full}\nsteps:\n- sql: SELECT 1\n",
    );
    for (subject, part) in [
        ("bad.yaml", "did you mean `copy_from`?"),
        (
            "none.yaml",
            "fail  job         cannot read the job file `none.yaml`",
        ),
        (
            "tls.yaml",
            "fail  settings    `sslmode` asks to check the server",
        ),
        (
            "mysql://u:hunter2@h/d",
            "fail  settings    a connection URL begins with `postgresql://`",
        ),
        (
            "postgresql://u:hunt/er2@h/d",
            "fail  settings    what stands before the `@`",
        ),
    ] {
        let (text, code) = lines(&scene, &doctor(&scene.place, &[subject]));
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(part), "{text}");
        assert!(!text.contains("hunt"), "{text}");
    }
}

#[test]
fn what_the_environment_says_is_looked_at_and_a_secret_is_never_shown() {
    let scene = Scene::new("");
    let gate = Gate::before(&scene.database).open();
    let mut command = scene.place.dwsload();
    command
        .args(["doctor", "--verbose"])
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", gate.port().to_string())
        .env("PGUSER", "loader")
        .env("PGDATABASE", scene.database.name())
        .env("PGPASSWORD", "Loader@2024");
    let (text, code) = lines(&scene, &Ran::of(command.output().expect("the binary runs")));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("password from PGPASSWORD"), "{text}");
    assert!(
        text.contains("from the environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE"),
        "{text}"
    );
    assert!(!text.contains("Loader@2024"), "{text}");

    let (text, code) = lines(&scene, &doctor(&scene.place, &[&gate.url()]));
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.starts_with("warn  settings    the password stands on the command line"),
        "{text}"
    );
    assert!(!text.contains("Loader"), "{text}");
}

#[test]
fn a_dws_is_known_with_its_login_its_mode_and_its_nodes() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    let gate = Gate::before(&scene.database).open();
    scene.file("x", "1\n");
    let url = gate.url();
    let yaml = format!("connection: '{url}'\nsteps:\n- copy_from: {{file: x, table: t}}\n");
    scene.file("job.yaml", yaml);
    let (text, code) = lines(&scene, &doctor(&scene.place, &["job.yaml"]));
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "ok    login       SHA256, 10000 rounds; protocol 3.51, ",
        "ok    server      GaussDB(DWS) 8",
        "ORA-compatible, 3 coordinators, 6 data nodes, encoding UTF8, time zone ",
        "session_timeout off",
        "into t: table with 1 column, INSERT granted",
    ] {
        assert!(text.contains(part), "no {part}: {text}");
    }
    assert_eq!((gate.connections(), gate.failed_logins()), (1, 0));
    assert_eq!(gate.refused(), [] as [&str; 0]);
    for statement in gate.statements() {
        let reads = ["SELECT", "SHOW", "SET"];
        assert!(
            reads.iter().any(|word| statement.starts_with(word)),
            "{statement}"
        );
    }
}

#[test]
fn what_a_gauss_server_does_to_values_and_small_loads_is_told_before() {
    let scene =
        Scene::new("CREATE TABLE t (id int, name varchar(20), note text NOT NULL, a text, b text)");
    let column_store = Placement {
        column_store: true,
        hash: Some(&["id"]),
        replicated: false,
    };
    let gate = Gate::before(&scene.database)
        .place("t", &column_store)
        .open();
    scene.file("h.csv", "id,name\n1,a\n2,b\n");
    scene.file("all", "1\tx\ty\tz\tz\n".repeat(20_000));
    let yaml = format!(
        "connection: '{}'\nsteps:\n\
         - copy_from: {{file: h.csv, table: t, format: csv, header: map}}\n\
         - copy_from: {{file: all, table: t}}\n\
         - copy_from: {{file: h.csv, table: t, format: csv, columns: [id], force_null: [id]}}\n",
        gate.url()
    );
    scene.file("job.yaml", yaml);
    let (text, code) = lines(&scene, &doctor(&scene.place, &["job.yaml", "--quiet"]));
    assert_eq!(code, Some(1), "{text}");
    let begin = text.find("warn  step 1").expect("warnings");
    insta::assert_snapshot!(&text[begin..], @r#"
    warn  step 1      values may change on their way into the table
                      an empty string becomes NULL in column "id" (the database is ORA-compatible)
                      an empty string becomes NULL in column "name" (the database is ORA-compatible)
                      column "name" holds 20 bytes, not characters: a Chinese character takes 3 of them (the database is ORA-compatible)
    warn  step 1      by the sizes of the files: a COPY of 2 rows into the column-store table t, about 1 for each of 6 data nodes: fewer than 5,000 bloat the table with small compression units; 360000 rows in a COPY fill them (DWS manual)
                      hint: each file is a COPY by itself: join small ones
    warn  step 2      values may change on their way into the table
                      an empty string becomes NULL in column "id" (the database is ORA-compatible)
                      an empty string becomes NULL in column "name" (the database is ORA-compatible)
                      column "name" holds 20 bytes, not characters: a Chinese character takes 3 of them (the database is ORA-compatible)
                      and 3 more (--verbose)
    warn  step 2      by the sizes of the files: a COPY of 20000 rows into the column-store table t, about 3334 for each of 6 data nodes: fewer than 5,000 bloat the table with small compression units; 360000 rows in a COPY fill them (DWS manual)
                      hint: each file is a COPY by itself: join small ones
    fail  step 3      GaussDB(DWS) 8.2.1 does not support `force_null`
                      hint: PostgreSQL has it from 9.4 on; without it, write NULL without quotes in the file
    warn  step 3      values may change on their way into the table
                      an empty string becomes NULL in column "id" (the database is ORA-compatible)
    warn  step 3      by the sizes of the files: a COPY of 3 rows into the column-store table t, about 1 for each of 6 data nodes: fewer than 5,000 bloat the table with small compression units; 360000 rows in a COPY fill them (DWS manual)
                      hint: each file is a COPY by itself: join small ones
    "#);
    assert_eq!(gate.refused(), [] as [&str; 0]);
}

#[test]
fn each_method_of_gauss_servers_is_named_and_tried_once() {
    let scene = Scene::new("");
    let account =
        |name: &str, stored, hba| Account::new(name, "Loader@2024").stored(stored).hba(hba);
    let gate = Gate::before(&scene.database)
        .playing(Product::OpenGauss)
        .account(account("sha", Stored::Sha256, Hba::Sha256).rounds(20_000))
        .account(account("md", Stored::Md5, Hba::Md5))
        .account(account("sm", Stored::Sm3, Hba::Sm3))
        .open();
    for (nth, (user, method)) in (1..).zip([
        ("sha", "SHA256, 20000 rounds"),
        ("md", "MD5"),
        ("sm", "SM3, 10000 rounds"),
    ]) {
        let (text, code) = lines(&scene, &doctor(&scene.place, &[&gate.url_for(user)]));
        assert_eq!(code, Some(0), "{text}");
        let login = format!("ok    login       {method}; protocol 3.51, ");
        assert!(text.contains(&login), "{text}");
        assert!(text.contains("server      openGauss "), "{text}");

        let wrong = gate.url_with(user, "Wrong@2024");
        let (text, code) = lines(&scene, &doctor(&scene.place, &[&wrong]));
        assert_eq!(code, Some(5), "{text}");
        assert!(text.contains(&format!("asked for: {method}\n")), "{text}");
        assert!(text.contains("SQLSTATE 28P01"), "{text}");
        assert_eq!(gate.failed_logins(), nth, "{text}");
    }
}

#[test]
fn a_read_only_server_fails_a_job_that_writes() {
    let scene = Scene::new("CREATE TABLE t (a int)");
    scene.psql(&format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        scene.database.name()
    ));
    scene.file("x", "1\n");
    let job = scene.job("- copy_from: {file: x, table: t}");
    let (text, code) = lines(
        &scene,
        &doctor(&scene.place, &[job.to_str().expect("UTF-8"), "-q"]),
    );
    assert_eq!(code, Some(1), "{text}");
    insta::assert_snapshot!(text, @r"
    fail  session     transactions are read-only: default_transaction_read_only is on
                      hint: it is set for the user, the database or the server; a job may say `session: {default_transaction_read_only: off}`
    ");
    let (text, code) = lines(
        &scene,
        &doctor(&scene.place, &[&scene.database.url(), "-q"]),
    );
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.starts_with("warn  session     transactions are read-only"),
        "{text}"
    );
}

#[test]
fn the_settings_of_a_job_are_tried_in_the_session() {
    let scene = Scene::new("CREATE SCHEMA s; CREATE TABLE s.t (a int)");
    scene.file("x", "1\n");
    let steps = "steps:\n- copy_from: {file: x, table: t}\n";
    let url = scene.database.url();
    for (session, code, part) in [
        (
            "{search_path: s, statement_timeout: 30min}",
            0,
            "may write, statement_timeout 30min",
        ),
        (
            "{statement_timeout: soon}",
            1,
            "cannot set `session.statement_timeout` to `soon`",
        ),
    ] {
        scene.file(
            "job.yaml",
            format!("connection: '{url}'\nsession: {session}\n{steps}"),
        );
        let (text, found) = lines(&scene, &doctor(&scene.place, &["job.yaml"]));
        assert_eq!(found, Some(code), "{text}");
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_embedded_server_is_started_for_a_job_and_ended() {
    let place = Workplace::new();
    let embedded = tempfile::Builder::new()
        .prefix("dwsload-doctor-")
        .tempdir_in("/tmp")
        .expect("a folder");
    let run = |arguments: &[&str]| {
        let mut command = place.dwsload();
        command.env("DWSLOAD_EMBEDDED_DIR", embedded.path().join("server"));
        Ran::of(command.args(arguments).output().expect("the binary runs"))
    };
    place.file(
        "job.yaml",
        "connection: embedded\nsteps:\n- sql: SELECT 1\n",
    );
    let ran = run(&["doctor", "job.yaml"]).ok();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(text.contains("ok    server      PostgreSQL "), "{text}");
    assert!(text.ends_with("nothing is wrong\n"), "{text}");
    let status = run(&["local", "status"]);
    assert_eq!(
        status.code,
        Some(3),
        "{}",
        String::from_utf8_lossy(&status.stdout)
    );
}

#[test]
fn colours_and_line_breaks_are_for_a_terminal() {
    let scene = Scene::new("");
    let shown = |environment: &str| {
        let command = format!(
            "stty cols 60 rows 24; {environment} exec {} doctor '{}'",
            env!("CARGO_BIN_EXE_dwsload"),
            scene.database.url()
        );
        let output = Command::new("script")
            .args(["-qefc", &command, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .env_remove("NO_COLOR")
            .output()
            .expect("script runs");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).replace('\r', "")
    };
    let coloured = shown("");
    assert!(
        coloured.contains("\u{1b}[32mok    \u{1b}[0mserver"),
        "{coloured:?}"
    );
    let plain = shown("NO_COLOR=1");
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    for line in plain.lines().filter(|line| !line.contains('/')) {
        assert!(line.chars().count() <= 60, "{line}");
    }
}

#[test]
fn the_help_has_examples() {
    let ran = doctor(&Workplace::new(), &["--help"]).ok();
    let help = String::from_utf8_lossy(&ran.stdout).into_owned();
    for part in [
        "Examples:",
        "Exit codes:",
        "postgresql://",
        "--verbose",
        "--var",
    ] {
        assert!(help.contains(part), "{help}");
    }
}
