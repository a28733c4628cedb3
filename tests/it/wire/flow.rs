//! Both directions at once: notices while we write, errors while we write, bytes that come singly.

use std::pin::pin;
use std::time::Duration;

use dwsload::wire::error::WireError;
use dwsload::wire::session::{Session, Status};
use tokio::time::timeout;

use super::{code, one, tables};
use crate::support::proxy::{Manner, Proxy};
use crate::support::server::Database;
use crate::support::session::{block_on, session};
use crate::support::{Workplace, job, quoted, step};
use crate::tls;

/// A table `noisy` whose trigger raises a notice of `size` bytes for each row.
fn noisy(size: u32) -> Database {
    let database = tables();
    database.psql(&format!(
        "CREATE TABLE noisy (n int);
         CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE NOTICE '% %', NEW.n, repeat('x', {size}); RETURN NEW; END$$;
         CREATE TRIGGER shout BEFORE INSERT ON noisy FOR EACH ROW EXECUTE FUNCTION shout()"
    ));
    database
}

/// Loads rows of `width` digits into `noisy`, far more bytes than the socket's buffers hold.
async fn shout(session: &mut Session, rows: usize, width: usize) -> u64 {
    let zeros = "0".repeat(width);
    let lines: Vec<String> = (1..=rows).map(|n| format!("{zeros}{n}\n")).collect();
    let block = lines.concat();
    assert!(block.len() > 4_000_000);
    let mut copy = session.copy_in("COPY noisy FROM STDIN").await.unwrap();
    // In parts: the server takes a message whole before it looks into it.
    for part in block.as_bytes().chunks(64 * 1024) {
        copy.send(part).await.unwrap();
    }
    copy.end_data().await.unwrap();
    copy.finish().await.unwrap()
}

#[test]
fn a_flood_of_notices_is_bounded_and_counted() {
    let database = noisy(100);
    block_on(async {
        let mut session = session(&database.url()).await;
        assert_eq!(shout(&mut session, 20_000, 400).await, 20_000);
        let (kept, dropped) = session.take_notices();
        assert_eq!((kept.len(), dropped), (100, 19_900));
        for (index, notice) in kept.iter().enumerate() {
            let number = format!("{} xxx", index + 1);
            assert!(notice.message.starts_with(&number), "{notice}");
        }
        assert_eq!(session.take_notices().0.len(), 0);
    });
}

#[test]
fn notices_larger_than_every_buffer_do_not_block_a_load() {
    let database = noisy(3_000_000);
    block_on(async {
        let mut session = session(&database.url()).await;
        assert_eq!(shout(&mut session, 20, 400_000).await, 20);
        let (kept, dropped) = session.take_notices();
        assert_eq!(kept.len() + dropped, 20);
    });
}

#[test]
fn a_job_says_how_many_notices_it_does_not_show() {
    let database = noisy(10);
    let place = Workplace::new();
    place.file("n.txt", "1\n".repeat(10_000));
    let load = step(
        "copy_from",
        &[("file", quoted("n.txt")), ("table", "noisy".into())],
    );
    let ran = place.run(&job(&database.url(), &[load])).ok();
    assert!(
        ran.stderr
            .contains("warning: 9900 more notices of the server are not shown"),
        "{}",
        ran.stderr
    );
}

/// Sends a bad record and then good ones without end; returns how many bytes were taken until the
/// refusal.
async fn sent_until_refused(session: &mut Session) -> usize {
    let block = b"1\n".repeat(128 * 1024);
    let mut copy = session.copy_in("COPY t FROM STDIN").await.unwrap();
    let mut sent = 0;
    copy.send(b"bad\n").await.unwrap();
    let refused = loop {
        sent += block.len();
        if let Err(error) = copy.send(&block).await {
            break error;
        }
    };
    assert_eq!(code(&refused), "22P02");
    assert_eq!(one(session, "SELECT 1").await, "1");
    sent
}

#[test]
fn an_endless_load_stops_soon_after_a_bad_record() {
    let database = tables();
    let secure = tls::Shared::server();
    let elsewhere = secure.server.database();
    elsewhere.psql("CREATE TABLE t (n int)");
    for url in [
        database.url(),
        secure.url(&elsewhere, "test", "sslmode=disable"),
        secure.url(&elsewhere, "test", "sslmode=require"),
    ] {
        block_on(async {
            let mut session = session(&url).await;
            for _ in 0..10 {
                let sent = sent_until_refused(&mut session).await;
                assert!(sent < 8 * 1024 * 1024, "{sent} bytes to {url}");
            }
        });
    }
}

#[test]
fn a_refusal_is_seen_while_there_is_nothing_to_send() {
    let database = tables();
    block_on(async {
        let mut session = session(&database.url()).await;
        let mut copy = session.copy_in("COPY t FROM STDIN").await.unwrap();
        copy.send(b"bad\n").await.unwrap();
        // The server reads rows as they come: it has seen the bad one, though the data is not over.
        assert_eq!(code(&copy.refused().await), "22P02");
        assert_eq!(session.status(), Status::Idle);
    });
}

#[test]
fn a_block_dropped_while_it_is_sent_loads_nothing_even_when_the_repair_is_dropped_too() {
    let database = tables();
    // The server takes no data while somebody holds the lock.
    database.psql(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END$$;
         CREATE TRIGGER wait BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait()",
    );
    block_on(async {
        let mut holder = session(&database.url()).await;
        holder.run("SELECT pg_advisory_lock(42)").await.unwrap();
        let mut session = session(&database.url()).await;
        let block = b"1\n".repeat(8 * 1024 * 1024);
        {
            let mut copy = session.copy_in("COPY t FROM STDIN").await.unwrap();
            // The server waits in this row, and takes no more.
            copy.send(b"1\n").await.unwrap();
            assert!(is_stuck(copy.send(&block)).await);
        }
        for _ in 0..2 {
            assert!(is_stuck(session.run("SELECT 1")).await);
        }
        holder.run("SELECT pg_advisory_unlock(42)").await.unwrap();
        assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
        assert_eq!(session.status(), Status::Idle);
    });
}

/// Whether a future waits for the server, which does not answer; it is dropped then.
async fn is_stuck<T>(work: impl Future<Output = Result<T, WireError>>) -> bool {
    timeout(Duration::from_millis(200), pin!(work))
        .await
        .is_err()
}

#[test]
fn jobs_work_when_bytes_come_singly() {
    let database = tables();
    let proxy = Proxy::new(&database, Manner::Trickle);
    let place = Workplace::new();
    let numbers: Vec<String> = (0..5_000).map(|n| format!("{n}\n")).collect();
    let numbers = numbers.concat();
    place.file("in.txt", &numbers);
    let load = |file: &str| {
        step(
            "copy_from",
            &[("file", quoted(file)), ("table", "t".into())],
        )
    };
    let query = quoted("SELECT n FROM t ORDER BY n");
    let unload = step("copy_to", &[("query", query), ("file", quoted("out.txt"))]);
    place
        .run(&job(&proxy.url(&database), &[load("in.txt"), unload]))
        .ok();
    assert_eq!(place.read("out.txt"), numbers.as_bytes());

    place.file("bad.txt", format!("{numbers}x\n{numbers}"));
    let ran = place.run(&job(&proxy.url(&database), &[load("bad.txt")]));
    assert_eq!((ran.code, ran.sqlstate()), (Some(1), Some("22P02")));
    assert!(ran.stderr.contains("line 5001"), "{}", ran.stderr);
    assert_eq!(database.psql("SELECT count(*) FROM t"), "5000");
}
