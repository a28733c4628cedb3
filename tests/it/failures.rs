//! What goes wrong, one thing at a time: each gives one clear error, its exit code, and nothing half
//! done.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::support::scene::Scene;
use crate::support::{Ran, Workplace};

const AB: &str = "CREATE TABLE t (a int, b text)";

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(data).unwrap();
    packer.finish().unwrap()
}

/// The names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn are_we_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

mod inputs {
    use super::*;

    /// Fails the load of `keys`, behind one that succeeds; says how.
    #[track_caller]
    fn fails(scene: &Scene, keys: &str, code: i32) -> String {
        scene.file("good", "1,x\n");
        let ran = scene.run(&format!(
            "- copy_from: {{file: good, table: t, format: csv}}\n- copy_from: {{{keys}}}"
        ));
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
        let said = scene.said(&ran);
        let (first, rest) = said.split_once('\n').unwrap();
        assert!(first.starts_with("1/2 copy_from t: 1 row"), "{said}");
        rest.to_owned()
    }

    #[test]
    fn a_missing_file() {
        let scene = Scene::new(AB);
        insta::assert_snapshot!(fails(&scene, "file: gone.csv, table: t", 6), @r"
        error: step 2 (copy_from t) failed, job.yaml:4
          state: rolled back; nothing of this run is in the database
          caused by: no file `gone.csv`
            hint: paths are relative to the job file; `on_missing: ok` or `warn` lets the job go on
        ");
        insta::assert_snapshot!(fails(&scene, "file: nowhere/*.csv, table: t", 6), @r"
        error: step 2 (copy_from t) failed, job.yaml:4
          state: rolled back; nothing of this run is in the database
          caused by: no file `nowhere/*.csv`
            hint: there is no folder `nowhere`; paths are relative to the job file
        ");
    }

    #[test]
    fn a_link_that_leads_nowhere() {
        let scene = Scene::new(AB);
        symlink("gone", scene.place.path("link")).unwrap();
        insta::assert_snapshot!(fails(&scene, "file: link, table: t", 6), @r"
        error: step 2 (copy_from t) failed, job.yaml:4
          state: rolled back; nothing of this run is in the database
          caused by: cannot read `link`
            hint: it is a link to a file that is not there
          caused by: No such file or directory (os error 2)
        ");
    }

    #[test]
    fn a_folder() {
        let scene = Scene::new(AB);
        fs::create_dir(scene.place.path("data")).unwrap();
        insta::assert_snapshot!(fails(&scene, "file: data, table: t", 6), @r"
        error: step 2 (copy_from t) failed, job.yaml:4
          state: rolled back; nothing of this run is in the database
          caused by: `data` is a folder
            hint: name its files, for example `data/*.csv`
        ");
    }

    #[test]
    fn a_file_that_may_not_be_read() {
        let scene = Scene::new(AB);
        let secret = scene.file("secret/f", "1\tx\n");
        let folder = scene.place.path("secret");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
        scene.file("job.yaml", "");
        let job = scene.job("- copy_from: {file: secret/f, table: t}");
        let root = are_we_root();
        if root {
            // Root may read everything: be somebody else, who can reach the binary and the job.
            scene.place.copy_dwsload("dwsload");
            fs::set_permissions(scene.place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let run = || {
            let mut command = scene.place.dwsload();
            if root {
                command = scene.place.at_home(&scene.place.path("dwsload"));
                command.uid(65534).gid(65534);
            }
            Ran::of(command.arg(&job).output().unwrap())
        };
        let ran = run();
        assert_eq!(ran.code, Some(6), "{}", ran.stderr);
        insta::assert_snapshot!(scene.said(&ran), @r"
        error: step 1 (copy_from t) failed, job.yaml:3
          state: rolled back; nothing of this run is in the database
          caused by: cannot read `secret/f`
          caused by: Permission denied (os error 13)
        ");
        // Nor is a file in a folder that may not be searched taken for a missing one.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
        let ran = run();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(ran.code, Some(6), "{}", ran.stderr);
        assert!(ran.stderr.contains("ermission denied"), "{}", ran.stderr);
    }

    #[test]
    fn a_compressed_file_that_is_cut_short_or_has_garbage_behind_it() {
        let scene = Scene::new(AB);
        let text = "1,x\n".repeat(10_000);
        let packed = gzip(text.as_bytes());
        scene.file("cut.gz", &packed[..packed.len() / 2]);
        insta::assert_snapshot!(fails(&scene, "file: cut.gz, table: t, format: csv", 1), @r"
        error: step 2 (copy_from t) failed, job.yaml:4
          state: rolled back; nothing of this run is in the database
          caused by: cannot read on in `cut.gz`
            hint: the file was cut short, or is still being written
          caused by: the compressed data ends in the middle
        ");
        scene.file("tail.gz", [&packed[..], b"garbage"].concat());
        insta::assert_snapshot!(fails(&scene, "file: tail.gz, table: t, format: csv", 1), @r"
        error: step 2 (copy_from t) failed, job.yaml:4
          state: rolled back; nothing of this run is in the database
          caused by: cannot read on in `tail.gz`
            hint: the compressed data is damaged, or something else follows it
          caused by: something that is not gzip follows the compressed data
        ");
        let mut broken = packed;
        let middle = broken.len() / 2;
        broken[middle..middle + 20].fill(0);
        scene.file("broken.gz", broken);
        let said = fails(&scene, "file: broken.gz, table: t, format: csv", 1);
        assert!(said.contains("broken.gz"), "{said}");
        let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
        scene.file("cut.zst", &packed[..packed.len() / 2]);
        let said = fails(&scene, "file: cut.zst, table: t, format: csv", 1);
        assert!(said.contains("ends in the middle"), "{said}");
        scene.file("tail.zst", [&packed[..], b"garbage"].concat());
        insta::assert_snapshot!(fails(&scene, "file: tail.zst, table: t, format: csv", 1), @r"
        error: step 2 (copy_from t) failed, job.yaml:4
          state: rolled back; nothing of this run is in the database
          caused by: cannot read on in `tail.zst`
            hint: the compressed data is damaged, or something else follows it
          caused by: Unknown frame descriptor
        ");
    }

    #[test]
    fn an_empty_file_where_there_must_be_none() {
        let scene = Scene::new(AB);
        scene.file("f", "");
        insta::assert_snapshot!(fails(&scene, "file: f, table: t, on_empty: fail", 6), @r"
        error: step 2 (copy_from t) failed, job.yaml:4
          state: rolled back; nothing of this run is in the database
          caused by: `f` holds no record
            hint: `on_empty: ok` or `warn` lets the job go on
        ");
    }

    #[test]
    fn a_header_that_does_not_match() {
        let scene = Scene::new(AB);
        scene.file("f", "b,a\n1,x\n");
        insta::assert_snapshot!(fails(&scene, "file: f, table: t, format: csv, header: match", 1), @r"
        error: step 2 (copy_from t) failed, job.yaml:4
          state: rolled back; nothing of this run is in the database
          caused by: the header of `f` does not match: field 1 is `b`, expected `a`
            hint: `header: map` takes the fields in any order, `header: true` skips the line unread
        ");
    }
}

mod tables {
    use super::*;

    #[track_caller]
    fn fails(scene: &Scene, keys: &str) -> String {
        scene.file("f", "1\tx\n");
        let ran = scene.load(&format!("file: f, {keys}"));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        scene.said(&ran)
    }

    #[test]
    fn that_are_not_there() {
        let scene = Scene::new(AB);
        insta::assert_snapshot!(fails(&scene, "table: sales.T"), @r#"
        error: step 1 (copy_from sales.T) failed, job.yaml:3
          state: rolled back; nothing of this run is in the database
          caused by: cannot load `f` into sales.T
            hint: the job names the table "sales"."T"; a name with a dot in it is written `"a.b"`, and upper case counts
          caused by: schema "sales" does not exist (SQLSTATE 3F000)
        "#);
    }

    #[test]
    fn without_the_column() {
        let scene = Scene::new(AB);
        insta::assert_snapshot!(fails(&scene, "table: t, columns: [a, c]"), @r#"
        error: step 1 (copy_from t) failed, job.yaml:3
          state: rolled back; nothing of this run is in the database
          caused by: cannot load `f` into t
          caused by: column "c" of relation "t" does not exist (SQLSTATE 42703)
        "#);
    }

    #[test]
    fn that_are_views() {
        let scene = Scene::new("CREATE VIEW v AS SELECT 1 AS a, '' AS b");
        insta::assert_snapshot!(fails(&scene, "table: v"), @r#"
        error: step 1 (copy_from v) failed, job.yaml:3
          state: rolled back; nothing of this run is in the database
          caused by: cannot load `f` into v
          caused by: cannot copy to view "v" (SQLSTATE 42809)
            server hint: To enable copying to a view, provide an INSTEAD OF INSERT trigger.
        "#);
    }

    #[test]
    fn without_the_right_to_insert() {
        let scene = Scene::new(AB);
        let user = format!("{}_reader", scene.database.name());
        scene.psql(&format!("CREATE ROLE {user} LOGIN"));
        scene.file("f", "1\tx\n");
        let job = crate::support::job(
            &scene.database.url_for(&user),
            &["  - copy_from: {file: f, table: t}\n".into()],
        );
        let ran = scene.place.run(&job);
        scene.psql(&format!("DROP ROLE {user}"));
        assert_eq!(ran.code, Some(1));
        insta::assert_snapshot!(scene.said(&ran), @r#"
        error: step 1 (copy_from t) failed, job.yaml:3
          state: rolled back; nothing of this run is in the database
          caused by: cannot load `f` into t
            hint: loading needs `GRANT INSERT ON "t" TO ...`, and `header: match` SELECT too
          caused by: permission denied for table t (SQLSTATE 42501)
        "#);
    }
}

mod secrets {
    use super::*;

    #[test]
    fn are_hidden_in_statements_settings_and_what_the_server_says_of_them() {
        let scene = Scene::new("");
        for steps in [
            "- sql: ALTER USER nobody_at_all PASSWORD ${{ env.APP_PASSWORD | sql_literal }}",
            "- sql: SELECT ${{ env.APP_PASSWORD | sql_literal }}::int",
            "- sql: SELECT ${{ vars.copy | sql_literal }}::int\nvars: {copy: '${{ env.APP_PASSWORD }}'}",
            "- sql: SELECT 1\nsession: {work_mem: '${{ env.APP_PASSWORD }}'}",
            "- copy_from: {file: f, table: 'a.b.${{ env.APP_PASSWORD }}'}",
            "- sql: \"DO $$ BEGIN RAISE WARNING '%', ${{ env.APP_PASSWORD | sql_literal }}; END $$\"",
        ] {
            let ran = scene
                .dwsload(steps)
                .env("APP_PASSWORD", "it's hunter2")
                .output()
                .unwrap();
            let said = String::from_utf8(ran.stderr).unwrap();
            assert!(said.contains("****"), "{steps}: {said}");
            assert!(!said.contains("hunter2"), "{steps}: {said}");
        }
    }
}

mod outputs {
    use super::*;

    #[test]
    fn on_a_full_device() {
        let scene = Scene::new("");
        let ran = scene.unload(
            "query: 'SELECT repeat(n::text, 100) FROM generate_series(1, 20000) n', file: /dev/full",
        );
        assert_eq!(ran.code, Some(1));
        insta::assert_snapshot!(scene.said(&ran), @r"
        error: step 1 (copy_to /dev/full) failed, job.yaml:3
          state: rolled back; nothing of this run is in the database
          caused by: cannot write `/dev/full`
            hint: make room, then run the job again
          caused by: No space left on device (os error 28)
        ");
    }

    #[test]
    fn on_a_full_disk() {
        let scene = Scene::new("CREATE TABLE t (a int)");
        let disk = scene.place.path("disk");
        fs::create_dir(&disk).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(&disk)
            .stderr(Stdio::null())
            .status();
        // Only root may mount, and not in every container. Elsewhere the file's size is limited,
        // which ends in the same way with another message.
        let mounted = mounted.is_ok_and(|status| status.success());
        fs::write(disk.join("t"), "before").unwrap();
        let job = scene.job(
            "- sql: INSERT INTO t VALUES (1)\n\
             - copy_to: {query: 'SELECT repeat(n::text, 100) FROM generate_series(1, 2000) n', file: disk/t}",
        );
        let limit = if mounted { "unlimited" } else { "64" };
        let shell = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"");
        let dwsload = scene.place.dwsload();
        let output = Command::new("bash")
            .args(["-c", &shell, "bash"])
            .arg(dwsload.get_program())
            .arg(&job)
            .current_dir(scene.place.path(""))
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let (left, kept) = (names(&disk), fs::read(disk.join("t")).unwrap());
        if mounted {
            Command::new("umount").arg(&disk).status().unwrap();
        }
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        let full = if mounted {
            "No space left on device"
        } else {
            "File too large"
        };
        assert!(stderr.contains(full), "{stderr}");
        assert_eq!(left, ["t"]);
        assert_eq!(kept, b"before");
        assert_eq!(scene.psql("SELECT count(*) FROM t"), "0");
    }

    #[test]
    fn are_as_before_when_a_later_step_fails() {
        let scene = Scene::new("");
        scene.file("out", "before");
        let ran = scene.run("- copy_to: {query: SELECT 1, file: out}\n- sql: SELECT 1 / 0");
        assert_eq!(ran.code, Some(1));
        assert_eq!(scene.place.read("out"), b"before");
        assert_eq!(names(&scene.place.path("")), ["job.yaml", "out"]);
    }

    #[test]
    fn of_two_jobs_are_never_mixed() {
        let scene = Scene::new("");
        let steps =
            "- copy_to: {query: 'SELECT ${{ vars.n }} FROM generate_series(1, 20000)', file: out}";
        let job = scene.job(&format!("{steps}\nvars: {{n: 0}}\nlock: none"));
        let runs: Vec<_> = (1..=4)
            .map(|n| {
                scene
                    .place
                    .dwsload()
                    .arg(&job)
                    .args(["--var", &format!("n={n}")])
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for run in runs {
            Ran::of(run.wait_with_output().unwrap()).ok();
        }
        let lines = String::from_utf8(scene.place.read("out")).unwrap();
        let first = lines.lines().next().unwrap();
        assert_eq!(lines, format!("{first}\n").repeat(20_000));
        assert_eq!(names(&scene.place.path("")), ["job.yaml", "out"]);
    }

    #[test]
    fn of_two_steps_of_one_job_are_never_mixed() {
        let scene = Scene::new("");
        scene.file("out", "before");
        fs::create_dir(scene.place.path("x")).unwrap();
        let first = "- copy_to: {query: SELECT 1, file: out}";
        for second in [
            "copy_expert: {sql: COPY (SELECT 2) TO STDOUT, file: out}",
            "copy_to: {query: SELECT 2, file: x/../out}",
        ] {
            let ran = scene.run(&format!("{first}\n- {second}"));
            assert_eq!(ran.code, Some(1), "{}", ran.stderr);
            let part = "an earlier step of this job writes `out` too";
            assert!(scene.said(&ran).contains(part), "{}", ran.stderr);
            assert_eq!(scene.place.read("out"), b"before");
            assert_eq!(names(&scene.place.path("")), ["job.yaml", "out", "x"]);
        }
        // With a transaction for each, the first file is there for good.
        let ran = scene.run(&format!(
            "{first}\n- copy_expert: {{sql: COPY (SELECT 2) TO STDOUT, file: out}}\ntransaction: step"
        ));
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert_eq!(scene.place.read("out"), b"1\n");
    }
}

mod job_files {
    use super::*;

    /// Fails a job file that needs no server; says how.
    #[track_caller]
    fn fails(content: impl AsRef<[u8]>, arguments: &[&str]) -> String {
        let place = Workplace::new();
        let job = place.file("job.yaml", content);
        let ran = place.run_file(&job, arguments);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
        ran.stderr.replace(
            &format!("{}/", place.path("").display()).replace("//", "/"),
            "",
        )
    }

    const STEPS: &str = "connection: postgresql://127.0.0.1:1/x\nvars: {day: 1}\nsteps:\n- {name: one, sql: SELECT 1}\n";

    #[test]
    fn that_are_missing_or_folders() {
        let place = Workplace::new();
        for (name, part) in [("gone.yaml", "No such file"), (".", "is a directory")] {
            let ran = place.run_file(Path::new(name), &[]);
            assert_eq!(ran.code, Some(2), "{}", ran.stderr);
            assert!(
                ran.stderr
                    .starts_with(&format!("error: cannot read the job file `{name}`\n")),
                "{}",
                ran.stderr
            );
            assert!(
                ran.stderr.to_lowercase().contains(&part.to_lowercase()),
                "{}",
                ran.stderr
            );
        }
    }

    #[test]
    fn of_garbage() {
        insta::assert_snapshot!(fails(b"\x00\x01\xfe\xff\x80garbage", &[]), @r"
        error: cannot read the job file `job.yaml`
          hint: a job file is YAML; is this a data file?
          caused by: line 1 is not UTF-8 text
        ");
        insta::assert_snapshot!(fails(b"\x00\x01\x02 %garbage\n", &[]), @r"
        error: job.yaml:1:1: control characters are not allowed
          state: nothing was opened
        ");
        insta::assert_snapshot!(fails("", &[]), @r"
        error: job.yaml:1:1: `steps` is missing
          state: nothing was opened
        ");
    }

    #[test]
    fn of_ten_megabytes() {
        insta::assert_snapshot!(fails("- 1,2,3\n".repeat(1_310_720), &[]), @r"
        error: cannot read the job file `job.yaml`
          hint: is it a data file? A job file names data files, it does not hold data
          caused by: it is longer than 1 MiB
        ");
    }

    #[test]
    fn with_anchors_that_loop_or_explode() {
        insta::assert_snapshot!(fails("steps: &a\n- *a\n", &[]), @r"
        error: job.yaml:1:8: recursion limit exceeded
          state: nothing was opened
          hint: an anchor that holds itself, or anchors that multiply, are no job
        ");
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for n in 1..12 {
            let items = vec![format!("*a{}", n - 1); 10].join(",");
            bomb.push_str(&format!("a{n}: &a{n} [{items}]\n"));
        }
        bomb.push_str("steps: *a11\n");
        insta::assert_snapshot!(fails(bomb, &[]), @r"
        error: job.yaml: repetition limit exceeded
          state: nothing was opened
          hint: an anchor that holds itself, or anchors that multiply, are no job
        ");
    }

    #[test]
    fn with_tabs() {
        insta::assert_snapshot!(fails("steps:\n\t- sql: SELECT 1\n", &[]), @r"
        error: job.yaml:2:1: found character that cannot start any token
          state: nothing was opened
          hint: YAML is indented with blanks, never with tabs; a text that begins with one of `@%*&!|>{[,` and the like needs quotes
        ");
    }

    #[test]
    fn run_with_wrong_variables_and_steps() {
        insta::assert_snapshot!(fails(STEPS, &["--var", "dya=2"]), @r"
        error: `--var dya=...`: the job has no variable `dya`
          hint: did you mean `day`?
        ");
        insta::assert_snapshot!(fails(STEPS, &["--only", "two"]), @r"
        error: `--only two`: the job has no such step
          hint: its steps: 1 (one)
        ");
        insta::assert_snapshot!(fails(STEPS, &["--only", "7"]), @r"
        error: `--only 7`: the job has no such step
          hint: its steps: 1 (one)
        ");
        insta::assert_snapshot!(fails(STEPS, &["--var", "day"]), @r"
        error: invalid value 'day' for '--var <NAME=VALUE>': expected NAME=VALUE

        For more information, try '--help'.
        ");
    }
}

mod servers {
    use super::*;

    fn run(place: &Workplace, url: &str) -> Ran {
        place.run(&format!("connection: {url}\nsteps:\n- sql: SELECT 1\n"))
    }

    #[test]
    fn that_are_not_there() {
        let place = Workplace::new();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let ran = run(&place, &format!("postgresql://u@127.0.0.1:{port}/d"));
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
        insta::assert_snapshot!(ran.stderr.replace(&port.to_string(), "PORT"), @r"
        error: cannot connect to 127.0.0.1:PORT as u, database d
          caused by: nobody answers at 127.0.0.1:PORT
            hint: is the server running, and are its host and port right?
          caused by: Connection refused (os error 111)
        ");
        let ran = run(&place, "postgresql://u@/d?host=/nowhere");
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
        let ran = run(&place, "postgresql://u@no.such.host.invalid/d");
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("hint: check the host's name"),
            "{}",
            ran.stderr
        );
    }

    #[test]
    fn that_speak_something_else() {
        let place = Workplace::new();
        for (answer, sslmode) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "disable"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "prefer"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "require"),
            (b"", "disable"),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = thread::spawn(move || {
                // A client may come again, without TLS.
                while let Ok((mut stream, _)) = listener.accept() {
                    let mut first = [0; 8];
                    if std::io::Read::read(&mut stream, &mut first).unwrap_or(0) == 1 {
                        return;
                    }
                    let _ = stream.write_all(answer);
                }
            });
            let ran = run(
                &place,
                &format!("postgresql://u@127.0.0.1:{port}/d?sslmode={sslmode}"),
            );
            std::net::TcpStream::connect(("127.0.0.1", port))
                .unwrap()
                .write_all(b"!")
                .unwrap();
            server.join().unwrap();
            assert_eq!(ran.code, Some(5), "{sslmode}: {}", ran.stderr);
            assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        }
    }

    #[test]
    fn without_the_database() {
        let scene = Scene::new("");
        let url = scene.database.url().replace(scene.database.name(), "nope");
        let ran = run(&scene.place, &format!("'{url}'"));
        assert_eq!(ran.code, Some(5), "{}", ran.stderr);
        assert_eq!(ran.sqlstate(), Some("3D000"), "{}", ran.stderr);
    }
}

mod surroundings {
    use super::*;

    #[test]
    fn of_cron_are_enough() {
        let scene = Scene::new(AB);
        scene.file("jobs/data/f.csv", "1,x\n");
        let text =
            fs::read(scene.job("- copy_from: {file: data/f.csv, table: t, format: csv}")).unwrap();
        scene.file("jobs/job.yaml", text);
        // No HOME, the PATH of cron, another folder; the job is named from that folder.
        let job = scene.place.path("jobs/job.yaml");
        let run = |arguments: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_dwsload"))
                .arg(job.strip_prefix("/").unwrap())
                .args(arguments)
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .current_dir("/")
                .stdin(Stdio::null())
                .output();
            Ran::of(output.unwrap()).ok()
        };
        let ran = run(&["--quiet"]);
        assert_eq!((ran.stderr.as_str(), ran.stdout.as_slice()), ("", &b""[..]));
        let ran = run(&[]);
        insta::assert_snapshot!(scene.said(&ran), @r"
        1/1 copy_from t: 1 row, 4 B from 1 file (TIME)
        job: done, 1 row loaded in TIME
        ");
        assert_eq!(scene.psql("SELECT count(*) FROM t"), "2");
    }

    /// Runs the job through a shell that closes or fills a stream first.
    fn through_shell(scene: &Scene, steps: &str, redirect: &str) -> Ran {
        let job = scene.job(steps);
        let output = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("exec \"$0\" \"$1\" {redirect}"))
            .arg(env!("CARGO_BIN_EXE_dwsload"))
            .arg(job)
            .output();
        Ran::of(output.unwrap())
    }

    #[test]
    fn without_a_stream_do_not_stop_a_load() {
        let scene = Scene::new(AB);
        scene.file("f", "1\tx\n");
        let steps = "- copy_from: {file: f, table: t}\n- {sql: SELECT 1, show: true}";
        for redirect in ["2>&-", ">&-", ">&- 2>&- <&-", "2>/dev/full"] {
            scene.psql("TRUNCATE t");
            through_shell(&scene, steps, redirect).ok();
            assert_eq!(scene.psql("SELECT count(*) FROM t"), "1", "{redirect}");
        }
    }

    #[test]
    fn without_a_place_for_the_output_are_told_of() {
        let scene = Scene::new("");
        let ran = through_shell(
            &scene,
            "- copy_to: {query: SELECT 1, file: '-'}",
            ">/dev/full",
        );
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        insta::assert_snapshot!(scene.said(&ran), @r"
        error: step 1 (copy_to stdout) failed, job.yaml:3
          state: rolled back; nothing of this run is in the database
          caused by: cannot write `stdout`
            hint: make room, then run the job again
          caused by: No space left on device (os error 28)
        ");
    }

    #[test]
    fn without_a_place_for_a_result_go_on_and_say_so() {
        let scene = Scene::new("");
        let steps = "- {sql: SELECT 1, show: true}";
        let ran = through_shell(&scene, steps, ">/dev/full").ok();
        let part = "warning: cannot write a result to stdout: No space left on device";
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
}
