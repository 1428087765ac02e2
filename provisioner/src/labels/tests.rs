//! What a label says, and that no label is there twice.

use super::*;

fn label(serial: &str) -> Label {
    let certificate = "4a0b0c".repeat(5) + "01";
    Label {
        device: format!("cam-2/{serial}").parse().unwrap(),
        certificate: certificate.parse().unwrap(),
        key: KeyFingerprint::from([0xab; 32]),
    }
}

fn sheet(directory: &Path) -> String {
    std::fs::read_to_string(directory.join(SHEET)).unwrap()
}

#[test]
fn the_code_has_a_version_the_certificate_the_key_and_the_unit() {
    let text = label("SN:1/a").text();
    assert_eq!(text, format!("TM1:4A0B0C4A0B0C4A0B0C4A0B0C4A0B0C01:{}:cam-2/SN:1/a", "AB".repeat(32)));
    let longest = label(&"x".repeat(64)).text();
    assert!(Picture::new(&longest, "x").is_some_and(|picture| picture.width < 80));
}

#[test]
fn a_label_is_there_once_also_after_a_restart_and_a_torn_line_is_cut() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("labels");
    let mut labels = Labels::open(&directory).unwrap();
    assert!(labels.add(&label("SN1")).unwrap() && !labels.add(&label("SN1")).unwrap());
    assert!(matches!(Labels::open(&directory), Err(LabelError::InUse { .. })));
    drop(labels);
    let whole = sheet(&directory);
    std::fs::write(directory.join(SHEET), format!("{whole}SN2,cam-2,0a")).unwrap();
    let mut labels = Labels::open(&directory).unwrap();
    assert_eq!(sheet(&directory), whole, "what was torn is cut");
    assert!(!labels.add(&label("SN1")).unwrap() && labels.add(&label("SN, 2")).unwrap());
    drop(labels);
    let mut reader = csv::Reader::from_path(directory.join(SHEET)).unwrap();
    let serials: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
    assert_eq!(serials, ["SN1", "SN, 2"]);
    for file in ["cam-2_SN1.svg", "cam-2_SN1.png"] {
        assert!(directory.join(file).is_file(), "{file}");
    }
}

#[test]
fn a_file_that_is_no_list_of_labels_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    for content in ["name,price\nx,1\n", "no line end", &"x".repeat(10_000)] {
        std::fs::write(home.path().join(SHEET), content).unwrap();
        assert!(matches!(Labels::open(home.path()), Err(LabelError::NotLabels { .. })), "{content:.20}");
        assert_eq!(sheet(home.path()), *content);
    }
}
