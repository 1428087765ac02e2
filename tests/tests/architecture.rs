//! Enforces ARCHITECTURE.md: dependencies between crates, words that a room may not use, and the length of
//! files.
//!
//! A rule that changes here changes in ARCHITECTURE.md, in the same commit.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Crate → the workspace crates that its product code may depend on. Compared with the manifests.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("identity", &[]),
    ("proto", &[]),
    ("files", &[]),
    ("link", &[]),
    ("serial-port", &[]),
    ("diagnostics", &[]),
    ("hooks", &[]),
    ("dial", &["identity"]),
    ("lists", &["identity"]),
    ("supervisor", &[]),
    ("cli", &["diagnostics"]),
    ("client", &["dial", "diagnostics", "files", "identity"]),
    ("issuance", &["identity"]),
    ("ledger", &["identity"]),
    ("ledger-log", &["files", "identity", "ledger"]),
    ("store", &["files", "identity", "ledger", "ledger-log"]),
    ("signer", &["files", "identity", "issuance"]),
    ("publication", &["diagnostics", "files", "identity", "issuance", "ledger", "signer", "store"]),
    ("closing", &["identity", "issuance", "ledger"]),
    (
        "authority",
        &["closing", "diagnostics", "identity", "issuance", "ledger", "publication", "signer", "store"],
    ),
    (
        "ca",
        &[
            "authority",
            "cli",
            "closing",
            "diagnostics",
            "files",
            "identity",
            "issuance",
            "ledger",
            "proto",
            "publication",
            "signer",
            "store",
            "supervisor",
        ],
    ),
    (
        "provisioner",
        &[
            "client",
            "cli",
            "dial",
            "diagnostics",
            "files",
            "hooks",
            "identity",
            "link",
            "lists",
            "proto",
            "serial-port",
        ],
    ),
    (
        "agent",
        &[
            "cli",
            "dial",
            "diagnostics",
            "files",
            "hooks",
            "identity",
            "link",
            "proto",
            "serial-port",
            "supervisor",
        ],
    ),
    ("ops", &["client", "cli", "dial", "diagnostics", "files", "hooks", "identity", "lists", "proto"]),
    ("packaging", &["agent", "ca", "ops", "provisioner"]),
    ("tests", EVERYTHING),
    ("bench", EVERYTHING),
    ("xtask", &[]),
    ("protogen", &[]),
];

const EVERYTHING: &[&str] = &[
    "agent",
    "authority",
    "ca",
    "client",
    "cli",
    "closing",
    "diagnostics",
    "dial",
    "files",
    "hooks",
    "identity",
    "issuance",
    "ledger",
    "ledger-log",
    "link",
    "lists",
    "ops",
    "packaging",
    "proto",
    "provisioner",
    "publication",
    "serial-port",
    "signer",
    "store",
    "supervisor",
    "tests",
];

/// Crate → outside crates that neither it nor anything below it may depend on.
const MAY_NOT_DEPEND: &[(&str, &[&str])] = &[
    ("identity", &["axum", "rcgen", "serde", "sled", "tokio", "tonic", "tracing"]),
    ("proto", &["axum", "rcgen", "sled"]),
    ("files", &["axum", "rcgen", "serde", "sled", "tokio", "tonic", "tracing"]),
    ("link", &["axum", "rcgen", "sled", "tonic"]),
    ("serial-port", &["axum", "rcgen", "serde", "sled", "tonic", "tracing"]),
    ("supervisor", &["axum", "rcgen", "sled", "tokio", "tonic"]),
    ("dial", &["axum", "rcgen", "rustls", "sled", "tonic"]),
    ("lists", &["axum", "rcgen", "sled", "tokio", "tonic"]),
    ("client", &["axum", "rcgen", "sled"]),
    ("diagnostics", &["axum", "rcgen", "sled", "tokio", "tonic"]),
    ("hooks", &["axum", "rcgen", "sled", "tonic", "tracing"]),
    ("issuance", &["axum", "rand", "sled", "tokio", "tonic", "tracing"]),
    ("ledger", &["axum", "aws-lc-rs", "rcgen", "sled", "tokio", "tonic", "tracing"]),
    ("ledger-log", &["axum", "rcgen", "sled", "tonic"]),
    ("store", &["axum", "rcgen", "tonic"]),
    ("signer", &["axum", "rcgen", "sled", "tonic"]),
    ("publication", &["axum", "hyper", "sled", "tonic"]),
    ("closing", &["axum", "rand", "sled", "tokio", "tonic", "tracing"]),
    ("authority", &["axum", "hyper", "pkcs8", "sled", "tonic"]),
    ("ca", &["sled"]),
    ("provisioner", &["axum", "rcgen", "sled"]),
    ("agent", &["axum", "sled"]),
    ("ops", &["axum", "sled"]),
];

