//! `vm`: runs things on a kernel with IPVS, in the small virtual machine where this one has none.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use integration::kernel::{self, Place};
use integration::vm::Options;

/// Runs things on a kernel with IPVS: this one if it has IPVS and you are root, else that of a
/// small virtual machine. `LVSD_LAB=host` and `LVSD_LAB=vm` force one.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run one command as root in this working directory, and return its exit status
    Run {
        /// Seconds after which the virtual machine is ended
        #[arg(long, default_value_t = 1800)]
        deadline: u64,
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Fetch the Debian packages that the other commands need, which they also do by themselves
    Deps,
    /// Give a root shell; `exit` ends the virtual machine
    Shell,
    /// Build lvsd, lvsctl and the integration tests, and run the tests
    Test {
        /// Seconds after which the virtual machine is ended
        #[arg(long, default_value_t = 2400)]
        deadline: u64,
        /// Only tests whose names contain this
        filter: Option<String>,
    },
    /// Build lvsd, lvsctl and a benchmark for use, and run the benchmark
    Bench {
        /// `ipvs` or `checkers`
        name: String,
        /// Seconds after which the virtual machine is ended
        #[arg(long, default_value_t = 1800)]
        deadline: u64,
    },
}

fn main() -> ExitCode {
    match run() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("vm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u8> {
    let within =
        |seconds| Options { deadline: Some(Duration::from_secs(seconds)), ..Options::default() };
    let (command, options) = match Arguments::parse().command {
        Task::Deps => {
            kernel::deps()?;
            return Ok(0);
        }
        Task::Run { deadline, command } => (command, within(deadline)),
        Task::Shell => {
            let options = Options { deadline: None, interactive: true, ..Options::default() };
            (vec!["bash".to_owned()], options)
        }
        Task::Test { deadline, filter } => {
            cargo(&["build", "--package", "lvsd", "--package", "lvsctl"])?;
            let programs = programs(&["test", "--package", "integration", "--no-run"])?;
            return tests(&programs, filter.as_deref(), &within(deadline));
        }
        Task::Bench { name, deadline } => {
            cargo(&["build", "--release", "--package", "lvsd", "--package", "lvsctl"])?;
            let arguments = ["bench", "--package", "integration", "--bench", &name, "--no-run"];
            let programs = programs(&arguments)?;
            (runner(&programs.iter().collect::<Vec<_>>(), None), within(deadline))
        }
    };
    kernel::run(&command, &options)
}

/// Runs cargo and returns what it printed on standard output.
fn cargo(arguments: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "cargo {} failed", arguments.join(" "));
    String::from_utf8(output.stdout).context("cargo printed something else than UTF-8")
}

/// A test program, and the source file that cargo names it after.
struct Program {
    source: String,
    path: String,
}

impl Program {
    /// The tests of VRRP alone and of checks alone are named so. They run on any kernel with
    /// namespaces, and sooner and more evenly there than in the virtual machine.
    fn needs_no_ipvs(&self) -> bool {
        let name = Path::new(&self.source).file_stem().unwrap_or_default();
        let name = name.to_string_lossy();
        ["vrrp_", "checks_"].iter().any(|prefix| name.starts_with(prefix))
    }
}

/// Runs the tests that need no IPVS on this kernel, if it can carry them, and the others where
/// there is IPVS. Returns the exit status of one that failed.
fn tests(programs: &[Program], filter: Option<&str>, options: &Options) -> Result<u8> {
    let ipvs = Place::detect()?;
    let (here, there) = match kernel::require_namespaces() {
        Ok(()) => programs.iter().partition(|program| program.needs_no_ipvs()),
        Err(error) => {
            eprintln!("vm: {error:#}; all tests run in the virtual machine");
            (Vec::new(), programs.iter().collect())
        }
    };
    let mut worst = 0;
    for (programs, place) in [(here, Place::Here), (there, ipvs)] {
        if !programs.is_empty() {
            worst = worst.max(kernel::run_at(place, &runner(&programs, filter), options)?);
        }
    }
    Ok(worst)
}

/// Builds tests or a benchmark with cargo and returns their programs.
fn programs(arguments: &[&str]) -> Result<Vec<Program>> {
    let messages = cargo(&[arguments, &["--message-format", "json"]].concat())?;
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: serde_json::Value = serde_json::from_str(line).context("reading cargo")?;
        let path = message["executable"].as_str().filter(|_| message["profile"]["test"] == true);
        if let (Some(path), Some(source)) = (path, message["target"]["src_path"].as_str()) {
            programs.push(Program { source: source.to_owned(), path: path.to_owned() });
        }
    }
    programs.sort_by(|one, other| one.source.cmp(&other.source));
    ensure!(!programs.is_empty(), "cargo built no program");
    Ok(programs)
}

/// A command that runs all programs, whatever becomes of each, and fails if one did. One test
/// after the other: they measure times.
fn runner(programs: &[&Program], filter: Option<&str>) -> Vec<String> {
    let mut script = String::from("status=0\n");
    for Program { source, path } in programs {
        script += &format!("echo '     Running {source}'\n");
        script += &format!("'{path}' --test-threads=1 \"$@\" || status=1\n");
    }
    script += "exit $status\n";
    let words = ["bash", "-c", &script, "tests"].into_iter().chain(filter);
    words.map(str::to_owned).collect()
}
