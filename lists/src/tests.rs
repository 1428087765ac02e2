use super::*;

fn read_all(content: &[u8]) -> Result<Vec<Row>, Mistakes> {
    read(content, &"cam-2".parse().unwrap(), None)
}

fn serials(content: &[u8]) -> Vec<String> {
    match read_all(content) {
        Ok(rows) => rows.iter().map(|row| row.serial.to_string()).collect(),
        Err(mistakes) => panic!("{mistakes}"),
    }
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(bytes).collect()
}

/// What spreadsheets, editors and old machines make of a list, and the serial numbers that are in it.
#[test]
fn a_list_gives_exactly_its_serial_numbers() {
    let utf16_le = utf16("serial,product\nSN000204,cam-2\n", u16::to_le_bytes);
    let utf16_be = utf16("serial\tnote\r\nSN000204\tä\r\n", u16::to_be_bytes);
    for (name, content, expected) in [
        ("plain, no last line end", &b"SN1\r\n\n  SN2  \nSN3"[..], &["SN1", "SN2", "SN3"][..]),
        ("blank lines and spaces", b"serial\nSN1\n\nSN2  \n\tSN3\n\n", &["SN1", "SN2", "SN3"]),
        ("byte order mark and CRLF", b"\xef\xbb\xbfserial,product\r\nSN1,cam-2\r\nSN2,\r\n", &["SN1", "SN2"]),
        ("comments", b"# shift 3\nSN1\n# shift 4\nSN2\n", &["SN1", "SN2"]),
        ("a comment before a header", b"# from the MES\nserial,note\nSN1,#2\n", &["SN1"]),
        ("a column of row numbers", b"#,serial\n1,SN1\n#2,SN2\n", &["SN1", "SN2"]),
        ("Ctrl-Z at the end", b"serial\nSN1\x1a", &["SN1"]),
        ("sep=;", b"sep=;\r\nserial;note\r\nSN1;a\r\n", &["SN1"]),
        ("sep= and a tab", b"sep=\t\r\nserial\tnote\r\nSN1\ta\r\n", &["SN1"]),
        ("S/N", b"S/N\nSN1\n", &["SN1"]),
        ("Serial No.", b"Pos.;Serial No.\n1;SN1\n", &["SN1"]),
        ("line ends of old Macintoshes", b"serial\rSN1\rSN2\r", &["SN1", "SN2"]),
        ("a quoted line end", b"serial,note\nSN1,\"two\nlines\"\nSN2,x\n", &["SN1", "SN2"]),
        ("a quote in quotes", b"serial,note\nSN1,\"5\"\" pipe\"\nSN2,4\" pipe\n", &["SN1", "SN2"]),
        ("no-break space", b"serial\nSN1\xc2\xa0\n", &["SN1"]),
        ("zero-width space", b"SN1\xe2\x80\x8b\nSN2\n", &["SN1", "SN2"]),
        ("quoted, semicolons", b"\"Serial Number\";\"Operator\"\r\n\"SN1\";\"x\"\r\n", &["SN1"]),
        ("a comma in a cell of semicolons", b"serial;note\nSN1;a,b\nSN2;c,d\n", &["SN1", "SN2"]),
        ("tabs", b"serial\tnote\nSN1\tx\n", &["SN1"]),
        ("a comma at the end", b"Serial Number,MAC,\nSN1,aa,\n", &["SN1"]),
        ("empty rows of a spreadsheet", b"serial,note\nSN1,a\n,\n,\n", &["SN1"]),
        ("more empty cells than the header", b"serial,note\nSN1,a,,,\n", &["SN1"]),
        ("a text formula", b"serial,note\n\"=\"\"000123\"\"\",a\n", &["000123"]),
        ("UTF-16, little-endian", &utf16_le, &["SN000204"]),
        ("UTF-16, big-endian", &utf16_be, &["SN000204"]),
    ] {
        assert_eq!(serials(content), expected, "{name}");
    }
}

