use super::*;

#[test]
fn no_name_in_an_archive_is_taken_twice() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("done/2026");
    make(&folder).unwrap();
    for (index, expected) in ["a.csv", "2-a.csv", "3-a.csv"].iter().enumerate() {
        let path = dir.path().join("a.csv");
        fs::write(&path, format!("{index}")).unwrap();
        let mut leave = Leave {
            after: &After::Archive(folder.clone()),
            report: Report::default(),
            folders: BTreeSet::new(),
        };
        let stamp = Source::File(path.clone()).stamp();
        assert!(leave.take(&path, stamp.as_ref()));
        assert!(leave.report.notes.is_empty());
        assert!(!path.exists());
        let kept = fs::read_to_string(folder.join(expected)).unwrap();
        assert_eq!(kept, index.to_string());
    }
}

#[test]
fn a_file_that_is_another_now_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    fs::write(&path, "old").unwrap();
    let stamp = Source::File(path.clone()).stamp();
    fs::write(&path, "newer").unwrap();
    for after in [After::Delete, After::Archive(dir.path().join("done"))] {
        let mut leave = Leave {
            after: &after,
            report: Report::default(),
            folders: BTreeSet::new(),
        };
        assert!(!leave.take(&path, stamp.as_ref()));
        assert_eq!(leave.report.problems.len(), 1);
        assert_eq!(fs::read(&path).unwrap(), b"newer");
    }
    assert!(!dir.path().join("done").exists());
}

#[test]
fn a_file_is_carried_to_another_file_system_whole() {
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.csv");
    fs::write(&path, "data").unwrap();
    let before = fs::metadata(&path).unwrap();
    let mut leave = Leave {
        after: &After::Archive(other.path().join("done")),
        report: Report::default(),
        folders: BTreeSet::new(),
    };
    let stamp = Source::File(path.clone()).stamp();
    assert!(leave.take(&path, stamp.as_ref()));
    assert!(!path.exists());
    let kept = other.path().join("done/a.csv");
    assert_eq!(fs::read(&kept).unwrap(), b"data");
    let after = fs::metadata(&kept).unwrap();
    assert_eq!(after.modified().unwrap(), before.modified().unwrap());
    assert_eq!(fs::read_dir(kept.parent().unwrap()).unwrap().count(), 1);
}
