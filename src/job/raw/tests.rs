use super::*;

const JOB: &str = "\
job: 007   # text
null: NULL
steps:
  - copy_from: {file: a-${{ today | date('%Y, %m') }}.csv, columns: [a, ~]}
    show: yes
  -
    sql: |
      SELECT 1
";

fn scalar<'a>(node: &'a Node, path: &[usize]) -> &'a Scalar {
    match (node, path) {
        (Node::Scalar(scalar), []) => scalar,
        (Node::List(list), [at, rest @ ..]) => scalar(&list[*at], rest),
        (Node::Map(map), [at, rest @ ..]) => scalar(&map[*at].1, rest),
        _ => panic!("no scalar at {path:?} in {node:?}"),
    }
}

#[test]
fn scalars_keep_their_text_and_expressions_need_no_quotes() {
    let document = Document::parse(JOB).unwrap();
    let texts: Vec<_> = [&[0][..], &[1], &[2, 0, 0, 0], &[2, 0, 0, 1, 1], &[2, 1, 0]]
        .iter()
        .map(|path| scalar(&document.root, path).text.as_str())
        .collect();
    assert_eq!(
        texts,
        [
            "007",
            "NULL",
            "a-${{ today | date('%Y, %m') }}.csv",
            "~",
            "SELECT 1\n"
        ]
    );
}

#[test]
fn every_node_leads_back_to_its_line_and_column() {
    let document = Document::parse(JOB).unwrap();
    for (path, of_key, line, column) in [
        (&[0][..], false, 1, 6),
        (&[0], true, 1, 1),
        (&[1], true, 2, 1),
        (&[2, 0], false, 4, 5),
        (&[2, 0, 0], false, 4, 16),
        (&[2, 0, 0, 1], true, 4, 60),
        (&[2, 0, 0, 1, 1], false, 4, 73),
        (&[2, 0, 1], true, 5, 5),
        (&[2, 1, 0], true, 7, 5),
    ] {
        assert_eq!(
            document.place(path, of_key),
            Some(Place { line, column }),
            "{path:?} {of_key}"
        );
    }
}

#[test]
fn what_is_no_yaml_says_where() {
    for (text, line, what) in [
        ("a: b\n\tc: d\n", 2, "tab character"),
        ("a: [1\n", 2, "did not find expected"),
        ("a: &x [*x]\n", 1, "recurs"),
        ("a: !tag b\n", 1, "tag"),
    ] {
        let syntax = Document::parse(text).unwrap_err();
        assert!(syntax.what.contains(what), "{text:?}: {}", syntax.what);
        assert_eq!(syntax.place.map(|place| place.line), Some(line), "{text:?}");
    }
}

#[test]
fn anchors_that_multiply_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = level - 1;
        let item = format!("*a{before}, ");
        text.push_str(&format!("a{level}: &a{level} [{}x]\n", item.repeat(9)));
    }
    assert!(Document::parse(&text).is_err());
}