/// Each is refused in one sentence that says where and what to do.
#[test]
fn a_list_that_cannot_be_trusted_is_refused_in_one_sentence() {
    for (content, expected) in [
        (&b""[..], "the list has no serial numbers"),
        (b"\n\n", "the list has no serial numbers"),
        (b"serial\n", "the list has no serial numbers"),
        (b"serial\nSN1\nsn2\nSN1\n", "line 4: SN1 is in line 2 already"),
        (b"SN1\nsn1\n", "line 2: sn1 differs from SN1 in line 1 only in case"),
        (b"serial\n1.23457E+11\n", "line 2: 1.23457E+11 is how a spreadsheet shows a long number"),
        (b"serial;n\n1,23457E+11;2\n", "line 2: 1,23457E+11 is how a spreadsheet shows a long number"),
        (b"SN1\0\n", "line 1: there is a NUL byte"),
        (b"s\0e\0r\0i\0a\0l\0\n\0", "line 1: there is a NUL byte"),
        (b"serial,note\nSN1,a\nSN2,\xfcber\n", "line 3: it is not UTF-8 text"),
        (b"\xff\xfes", "the list is damaged UTF-16 text"),
        (b"serial,serial\nSN1,SN2\n", "line 1: two columns are called \"serial\": rename one"),
        (b"serial,S/N\nSN1,SN2\n", "line 1: \"serial\" and \"S/N\" may both be the serial number"),
        (b"SN1,cam-2\nSN2,cam-2\n", "line 1: the list has several columns, and no header says"),
        (b"Seriennummer\nSN1\nSN2\n", "line 1: \"Seriennummer\" has no digit and all other lines have"),
        (b"serial,note\nSN1,\"open\nSN2,b\nSN3,c\n", "line 2: a quote is opened here and never closed"),
        (b"serial,note\nSN1,\"a\"b\n", "line 2: something follows a closing quote"),
        (b"serial,note\nSN1,\"open\nSN2,\"b\"\nSN3,c\n", "line 3: something follows a closing quote"),
        (b"serial,product\nSN1,cam-3\n", "line 2: it is for product \"cam-3\", and this order is for cam-2"),
        (b"serial,note\nSN1\n", "line 2: it has 1 columns, and the header has 2"),
        (b"serial\nSN_1\n", "line 2: \"SN_1\": "),
        (
            b"serial\nSN?1\n",
            "line 2: \"SN?1\": a device serial number has only A-Z a-z 0-9 space and '()+,-./:=, not '?'",
        ),
        (
            b"serial,n\nSN1,1\nSN2,1\nTotal,2\n",
            "line 4: \"Total\" has no digit and all other serial numbers have",
        ),
        (b"SN1\nSN2 SN3\n", "line 2: \"SN2 SN3\" has a space inside"),
        (b"serial\n'SN1'\n", "line 2: \"\\'SN1\\'\" has quotes"),
    ] {
        let mistakes = read_all(content).unwrap_err();
        let said = mistakes.to_string();
        assert!(said.starts_with(expected), "{said}");
        assert_eq!((mistakes.count(), said.lines().count()), (1, 1), "{said}");
    }
}

#[test]
fn the_column_can_be_named() {
    let product = "cam-2".parse().unwrap();
    let list = b"Geraet;Los;serial\nSN1;7;x1\nSN2;7;x2\n";
    let rows = read(list, &product, Some("geraet")).unwrap();
    let found: Vec<_> = rows.iter().map(|row| row.serial.as_str()).collect();
    assert_eq!(found, ["SN1", "SN2"]);
    assert_eq!(rows[0].columns["Los"], "7");
    let said = read(list, &product, Some("Nummer")).unwrap_err().to_string();
    assert_eq!(
        said,
        "line 1: no column is called \"Nummer\"; the first line has \"Geraet\", \"Los\", \"serial\""
    );
}

#[test]
fn other_columns_are_kept() {
    let rows =
        read_all(b"Hardware Revision,Product,Serial Number,\nB,cam-2,SN1,\n\"C, late\",,SN2,\n").unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row.line, row.columns.clone())).collect();
    let revision = |value: &str| BTreeMap::from([("Hardware Revision".to_owned(), value.to_owned())]);
    assert_eq!(found, [(2, revision("B")), (3, revision("C, late"))]);
}

