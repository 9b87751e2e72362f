//! `shipway split` with files as other systems write them.

use crate::support::Folder;

#[test]
fn a_byte_order_mark_is_no_part_of_a_name() {
    let folder = Folder::new();
    folder.write("list", "\u{feff}tests/a.py::one\r\ntests/b.py::two\r\n\r\n");
    let mut all = Vec::new();
    for index in ["0", "1"] {
        let answer = folder
            .shipway(&["split", "--runner", "pytest", "--total", "2", "--index", index, "--list", "list"]);
        assert_eq!(answer.code, 0, "{}", answer.all());
        all.extend(answer.stdout.lines().map(str::to_owned));
    }
    all.sort();
    assert_eq!(all, ["tests/a.py::one", "tests/b.py::two"]);
    let failed = "<testsuite name=\"s\"><testcase classname=\"k\" name=\"t\"><failure>no</failure></testcase></testsuite>";
    folder.write("results.xml", failed);
    folder.write("q", "\u{feff}k::t\n");
    let answer = folder.shipway(&["split", "verdict", "--results", "results.xml", "--file", "q"]);
    assert!(answer.code == 0 && answer.stdout.contains("in quarantine"), "{}", answer.all());
}
