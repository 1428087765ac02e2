//! The chores of the project: `cargo xtask --help`.

mod base_root;
mod bench;
mod check;
mod comments;
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
mod texts;

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
    /// See the whole path work: builds release programs, then `touchmark quickstart` makes a CA, a work
    /// order, a station and devices, enrols and verifies them, and revokes one
    Quickstart {
        /// Given to `touchmark quickstart`: --dir DIR, --devices N, --keep, --json; --help tells more
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Everything: check or install (`--install`) what the suites need, then `check`, then every suite
    Test {
        /// Leave out `check`
        #[arg(long)]
        no_check: bool,
        /// Install the Debian packages that the suites need and that are missing (as root, through apt);
        /// CI=true means the same
        #[arg(long)]
        install: bool,
        /// Given to `cargo test`, for example a part of a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Prepare what the suites need, and run none: Debian packages (`--install`), the Python of the interop
    /// suite, a fresh Debian root, the programs of the former version
    Requirements {
        /// Install the Debian packages that are missing (as root, through apt); CI=true means the same
        #[arg(long)]
        install: bool,
    },
    /// Make the packages: optimised programs (about eleven minutes on two cores), separate debug information,
    /// Debian packages with man pages, completions and systemd units; in target/packages
    Dist {
        /// Use the quick release build, to try the packages
        #[arg(long)]
        quick: bool,
    },
    /// The short loop: format, clippy, unit tests, architecture
    Quick,
    /// Static checks: format, clippy, documentation, generated code, released wire, comments, rules and
    /// decisions, dependencies and licences, architecture
    Check,
    /// Measure the shipped build (of `dist`): rates of issuing, enrolling, storing, and the CPU efficiency
    Bench {
        /// Measure the release build, which is minutes quicker to make and up to a fifth slower
        #[arg(long)]
        quick: bool,
        /// What to measure
        bench: bench::Bench,
        /// Given to the bench: --json prints one object on the last line
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Fuzz every parser of outside bytes with libFuzzer, for some seconds each
    FuzzSmoke {
        /// Seconds for each target
        #[arg(long, default_value_t = 10)]
        seconds: u32,
        /// Which targets [default: all]
        targets: Vec<String>,
    },
    /// Draw the pictures of the documents from their text in docs/pictures (needs graphviz)
    Pictures {
        /// Only check that each picture is up to date; exit status 1 if one is not
        #[arg(long)]
        check: bool,
    },
    /// Generate the Rust code of the wire from proto/touchmark/v1 (no protoc needed)
    Proto {
        /// Only compare: the committed code with the .proto files, and these with the released wire
        #[arg(long)]
        check: bool,
        /// Make today's wire and ledger format the released ones (released.fds); see CONTRIBUTING
        #[arg(long, conflicts_with = "check")]
        release: bool,
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
        Chore::Proto { check, release } => {
            proto::run(check.then_some("--check").or_else(|| release.then_some("--release")))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