/// Folder or file → words that its code, without tests, may not contain. Compares whole identifiers.
const MAY_NOT_SAY: &[(&str, &[&str])] = &[
    ("identity/src", &["tokio", "serde", "std::fs", "TcpStream", "UdpSocket", "tracing", "async"]),
    (
        "issuance/src",
        &[
            "std::fs",
            "TcpStream",
            "tokio",
            "async",
            "SystemTime::now",
            "proto::",
            "Clock",
            "tracing",
            "rand::",
        ],
    ),
    ("link/src", &["tokio", "std::fs", "tracing", "SystemTime"]),
    ("lists/src", &["tokio", "std::fs", "tracing", "SystemTime", "async"]),
    // Only `dial` connects by name: elsewhere one silent address would hide the others.
    ("agent/src", &["TcpStream::connect", "lookup_host", "ToSocketAddrs"]),
    ("client/src", &["TcpStream::connect", "lookup_host", "ToSocketAddrs"]),
    ("ops/src", &["TcpStream::connect", "lookup_host", "ToSocketAddrs"]),
    ("provisioner/src", &["TcpStream::connect", "lookup_host", "ToSocketAddrs"]),
    ("ca/ledger/src", &["async", "std::fs", "std::net", "SystemTime::now", "Clock"]),
    ("ca/closing/src", &["async", "std::fs", "std::net", "SystemTime::now", "Clock"]),
    ("ca/log/src", &["std::net", "decide", "effects"]),
    ("ca/store/src", &["std::net", "Profile"]),
    ("ca/signer/src", &["std::net", "Status", "Profile"]),
    ("ca/publication/src", &["std::net", "SystemTime::now"]),
    ("ca/authority/src", &["TcpStream", "UdpSocket", "std::fs", "SystemTime::now"]),
    ("ca/src/grpc.rs", &["std::fs", "SystemTime::now"]),
    ("ca/src/grpc", &["std::fs", "SystemTime::now"]),
    ("provisioner/src/session.rs", &["tokio", "proto::", "tonic", "async", "std::fs", "Instant::now"]),
    ("provisioner/src/session", &["tokio", "proto::", "tonic", "async", "std::fs", "Instant::now"]),
    ("agent/src", BY_ITSELF),
    ("agent/src", &["ca::", "issuance::", "provisioner::"]),
    ("ca/ledger/src", BY_ITSELF),
    ("ca/log/src", BY_ITSELF),
    ("ca/store/src", BY_ITSELF),
    ("ca/signer/src", BY_ITSELF),
    ("ca/publication/src", BY_ITSELF),
    ("ca/authority/src", BY_ITSELF),
    ("ca/src", BY_ITSELF),
    ("ops/src", BY_ITSELF),
    ("provisioner/src", BY_ITSELF),
    ("client/src", BY_ITSELF),
    ("provisioner/src", &["ca::", "issuance::", "agent::"]),
    ("ops/src", &["ca::", "issuance::", "agent::", "provisioner::", "sled"]),
];

/// Calls that write to standard error without `diagnostics`, and can panic or block.
const BY_ITSELF: &[&str] =
    &["eprintln", "eprint", "println", "print!", "io::stderr().lock", "io::stderr().write", "dbg"];

/// The rooms that may handle a private key. Other product code may not contain these words.
const KEY_WORDS: &[&str] =
    &["KeyPair", "EcdsaKeyPair", "RsaKeyPair", "Ed25519KeyPair", "PrivateKeyDer", "PrivatePkcs8KeyDer"];
const KEY_ROOMS: &[&str] = &[
    "ca/signer/src",
    "ca/src/init",
    "ca/src/tls",
    "agent/src/key",
    // Published test keys, which are refused.
    "issuance/src/blocked/trivial",
    "client/src/credential",
    "ops/src/principal/pending_request",
];

/// The longest file; a longer one has more than one idea.
const FILE_LINES_MAX: usize = 600;

/// Product code: what people and devices run. Tests, benches and chores have fewer limits.
const PRODUCT: &[&str] = &[
    "identity",
    "proto",
    "files",
    "link",
    "serial-port",
    "diagnostics",
    "hooks",
    "dial",
    "lists",
    "supervisor",
    "cli",
    "client",
    "issuance",
    "ca/ledger",
    "ca/log",
    "ca/store",
    "ca/signer",
    "ca/publication",
    "ca/authority",
    "ca",
    "provisioner",
    "agent",
    "ops",
];

