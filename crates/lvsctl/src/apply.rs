//! `lvsctl apply`, `confirm` and `rollback`: new definitions, for good or on trial.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use api::{ApplyAnswer, ApplyRequest, TrialAnswer, Until};

use crate::{definitions, plan};

pub(crate) fn run(
    socket: Option<&Path>,
    file: &Path,
    confirm: Option<Duration>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let Some((config, definitions)) = definitions::read(file)? else {
        return Ok(ExitCode::FAILURE);
    };
    let socket = socket.unwrap_or(&config.global.control_socket);
    let confirm_seconds = confirm.map(|time| time.as_secs());
    let client = api::Client::connect(socket)?;
    let request = ApplyRequest { definitions, confirm_seconds };
    let answer = crate::ask(client.apply(&request))??;
    crate::answer(json, &answer, applied)?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps what is on trial.
pub(crate) fn confirm(socket: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let client = api::Client::connect(socket)?;
    let answer = crate::ask(client.confirm())??;
    crate::answer(json, &answer, |answer| ended(answer, "confirmed"))?;
    Ok(ExitCode::SUCCESS)
}

/// Ends a trial now.
pub(crate) fn roll_back(socket: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let client = api::Client::connect(socket)?;
    let answer = crate::ask(client.roll_back())??;
    crate::answer(json, &answer, |answer| ended(answer, "rolled back"))?;
    Ok(ExitCode::SUCCESS)
}

fn applied(answer: &ApplyAnswer) -> String {
    let mut text = match (&answer.plan, &answer.plan_error) {
        (Some(changes), _) if changes.is_empty() => "nothing changes\n".to_owned(),
        (Some(changes), _) => plan::text(changes),
        (None, error) => {
            let error = error.as_deref().unwrap_or("no reason given");
            format!("what it changes cannot be told: {error}\n")
        }
    };
    text.push_str(&match &answer.trial {
        None => format!("\n{} is in force\n", answer.file),
        Some(trial) => format!(
            "\n{} is on trial until {}: `lvsctl confirm` keeps it, or else the definitions before \
             it come back\n",
            answer.file,
            moment(trial)
        ),
    });
    text.push_str(&notes(&answer.notes));
    text
}

fn ended(answer: &TrialAnswer, word: &str) -> String {
    format!("{word}: {} is in force\n{}", answer.file, notes(&answer.notes))
}

fn notes(notes: &[String]) -> String {
    notes.iter().map(|note| format!("note: {note}\n")).collect()
}

/// A moment to come, for people.
pub(crate) fn moment(until: &Until) -> String {
    let left = humantime::format_duration(Duration::from_secs(until.seconds_left));
    format!("{} ({left} left)", until.at)
}