#[test]
fn all_mistakes_are_told_at_once_and_each_only_once() {
    let mut list = "serial,product\n".to_owned();
    for number in 0..50 {
        list.push_str(&format!("SN{number},cam-9\n"));
    }
    list.push_str("SN_1,cam-2\n");
    let mistakes = read_all(list.as_bytes()).unwrap_err();
    assert_eq!(mistakes.count(), 51);
    let said = mistakes.to_string();
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.starts_with("51 mistakes\n  lines 2, 3 and 48 more: it is for product \"cam-9\""), "{said}");
}

#[test]
fn a_rule_of_the_caller_is_held_against_every_row() {
    let said = |list: &[u8]| {
        let read = read_allowed(list, &"cam-2".parse().unwrap(), None, |row| match row.serial.as_str() {
            "SN2" => Ok(()),
            _ => Err("not in the order".to_owned()),
        });
        read.unwrap_err().to_string()
    };
    assert_eq!(said(b"SN1\nSN2\nSN3\n"), "lines 1 and 3: not in the order: SN1, SN3");
    // What is wrong with the list itself does not hide it.
    let both = said(b"SN2\nSN2\nSN9\n");
    assert_eq!(both, "2 mistakes\n  line 2: SN2 is in line 1 already\n  line 3: not in the order: SN9");
}

/// What a reader makes of lines that come one by one: serial numbers, and mistakes in full.
fn as_they_come(lines: &[&[u8]]) -> Vec<String> {
    let mut reader = RowReader::new("cam-2".parse().unwrap(), None);
    let read = lines.iter().filter_map(|line| match reader.line(line) {
        Ok(row) => row.map(|row| row.serial.to_string()),
        Err(mistake) => Some(mistake.to_string()),
    });
    read.collect()
}

#[test]
fn a_list_can_be_read_line_by_line_and_a_mistake_costs_its_line_alone() {
    let plain: &[&[u8]] = &[b"# shift 3", b"", b"SN1\r", b"SN 2", b"sn1", b"# shift 4", b"SN3", b"SN\0"];
    let found = as_they_come(plain);
    assert_eq!((found.len(), found[0].as_str(), found[3].as_str()), (5, "SN1", "SN3"), "{found:?}");
    assert!(found[1].starts_with("line 4: \"SN 2\" has a space inside"), "{found:?}");
    assert!(found[2].starts_with("line 5: sn1 is in line 3 already"), "{found:?}");
    assert!(found[4].starts_with("line 8: there is a NUL byte"), "{found:?}");

    let table: &[&[u8]] = &[
        b"\xef\xbb\xbfsep=;",
        b"Slot;Serial Number;product",
        b"2;SN1;cam-2",
        b"1;SN2",
        b"1;SN3;cam-9",
        b"1;\"SN4;",
    ];
    let found = as_they_come(table);
    assert_eq!(found[0], "SN1");
    assert!(found[1].starts_with("line 4: it has 2 columns"), "{found:?}");
    assert!(found[2].starts_with("line 5: it is for product \"cam-9\""), "{found:?}");
    assert!(found[3].starts_with("line 6: a quote is opened here"), "{found:?}");

    let without_header: &[&[u8]] = &[b"SN1,B", b"SN2,B", b"serial,revision", b"SN3,B"];
    let found = as_they_come(without_header);
    assert_eq!((found.len(), found[2].as_str()), (3, "SN3"), "{found:?}");
}

proptest::proptest! {
    #[test]
    fn line_by_line_gives_the_rows_of_the_whole(serials in proptest::collection::vec("[A-Z]{2}[0-9]{1,4}", 1..20)) {
        let list = serials.join("\n");
        let lines: Vec<&[u8]> = list.lines().map(str::as_bytes).collect();
        if let Ok(rows) = read_all(list.as_bytes()) {
            let whole: Vec<String> = rows.iter().map(|row| row.serial.to_string()).collect();
            proptest::prop_assert_eq!(as_they_come(&lines), whole);
        }
    }

    #[test]
    fn no_lines_make_it_panic(lines: Vec<Vec<u8>>) {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        as_they_come(&lines);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, column: Option<String>) {
        read(&bytes, &"cam-2".parse().unwrap(), column.as_deref()).ok();
    }

    #[test]
    fn no_text_of_cells_makes_it_panic(text in "[a\",;\t\r\n =#\u{0}\u{1a}\u{a0}]{0,60}") {
        read(format!("serial,x\n{text}").as_bytes(), &"cam-2".parse().unwrap(), None).ok();
    }
}
