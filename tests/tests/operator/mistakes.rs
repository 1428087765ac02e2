//! An operator's mistakes, and what is missing, closed, unreachable or cannot be printed.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;

use super::Site;

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_of_nothing_is_not_recorded() {
    let site = Site::new().await;
    site.born(1).await;
    let (status, said) = site.operator.fails(&["device", "rotate", "--product", "cam-77"]);
    assert!(status == 1 && said.contains("there is no device of product cam-77"), "{said}");
    site.operator.says(&["device", "retire", "cam-2/SN000001", "--confirm", "1"]);
    let done = &site.operator.json(&["device", "rotate", "--product", "cam-2"])[0];
    assert_eq!((&done["devices"], &done["ledger_entry"]), (&Value::from(0), &Value::Null), "{done}");
    // Nor when another program asks.
    let by = proto::v1::selection::By::Product("cam-77".to_owned());
    let request = proto::v1::RequestRotationRequest {
        request_id: vec![7; 16].into(),
        selection: Some(proto::v1::Selection { by: Some(by) }),
        spread: None,
        remark: String::new(),
    };
    let refused = site.authority.operator().lifecycle().request_rotation(request).await.map(drop);
    assert_eq!(tests::refusal(refused).reason, "REQUEST_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_rotation_says_that_it_would_ask_to_renew() {
    let site = Site::new().await;
    site.device(1).await;
    let said = site.operator.says(&["device", "rotate", "--product", "cam-2", "--dry-run"]);
    assert!(said.contains("would ask to renew  2 certificates of 1 device"), "{said}");
    let said = site.operator.says(&["device", "rotate", "--product", "cam-2"]);
    assert!(said.contains("asked to renew: 2 certificates of 1 device, spread over 1 day"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_devices_one_that_is_refused_does_not_keep_the_others_from_it() {
    let mut site = Site::new().await;
    for number in [1, 2] {
        site.born(number).await;
    }
    let (status, said) =
        site.operator.fails(&["device", "hold", "cam-2/SN000001", "cam-2/SN000099", "cam-2/SN000002"]);
    assert!(
        status == 1 && said.contains("cam-2/SN000099: ") && said.contains("2 of 3 devices were done"),
        "{said}"
    );
    assert_eq!((site.statuses(1), site.statuses(2)), (vec!["held".to_owned()], vec!["held".to_owned()]));
    // Each counts once, and missing devices are reported before the number is asked for.
    let twice = ["device", "retire", "cam-2/SN000001", "cam-2/SN000001", "--confirm"];
    assert_eq!(site.operator.fails(&[&twice[..], &["2"]].concat()).0, 5);
    site.operator.says(&[&twice[..], &["1"]].concat());
    let (status, said) = site.operator.fails(&["device", "retire", "cam-2/SN000099"]);
    assert!(status == 1 && said.contains("DEVICE_NOT_FOUND"), "{said}");
    site.authority.kill();
    assert_eq!(site.operator.fails(&["device", "retire", "cam-2/SN000002"]).0, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_was_refused_can_be_asked_for_again_in_the_same_directory() {
    let site = Site::new().await;
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("b1");
    let issue = ["principal", "issue", "service", "broker-1", "--out", out.to_str().unwrap()];
    let (status, said) = site.operator.fails(&issue);
    assert!(status == 2 && said.contains("--host"), "{said}");
    let host = ["--host", "broker.example.com"];
    let (status, said) = site.operator.fails(&[&issue[..], &host, &["--lifetime-days", "30000"]].concat());
    assert!(status == 1 && said.contains("PROFILE_FORBIDS"), "{said}");
    assert!(!out.exists(), "nothing is left");
    assert_eq!(site.operator.fails(&[&issue[..], &host, &["--lifetime-days", "0"]].concat()).0, 2);
    site.operator.says(&[&issue[..], &host].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_not_an_empty_list() {
    let site = Site::new().await;
    for (arguments, said) in [
        (&["device", "list", "--work-order", "99"][..], "WORK_ORDER_NOT_FOUND"),
        (&["certificate", "list", "--device", "cam-2/SN9"], "DEVICE_NOT_FOUND"),
        (&["certificate", "list", "--principal", "station:line-9"], "there is no principal station:line-9"),
    ] {
        let (status, told) = site.operator.fails(arguments);
        assert!(status == 1 && told.contains(said), "{arguments:?}: {told}");
    }
    assert!(site.operator.json(&["device", "list", "--work-order", &site.order]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_written_is_said_on_stderr() {
    let site = Site::new().await;
    let terms = ["work-order", "create", "--product", "cam-2", "--quantity", "1", "--serials", "X{1..9}"];
    let mut create = site.operator.command(&[&terms[..], &["--station", "line-1"]].concat());
    let output = create.stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("wo-000002") && said.contains("was carried out"), "{said}");
    let (_, said) =
        site.operator.fails(&["work-order", "create", "--product", "cam-2", "--station", "line-1"]);
    assert!(said.contains("--manifest FILE") && said.contains("next: "), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_serial_numbers_that_no_certificate_can_have_is_not_made() {
    let site = Site::new().await;
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("units.csv");
    std::fs::write(&list, "serial\nX1\nX?2\n").unwrap();
    let create = ["work-order", "create", "--product", "cam-2", "--quantity", "1", "--station", "line-1"];
    let said = "has only A-Z a-z 0-9 space and '()+,-./:=, not '?'";
    let (status, told) = site.operator.fails(&[&create[..], &["--serials", "X?{1..9}"]].concat());
    assert!(status == 1 && told.contains("PROFILE_FORBIDS") && told.contains(said), "{told}");
    let manifest = ["--manifest", list.to_str().unwrap()];
    let (status, told) = site.operator.fails(&[&create[..], &manifest].concat());
    assert!(status == 2 && told.contains("line 3: ") && told.contains(said), "{told}");
    assert_eq!(site.operator.json(&["work-order", "list"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_outside_its_window_is_not_shown_as_open() {
    let site = Site::new().await;
    let terms = ["work-order", "create", "--product", "cam-2", "--quantity", "1", "--serials", "X{1..9}"];
    let id = site.operator.says(&[&terms[..], &["--station", "line-1", "--opens", "2d from now"]].concat());
    let shown = site.operator.says(&["work-order", "show", id.trim()]);
    assert!(shown.contains("not yet open"), "{shown}");
    assert_eq!(site.operator.json(&["work-order", "show", id.trim()])[0]["window"], "not begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_between_an_operator_and_the_ca_is_named() {
    let site = Site::new().await;
    let credentials = site.authority.operator_directory();
    let at = |server: &str| {
        let mut command = tests::Program::Operator.command();
        command.arg("--credentials").arg(&credentials).args(["--server", server, "work-order", "list"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, said) = at(&site.authority.grpc().to_string());
    assert_eq!(status, 0, "an address without https:// is taken: {said}");
    for http in [site.authority.http(), site.authority.public()] {
        let (status, said) = at(&format!("https://{http}"));
        assert_eq!(status, 7, "{said}");
        assert!(said.contains("does not speak TLS") && said.contains("8443"), "{said}");
    }
    let (status, said) = at("http://localhost:1");
    assert!(status == 2 && said.contains("HOST:PORT"), "{said}");
    let (status, said) = at("https://127.0.0.1:1");
    assert!(status == 7 && said.contains("nobody listens there"), "{said}");
    let mut command = tests::Program::Operator.command();
    let output =
        command.args(["--credentials", "/nonexistent/admin", "work-order", "list"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(3) && said.contains("/nonexistent/admin does not exist"), "{said}");
    assert!(!said.contains("--server"), "{said}");
    for (server, expected) in
        [("https://user:pw@localhost:1", "leave out the user"), ("localhost:99999", "1 to 65535")]
    {
        let (status, said) = at(server);
        assert!(status == 2 && said.contains(expected) && !said.contains("pw"), "{said}");
    }
    let (status, said) = at("127.0.0.1");
    assert!(status == 7 && said.contains("443"), "{said}");
    let mut command = tests::Program::Operator.command();
    let installation =
        command.arg("--credentials").arg(site.authority.directory()).args(["work-order", "list"]);
    let said = String::from_utf8(installation.output().unwrap().stderr).unwrap();
    assert!(said.contains("is not a credential directory") && said.contains("operators/admin"), "{said}");
    // An environment variable is no argument: the name alone prints the help.
    let mut command = tests::Program::Operator.command();
    let output = command.env("TOUCHMARK_CREDENTIALS", &credentials).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("Usage: touchmark"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_not_called_already_revoked() {
    let site = Site::new().await;
    site.born(1).await;
    for (selection, said) in [
        (&["--product", "cam-9"][..], "there is no device of product cam-9"),
        (&["--device", "cam-2/SN000099"], "there is no device cam-2/SN000099"),
        (&["--station", "line-9"], "there is no station line-9"),
        (&["--work-order", "99"], "there is no work order wo-000099"),
        (&["--certificate", &"4a".repeat(16)], "there is no certificate"),
    ] {
        let question = [&["revoke", "--reason", "superseded", "--dry-run"], selection].concat();
        let (status, found) = site.operator.fails(&question);
        assert!(status == 1 && found.contains(said) && found.contains("next: "), "{found}");
    }
}
