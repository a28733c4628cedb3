//! Values as they are judged here and as PostgreSQL judges them.

use dwsload::name::{Identifier, TableName};
use dwsload::record::check::{Check, DateOrder, Fault, Rules, SessionFacts, Verdict};
use dwsload::wire::session::Session;

use crate::support::scene::Scene;
use crate::support::session::{block_on, session};

#[rustfmt::skip]
mod cases;

use cases::{CASES, Case, WORDS};

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }

    /// `form` with another digit for each 9.
    fn digits(&mut self, form: &str) -> String {
        let mut digit = |c: char| match c {
            '9' => char::from(b"0123456789"[self.roll(10)]),
            c => c,
        };
        form.chars().map(&mut digit).collect()
    }

    /// `value` with up to three characters put in, taken out, or replaced.
    fn mutated(&mut self, value: &str, letters: &[char]) -> String {
        let mut chars: Vec<char> = value.chars().collect();
        for _ in 0..=self.roll(3) {
            let at = self.roll(chars.len() + 1);
            match (self.roll(3), at < chars.len()) {
                (0, true) => drop(chars.remove(at)),
                (1, true) => chars[at] = letters[self.roll(letters.len())],
                _ => chars.insert(at, letters[self.roll(letters.len())]),
            }
        }
        chars.into_iter().collect()
    }
}

impl Case {
    fn check(&self, date_order: DateOrder) -> Check {
        let facts = SessionFacts {
            utf8: true,
            date_order: Some(date_order),
            rules: Rules::PostgreSql,
        };
        Check::new(self.type_name, self.modifier, &facts)
    }

    /// Every value that is named above, and random ones.
    fn values(&self, dice: &mut Dice, count: usize) -> Vec<Vec<u8>> {
        let named = [self.fine, self.bad, self.odd, WORDS].concat();
        let forms = [&named[..], self.forms, self.forms, self.forms].concat();
        let letters: Vec<char> = self.letters.chars().collect();
        let mut values: Vec<Vec<u8>> = named.iter().map(|value| value.as_bytes().into()).collect();
        while values.len() < count {
            let text = match dice.roll(8) {
                0 => (0..dice.roll(12))
                    .map(|_| letters[dice.roll(letters.len())])
                    .collect(),
                1..=3 => {
                    let value = dice.one(&forms).to_owned();
                    let value = dice.digits(&value);
                    dice.mutated(&value, &letters)
                }
                _ => {
                    let form = dice.one(&forms).to_owned();
                    dice.digits(&form)
                }
            };
            let mut value = text.into_bytes();
            if dice.roll(16) == 0 {
                let noise = (0..=dice.roll(3)).map(|_| dice.roll(256).to_le_bytes()[0]);
                value.extend(noise);
            }
            values.push(value);
        }
        values
    }
}

/// The SQLSTATE and the message for each value; `None` where the server takes it.
async fn asked(
    session: &mut Session,
    input: &str,
    values: &[Vec<u8>],
) -> Vec<Option<(String, String)>> {
    let function = format!(
        "CREATE OR REPLACE FUNCTION ask(v bytea, OUT code text, OUT said text) LANGUAGE plpgsql AS $$ \
         DECLARE t text; BEGIN t := convert_from(v, 'UTF8'); PERFORM {input}; \
         EXCEPTION WHEN OTHERS THEN code := SQLSTATE; said := SQLERRM; END $$"
    );
    session.run(&function).await.expect("a function");
    session.run("TRUNCATE asked").await.expect("it is empty");
    let mut data = String::new();
    for (number, value) in values.iter().enumerate() {
        data.push_str(&format!("{number}\t\\\\x"));
        for byte in value {
            data.push_str(&format!("{byte:02x}"));
        }
        data.push('\n');
    }
    let mut copy = session
        .copy_in("COPY asked FROM STDIN")
        .await
        .expect("a COPY");
    copy.send(data.as_bytes()).await.expect("values are taken");
    copy.end_data().await.expect("their end, too");
    copy.finish().await.expect("the server has them");
    let rows = session
        .rows("SELECT (a).code, (a).said FROM (SELECT n, ask(v) AS a FROM asked OFFSET 0) AS t ORDER BY n")
        .await
        .expect("answers");
    let text = |row: &dwsload::wire::session::Row, index| row.text(index).map(String::from);
    rows.iter()
        .map(|row| Some((text(row, 0)?, text(row, 1)?)))
        .collect()
}

/// Whether the verdict is one that the server bears out. `words`: the message must be the same.
fn holds(verdict: &Verdict, said: Option<&(String, String)>, words: bool) -> bool {
    match (verdict, said) {
        (Verdict::Unsure, _) | (Verdict::Fine, None) => true,
        (Verdict::Bad(fault), Some((code, said))) => {
            fault.code == code && (fault.reason == *said || !words)
        }
        _ => false,
    }
}

