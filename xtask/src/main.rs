//! Chores: `cargo xtask --help`.

mod base_root;
mod bench;
mod check;
mod decisions;
mod deny;
mod dist;
mod former_version;
mod fuzz;
mod pictures;
mod proto;
mod quick;
mod quickstart;
mod requirements;
mod rules;
mod shell;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// See the whole path work: builds release binaries, then `touchmark quickstart` makes a CA, a work order, a station and
    /// devices that are born, enrolled and verified, and one that is revoked
    Quickstart {
        /// Given to `touchmark quickstart`: --dir DIR, --devices N, --keep, --json; --help tells more
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Everything: what the suites need is installed (`--install`) or named, then `check`, then every suite
    Test {
        /// Leave out `check`
        #[arg(long)]
        no_check: bool,
        /// Install the Debian packages that the suites need and that are missing (as root, through apt); CI=true means the same
        #[arg(long)]
        install: bool,
        /// Given to `cargo test`, for example a part of a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Prepare what the suites need, and run none: Debian packages (`--install`), the Python of the interop suite, a fresh Debian root, the programs of the
    /// former version
    Requirements {
        /// Install the Debian packages that are missing (as root, through apt); CI=true means the same
        #[arg(long)]
        install: bool,
    },
    /// Make what ships: programs optimised as a whole (about eleven minutes on two cores), debug information apart, Debian packages with man
    /// pages, completions and systemd units; all of it in target/packages
    Dist {
        /// Take the quick release build instead, for a try of the packages
        #[arg(long)]
        quick: bool,
    },
    /// The short loop while a change is made: format, clippy, unit tests, the house plan
    Quick,
    /// What needs no running: format, clippy, documentation, generated code, rules and decisions,
    /// dependencies and licences, the house plan
    Check,
    /// Measure what ships (the build of `dist`): how fast it issues, enrols, stores, and how much of that nobody could save
    Bench {
        /// Measure the release build, which takes minutes less to make and is up to a fifth slower
        #[arg(long)]
        quick: bool,
        /// What to measure
        bench: bench::Bench,
        /// Given to the bench: --json prints one object on the last line
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Try every parser of bytes from outside with bytes that libFuzzer makes up, for some seconds each
    FuzzSmoke {
        /// How long each target is tried
        #[arg(long, default_value_t = 10)]
        seconds: u32,
        /// Which targets [default: all]
        targets: Vec<String>,
    },
    /// Draw the pictures of the documents from their text in docs/pictures (needs graphviz)
    Pictures {
        /// Only look whether each picture is of its text; exit status 1 if one is not.
        #[arg(long)]
        check: bool,
    },
    /// Generate the Rust code of the wire from proto/touchmark/v1 (no protoc needed)
    Proto {
        /// Only compare with what is committed; exit status 1 if it differs.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().chore {
        Chore::Quickstart { arguments } => quickstart::build_and_show(&arguments),
        Chore::Test { no_check, install, arguments } => test::run_suites(!no_check, install, &arguments),
        Chore::Requirements { install } => {
            requirements::bring(install).and_then(|()| former_version::bring())
        }
        Chore::Quick => quick::run_quick(),
        Chore::Dist { quick } => dist::make(quick),
        Chore::Check => check::run(),
        Chore::Bench { quick, bench, arguments } => bench::run_bench(bench, quick, &arguments),
        Chore::FuzzSmoke { seconds, targets } => fuzz::smoke(seconds, &targets),
        Chore::Pictures { check } => pictures::run(check),
        Chore::Proto { check } => proto::run(check),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