#[test]
fn every_crate_names_only_what_the_map_allows() {
    let metadata = metadata();
    let map: BTreeMap<&str, BTreeSet<&str>> =
        MAY_NAME.iter().map(|(name, may)| (*name, may.iter().copied().collect())).collect();
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(may) = map.get(package.name.as_str()) else {
            broken.push(format!("{} is not on the map: add it here and in ARCHITECTURE.md", package.name));
            continue;
        };
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        for dependency in normal.filter(|dependency| ours.contains(dependency.name.as_str())) {
            if !may.contains(dependency.name.as_str()) {
                broken.push(format!("{} may not name {}", package.name, dependency.name));
            }
        }
    }
    broken.extend(
        map.keys()
            .filter(|name| !ours.contains(*name))
            .map(|name| format!("{name} is on the map and does not exist")),
    );
    report(&broken);
}

#[test]
fn no_crate_depends_on_what_its_room_forbids() {
    let metadata = metadata();
    let mut broken = Vec::new();
    for (name, forbidden) in MAY_NOT_DEPEND {
        let package =
            metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == *name).unwrap();
        for dependency in package.dependencies.iter().filter(|it| it.kind == DependencyKind::Normal) {
            if forbidden.contains(&dependency.name.as_str()) {
                broken.push(format!("{name} may not depend on {}", dependency.name));
            }
        }
    }
    report(&broken);
}

#[test]
fn no_room_says_what_it_may_not() {
    let root = root();
    let mut broken = Vec::new();
    for (room, words) in MAY_NOT_SAY {
        for file in sources(&root.join(room)) {
            broken.extend(said(&file, words).map(|(line, word)| {
                format!("{}:{line}: {room} may not say `{word}`", relative(&root, &file))
            }));
        }
    }
    report(&broken);
}

#[test]
fn private_keys_are_handled_only_in_their_rooms() {
    let root = root();
    let mut broken = Vec::new();
    for package in PRODUCT {
        for file in sources(&root.join(package).join("src")) {
            let name = relative(&root, &file);
            if KEY_ROOMS
                .iter()
                .any(|room| name == format!("{room}.rs") || name.starts_with(&format!("{room}/")))
            {
                continue;
            }
            broken.extend(
                said(&file, KEY_WORDS)
                    .map(|(line, word)| format!("{name}:{line}: `{word}` belongs to one of {KEY_ROOMS:?}")),
            );
        }
    }
    report(&broken);
}

#[test]
fn nothing_is_ignored_or_left_to_do() {
    let root = root();
    // Concatenated, so that this file does not contain them.
    let words = [format!("#[{}", "ignore"), format!("{}!(", "todo"), format!("{}!(", "unimplemented")];
    let mut broken = Vec::new();
    for package in folders() {
        for file in sources(&root.join(package)) {
            let text = fs::read_to_string(&file).unwrap();
            for (index, line) in text.lines().enumerate() {
                for word in words.iter().filter(|word| line.contains(word.as_str())) {
                    broken.push(format!("{}:{}: {word}", relative(&root, &file), index + 1));
                }
            }
        }
    }
    report(&broken);
}

#[test]
fn a_file_fits_one_idea() {
    let root = root();
    let mut broken = Vec::new();
    for package in folders() {
        for file in sources(&root.join(package)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            let name = relative(&root, &file);
            if lines > FILE_LINES_MAX && !name.contains("/src/generated/") {
                broken
                    .push(format!("{name} has {lines} lines, more than {FILE_LINES_MAX}: split it by idea"));
            }
        }
    }
    report(&broken);
}

#[test]
fn every_crate_obeys_the_lint_table_and_shares_its_versions() {
    let root = root();
    let mut broken = Vec::new();
    for package in folders() {
        let manifest = fs::read_to_string(root.join(&package).join("Cargo.toml")).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            broken.push(format!("{package}/Cargo.toml: say [lints] workspace = true"));
        }
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]")
                && line.contains('=')
                && !line.contains("workspace = true")
            {
                broken.push(format!(
                    "{package}/Cargo.toml: `{line}`: versions are shared in the root manifest"
                ));
            }
        }
        if root.join(&package).join("clippy.toml").exists() {
            broken.push(format!("{package}/clippy.toml would replace the root's; put the rule there"));
        }
    }
    report(&broken);
}

#[test]
fn one_cryptography_provider_is_built_and_it_is_not_ring() {
    let mut broken = Vec::new();
    for banned in ["ring", "openssl-sys", "native-tls"] {
        let users = tree(&["--invert", banned]);
        if !users.is_empty() {
            broken.push(format!("{banned} is built:\n{users}"));
        }
    }
    let all = tree(&["--prefix", "none"]);
    assert!(all.contains("aws-lc-rs v"), "cargo tree sees aws-lc-rs, so it would see ring:\n{all}");
    report(&broken);
}