#[test]
fn no_verdict_is_wrong() {
    let count = std::env::var("DWSLOAD_TEST_CHECKS").map_or(3000, |count| {
        count.parse::<usize>().expect("a number of values")
    });
    let scene = Scene::new("CREATE TABLE asked (n int, v bytea)");
    let mut dice = Dice(5);
    let mut wrong = Vec::new();
    for (case, (order, style)) in CASES.iter().flat_map(|case| {
        let orders = [
            (DateOrder::Mdy, "MDY"),
            (DateOrder::Dmy, "DMY"),
            (DateOrder::Ymd, "YMD"),
        ];
        let some = if case.letters.contains('/') { 3 } else { 1 };
        orders
            .into_iter()
            .take(some)
            .map(move |order| (case, order))
    }) {
        let check = case.check(order);
        let values = case.values(&mut dice, count);
        for values in values.chunks(20_000) {
            let (answers, version) = block_on(async {
                let mut session = session(&scene.database.url()).await;
                let sql = format!("SET DateStyle = 'ISO, {style}'");
                session.run(&sql).await.expect("a DateStyle");
                let answers = asked(&mut session, case.input, values).await;
                (
                    answers,
                    session.parameter("server_version").map(String::from),
                )
            });
            let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
            let words = major.is_none_or(|major| major >= 13);
            assert_eq!(answers.len(), values.len());
            for (value, said) in values.iter().zip(&answers) {
                let verdict = check.judge(value);
                if !holds(&verdict, said.as_ref(), words) {
                    let (name, modifier) = (case.type_name, case.modifier);
                    let value = value.escape_ascii();
                    wrong.push(format!(
                        "{name} {modifier} {style} \"{value}\": {verdict:?}, and the server: {said:?}"
                    ));
                }
            }
        }
    }
    let shown = wrong
        .iter()
        .take(60)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(wrong.is_empty(), "{} wrong\n{shown}", wrong.len());
}

#[test]
fn usual_values_are_fine_and_usual_mistakes_are_bad() {
    for case in CASES {
        let check = case.check(DateOrder::Mdy);
        let name = case.type_name;
        for value in case.fine {
            assert_eq!(
                check.judge(value.as_bytes()),
                Verdict::Fine,
                "{name} {value:?}"
            );
        }
        for value in case.bad {
            let verdict = check.judge(value.as_bytes());
            assert!(
                matches!(verdict, Verdict::Bad(_)),
                "{name} {value:?}: {verdict:?}"
            );
        }
    }
}

/// Why the server refuses a COPY of `data` into `t`.
async fn refused(session: &mut Session, data: &[u8]) -> (String, String) {
    let mut copy = session.copy_in("COPY t FROM STDIN").await.expect("a COPY");
    copy.send(data).await.expect("data is taken");
    copy.end_data().await.expect("its end, too");
    let error = copy.finish().await.expect_err("a bad record");
    let said = error.server().expect("a word of the server");
    (said.code.clone(), said.message.clone())
}

#[test]
fn copy_says_the_same_of_records() {
    let scene = Scene::new("CREATE TABLE t (a int NOT NULL, b varchar(3))");
    let columns = ["a", "b"].map(|name| Identifier::new(name).expect("a name"));
    let table = TableName::parse("t").expect("a name");
    let facts = SessionFacts {
        utf8: true,
        date_order: None,
        rules: Rules::PostgreSql,
    };
    let bad = |check: Check, value: &[u8]| match check.judge(value) {
        Verdict::Bad(fault) => fault,
        verdict => panic!("{verdict:?}"),
    };
    let (a, b) = (
        || Check::new("int4", -1, &facts),
        || Check::new("varchar", 7, &facts),
    );
    let shape = |found| Fault::of_shape(found, &columns).expect("a fault");
    let cases: [(&[u8], Fault); 8] = [
        (b"1\n", shape(1)),
        // The shape comes first, where there is too much.
        (b"x\tabc\t\n", shape(3)),
        (b"\\N\tabc\n", Fault::not_null(&table, &columns[0])),
        (b"1x\tabc\n", bad(a(), b"1x")),
        (b"x\n", bad(a(), b"x")),
        (b"1\tabcd\n", bad(b(), b"abcd")),
        (b"1\ta\xff\n", bad(b(), b"a\xff")),
        (b"1\ta\\000\n", bad(b(), b"a\0")),
    ];
    block_on(async {
        let mut session = session(&scene.database.url()).await;
        for (data, fault) in cases {
            let said = refused(&mut session, data).await;
            let data = data.escape_ascii();
            assert_eq!(said, (fault.code.to_owned(), fault.reason), "{data}");
        }
    });
}
