//! `lvsd-guard`: what `lvsd run` becomes.

use std::process::ExitCode;

use lvsd_guard::{Setup, logging};

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "--version") {
        print!("{}", lvsd_guard::version());
        return ExitCode::SUCCESS;
    }
    let Some(setup) = Setup::of_command_line() else {
        eprintln!("lvsd-guard: this is a part of lvsd; start `lvsd run`");
        return ExitCode::FAILURE;
    };
    // Whoever looks for lvsd by its name finds it. A process without one works as well.
    let _ = nix::sys::prctl::set_name(c"lvsd");
    let result = logging::init(setup.log()).and_then(|()| lvsd_guard::run(&setup));
    result.unwrap_or_else(|error| {
        eprintln!("lvsd: {error:#}");
        ExitCode::FAILURE
    })
}
