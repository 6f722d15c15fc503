//! Programs that are run: no shell, no search in `PATH`.

use crate::error::Finding;
use crate::leaf;
use crate::model::Script;
use crate::reader::{Table, Value};

/// A program with its arguments, or a table with that under `command`.
pub(crate) fn script(value: Value<'_>) -> Option<Script> {
    if value.is_table() {
        return value.table("a script", program);
    }
    Some(Script { command: command(value)?, user: None })
}

/// The keys `command` and `user`.
pub(crate) fn program(t: &mut Table<'_>) -> Option<Script> {
    let command = t.required("command", command);
    let user = t.optional("user", leaf::text);
    Some(Script { command: command?.value, user: user.map(|user| user.value) })
}

fn command(value: Value<'_>) -> Option<Vec<String>> {
    if let Some(line) = value.as_str() {
        let words: Vec<String> = line.split_whitespace().map(|word| format!("{word:?}")).collect();
        let help = format!("no shell is involved: write [{}]", words.join(", "));
        return value.wrong_type("an array of program and arguments", Some(help));
    }
    let words = value.list(|word| {
        let text = word.string()?;
        if text.contains('\0') {
            return word.refuse("an argument with a NUL", "cannot be passed to a program", None);
        }
        Some(text.to_owned())
    })?;
    match words.first() {
        None if value.is_empty_array() => {
            let message = format!("`{}` is empty", value.key);
            value.refuse(message, "expected a program and its arguments", None)
        }
        Some(program) if !program.value.starts_with('/') => {
            let message = format!("the program `{}` is no absolute path", program.value);
            let finding = Finding::new(program.place, message, "expected a path from `/`");
            value.report.add(finding.help("`PATH` is not searched, and no shell is involved"));
            None
        }
        _ => Some(words.into_iter().map(|word| word.value).collect()),
    }
}
