//! From files to checked definitions.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use crate::error::{Errors, Finding};
use crate::include::{self, Files};
use crate::instance;
use crate::model::{Config, Notifications};
use crate::path_marks;
use crate::reader::{Entry, Report, Table, Value};
use crate::service;
use crate::settings;
use crate::source::{Place, Source};
use crate::sync_daemon::Instances;
use crate::sync_group::sync_groups;
use crate::syntax;
use crate::track;
use crate::unique::Unique;

/// Reads a configuration from a file and its includes.
///
/// # Errors
///
/// Everything that is wrong with it, see [`Errors`].
pub fn load(path: &Path) -> Result<Config, Errors> {
    load_with_sources(path).map(|(config, _)| config)
}

/// As [`load`], with the texts that were read: the file's own first, then those of its includes.
/// [`parse_sources`] makes the same of them elsewhere.
///
/// # Errors
///
/// Everything that is wrong with it, see [`Errors`].
pub fn load_with_sources(path: &Path) -> Result<(Config, Vec<Source>), Errors> {
    let text = include::read(path).map_err(|unreadable| unreadable.into_errors(path))?;
    read(Source { path: path.to_owned(), text })
}

/// Reads a configuration from `text`, as if it stood in the file `path`: errors name it, and
/// includes are looked for beside it.
///
/// # Errors
///
/// Everything that is wrong with it, see [`Errors`].
pub fn parse(path: &Path, text: impl Into<String>) -> Result<Config, Errors> {
    read(Source { path: path.to_owned(), text: text.into() }).map(|(config, _)| config)
}

/// Reads a configuration from texts alone: that of a file, and those of everything that it
/// includes. No file is opened, and no include followed.
///
/// # Errors
///
/// Everything that is wrong with it, see [`Errors`].
pub fn parse_sources(first: Source, includes: Vec<Source>) -> Result<Config, Errors> {
    let sources = [vec![first], includes].concat();
    checked(sources, Report::default()).map(|(config, _)| config)
}

fn read(first: Source) -> Result<(Config, Vec<Source>), Errors> {
    let report = Report::default();
    let mut files = Files::default();
    files.add(first, None, &report);
    checked(files.sources, report)
}

fn checked(sources: Vec<Source>, report: Report) -> Result<(Config, Vec<Source>), Errors> {
    let config = config(&sources, &report);
    let findings = report.into_findings();
    match config {
        Some(config) if findings.is_empty() => Ok((config, sources)),
        _ => Err(Errors::new(sources, findings)),
    }
}

fn config(sources: &[Source], report: &Report) -> Option<Config> {
    let documents: Vec<_> = sources.iter().map(|source| syntax::document(&source.text)).collect();
    let mut sections = Sections::default();
    for (file, (source, document)) in sources.iter().zip(&documents).enumerate() {
        match document {
            Ok(root) => sections.join(file, root, report),
            Err(errors) => {
                for finding in syntax::findings(file, &source.text, errors) {
                    report.add(finding);
                }
            }
        }
    }
    let start = Place::new(0, 0..0);
    let global = settings::global(Table::new(sections.global, start, report));
    let (tracked, known) = track::read(track::Sections {
        scripts: &sections.track_scripts,
        files: &sections.track_files,
        processes: &sections.track_processes,
        virtual_servers: &sections.virtual_servers,
    });
    let (mut drafts, notify_instances) = instance::instances(&sections.vrrp_instances, &known);
    let notify_groups =
        sync_groups(&sections.vrrp_sync_groups, &sections.vrrp_instances, &mut drafts, &known);
    let vrrp_instances: Vec<_> = drafts.into_iter().map(|draft| draft.spec).collect();
    let instances = Instances { written: &sections.vrrp_instances, read: &vrrp_instances };
    let sync_daemon = sections.ipvs.iter().find(|entry| entry.name == "sync_daemon");
    let sync_daemon = sync_daemon.map(|entry| entry.place);
    let ipvs = settings::ipvs(Table::new(sections.ipvs, start, report), instances);
    let checks = settings::checks(Table::new(sections.checks, start, report));
    let mut virtual_servers = service::virtual_servers(&sections.virtual_servers, sync_daemon);
    let ipvs = ipvs?;
    path_marks::assign(&mut virtual_servers, ipvs.path_marks);
    Some(Config {
        virtual_servers,
        global: global?,
        ipvs,
        checks: checks?,
        vrrp_instances,
        tracked,
        notifications: Notifications { instances: notify_instances, groups: notify_groups },
        files: sources.iter().map(|source| source.path.clone()).collect(),
    })
}

/// The entries of the tables at the top, from all files.
#[derive(Debug, Default)]
struct Sections<'a> {
    global: Vec<Entry<'a>>,
    ipvs: Vec<Entry<'a>>,
    checks: Vec<Entry<'a>>,
    virtual_servers: Vec<Entry<'a>>,
    vrrp_instances: Vec<Entry<'a>>,
    vrrp_sync_groups: Vec<Entry<'a>>,
    track_scripts: Vec<Entry<'a>>,
    track_files: Vec<Entry<'a>>,
    track_processes: Vec<Entry<'a>>,
    /// Section and name of each entry.
    seen: Unique<(&'static str, &'a str)>,
}

impl<'a> Sections<'a> {
    /// Adds those of one file.
    fn join(&mut self, file: usize, root: &'a Spanned<DeValue<'a>>, report: &'a Report) {
        let Self {
            global,
            ipvs,
            checks,
            virtual_servers,
            vrrp_instances,
            vrrp_sync_groups,
            track_scripts,
            track_files,
            track_processes,
            seen,
        } = self;
        Value::new("", file, root, report).table("a configuration", |t| {
            for (section, entries, named) in [
                ("global", global, false),
                ("ipvs", ipvs, false),
                ("checks", checks, false),
                ("virtual_server", virtual_servers, true),
                ("vrrp_instance", vrrp_instances, true),
                ("vrrp_sync_group", vrrp_sync_groups, true),
                ("track_script", track_scripts, true),
                ("track_file", track_files, true),
                ("track_process", track_processes, true),
            ] {
                let new = t.optional(section, Value::entries).map_or_else(Vec::new, |at| at.value);
                for entry in new {
                    // Each file may have its own includes; they were followed.
                    if (section, entry.name) == ("global", "include") {
                        continue;
                    }
                    let message = || format!("`{}` is there in two files", entry.name);
                    let is_new = seen.add((section, entry.name), entry.place, report, message);
                    if is_new && (!named || is_name(&entry, report)) {
                        entries.push(entry);
                    }
                }
            }
            Some(())
        });
    }
}

/// Whether the user's name for something can be typed and shown without surprises.
fn is_name(entry: &Entry<'_>, report: &Report) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "-_.:".contains(c);
    let valid = !entry.name.is_empty() && entry.name.chars().all(allowed);
    if !valid {
        let message = format!("`{}` cannot be a name", entry.name);
        let label = "expected letters, digits, `-`, `_`, `.` and `:`";
        report.add(Finding::new(entry.place, message, label));
    }
    valid
}