/// The crates that cargo would build, for every target platform; empty if the package is not built.
fn tree(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "tree",
            "--workspace",
            "--target",
            "all",
            "--edges",
            "normal,build,dev",
            "--locked",
            "--offline",
        ])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let unknown = errors.contains("did not match any packages");
    assert!(output.status.success() || unknown, "cargo tree: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn metadata() -> Metadata {
    MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap()
}

/// The folder of each crate. A crate within another's folder belongs to a folder of its own.
fn folders() -> Vec<String> {
    let metadata = metadata();
    let folder = |manifest: &Path| relative(&root(), manifest.parent().unwrap());
    let packages = metadata.workspace_packages();
    packages.into_iter().map(|package| folder(package.manifest_path.as_std_path())).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn relative(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap().to_string_lossy().into_owned()
}

/// All Rust files of a room, which is a file or a folder; none if it does not exist yet.
fn sources(room: &Path) -> Vec<PathBuf> {
    if room.is_file() {
        return vec![room.to_path_buf()];
    }
    let Ok(entries) = fs::read_dir(room) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path),
                false => vec![path],
            }
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    files
}

/// The lines where a file uses one of the words, outside comments, strings and tests.
fn said<'a>(file: &Path, words: &'a [&str]) -> impl Iterator<Item = (usize, &'a str)> {
    let text = if is_test(file) { String::new() } else { fs::read_to_string(file).unwrap() };
    let mut found = Vec::new();
    for (index, line) in code(&text).iter().enumerate() {
        found.extend(words.iter().filter(|word| says(line, word)).map(|word| (index + 1, *word)));
    }
    found.into_iter()
}

/// Whether only tests build the file: its parent, or the parent of that, has `#[cfg(test)] mod NAME;`.
fn is_test(file: &Path) -> bool {
    let (Some(directory), Some(name)) = (file.parent(), file.file_stem()) else { return false };
    let declaration = format!("#[cfg(test)]\nmod {};", name.to_string_lossy());
    let parent = directory.with_extension("rs");
    [parent.clone(), directory.join("lib.rs"), directory.join("main.rs")]
        .iter()
        .filter_map(|parent| fs::read_to_string(parent).ok())
        .any(|text| text.contains(&declaration))
        || (parent.is_file() && is_test(&parent))
}

/// The lines of a file up to its test module, without comments and the contents of strings.
fn code(text: &str) -> Vec<String> {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    product.lines().map(without_comment).collect()
}

/// A line without its comment and without the contents of its strings.
fn without_comment(line: &str) -> String {
    let mut kept = String::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '/' if !quoted && characters.peek() == Some(&'/') => break,
            _ if !quoted => kept.push(character),
            _ => {}
        }
    }
    kept
}

/// Whether a line contains a word as a whole identifier.
fn says(line: &str, word: &str) -> bool {
    let inside = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        // `crate::ca::…` is a module of ours; `ca::…` is the crate.
        let own_module = word.ends_with(':') && before == Some(':');
        !own_module && !before.is_some_and(inside) && (word.ends_with(':') || !after.is_some_and(inside))
    })
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn a_word_is_seen_as_a_whole_identifier_outside_comments_and_strings() {
    assert!(says("use tokio::net;", "tokio"));
    assert!(says("fn f(status: tonic::Status)", "Status"));
    assert!(says("use proto::v1;", "proto::"));
    assert!(!says("use prototype::v1;", "proto::"));
    assert!(!says("use crate::ca::Line;", "ca::"));
    assert!(!says("struct CertificateStatus;", "Status"));
    assert!(!says("fn tokio_free() {}", "tokio"));
    assert!(!says(&without_comment("let a = 1; // unlike tokio"), "tokio"));
    assert!(!says(&without_comment("//! never tokio"), "tokio"));
    assert!(!says(&without_comment(r#"let a = "a \" tokio";"#), "tokio"));
    assert!(says(&without_comment(r#"let a = "//"; tokio::spawn(a);"#), "tokio"));
}

#[test]
fn tests_of_a_room_may_say_more_than_the_room() {
    assert_eq!(code("use a;\n#[cfg(test)]\nmod tests { use tokio; }"), ["use a;"]);
    assert_eq!(
        code("#[cfg(test)]\nmod simulation;\nuse b;").len(),
        3,
        "what follows a declared module is product code"
    );
}
