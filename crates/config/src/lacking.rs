//! What definitions name and this host does not have: programs, users, files, interfaces.
//!
//! None of it is an error: it may come later, and the file may be for another host.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use checkers::{Check, Kind};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::unistd::{Group, User};
use vrrp::Thing;

use crate::model::{Config, Notify, Script};

impl Config {
    /// What the definitions name and this host does not have now, in words. Looks at the disk and at
    /// the user database, which may take its time. keepalived: `--config-test` tells of scripts.
    pub fn lacking(&self) -> Vec<String> {
        let mut lacking = Lacking::default();
        for virtual_server in &self.virtual_servers {
            let whose = format!("virtual server {}", virtual_server.name);
            for check in virtual_server.real_servers.iter().flat_map(|server| &server.checks) {
                lacking.check(&whose, check);
            }
            for (name, script) in [
                ("quorum_up", &virtual_server.quorum_up),
                ("quorum_down", &virtual_server.quorum_down),
            ] {
                lacking.script(&format!("{whose}: {name}"), script.as_ref());
            }
        }
        for instance in &self.vrrp_instances {
            let whose = format!("vrrp_instance {}", instance.name);
            let addresses = instance.all_addresses().map(|address| &address.interface);
            let heartbeats = instance.heartbeats.iter().map(|heartbeat| &heartbeat.interface);
            let tracked = instance.track.iter().filter_map(|track| match &track.thing {
                Thing::Interface { name, .. } => Some(name),
                _ => None,
            });
            let routes =
                instance.routing.routes.iter().filter_map(|route| route.interface.as_ref());
            let all = addresses.chain(heartbeats).chain(tracked).chain(routes);
            // The one with the virtual MAC is made.
            let made = |name: &&String| instance.vmac.as_ref() == Some(name);
            for name in [&instance.interface].into_iter().chain(all).filter(|name| !made(name)) {
                lacking.interface(&whose, name);
            }
        }
        for script in &self.tracked.scripts {
            lacking.script(&format!("track_script {}", script.name), Some(&script.script));
        }
        let Self { notifications, .. } = self;
        for (kind, notified) in [
            ("vrrp_instance", &notifications.instances),
            ("vrrp_sync_group", &notifications.groups),
        ] {
            for (name, notify) in notified {
                lacking.notify(&format!("{kind} {name}: notify"), notify);
            }
        }
        if let Some(daemon) = &self.ipvs.sync_daemon {
            lacking.interface("sync_daemon", &daemon.interface);
        }
        lacking.found
    }
}

/// Each thing once: many real servers have the same check.
#[derive(Default)]
struct Lacking {
    found: Vec<String>,
}

impl Lacking {
    fn add(&mut self, text: String) {
        if !self.found.contains(&text) {
            self.found.push(text);
        }
    }

    fn check(&mut self, whose: &str, check: &Check) {
        let whose = format!("{whose}: {}", check.kind.name());
        if let Kind::Misc(misc) = &check.kind {
            self.program(&whose, &misc.command, misc.user.as_deref());
            if let Some(group) = &misc.group
                && matches!(Group::from_name(group), Ok(None))
            {
                self.add(format!("{whose}: no group `{group}`"));
            }
            if let Some(directory) = &misc.directory {
                self.file(&whose, directory);
            }
        }
        if let Some(tls) = check.kind.tls() {
            let shown = tls.client.iter().flat_map(|one| [&one.certificate_file, &one.key_file]);
            for file in tls.ca_file.iter().chain(shown) {
                self.file(&whose, file);
            }
        }
        if let Some(interface) = check.kind.connect().and_then(|it| it.interface.as_ref()) {
            self.interface(&whose, interface);
        }
    }

    fn notify(&mut self, whose: &str, notify: &Notify) {
        let Notify { master, backup, fault, stop, any, trouble, timeout: _ } = notify;
        for script in [master, backup, fault, stop, any, trouble] {
            self.script(whose, script.as_ref());
        }
    }

    fn script(&mut self, whose: &str, script: Option<&Script>) {
        if let Some(script) = script {
            self.program(whose, &script.command, script.user.as_deref());
        }
    }

    fn program(&mut self, whose: &str, command: &[String], user: Option<&str>) {
        if let Some(program) = command.first() {
            match fs::metadata(program) {
                Err(error) if is_missing(&error) => {
                    self.add(format!("{whose}: {program}: {error}"));
                }
                Err(_) => {}
                Ok(file) if !file.is_file() || file.permissions().mode() & 0o111 == 0 => {
                    self.add(format!("{whose}: {program} cannot be executed"));
                }
                Ok(_) => {}
            }
        }
        let user = user.unwrap_or("nobody");
        if matches!(User::from_name(user), Ok(None)) {
            self.add(format!("{whose}: no user `{user}`"));
        }
    }

    fn file(&mut self, whose: &str, path: &Path) {
        if let Err(error) = fs::metadata(path)
            && is_missing(&error)
        {
            self.add(format!("{whose}: {}: {error}", path.display()));
        }
    }

    fn interface(&mut self, whose: &str, name: &str) {
        if matches!(if_nametoindex(name), Err(Errno::ENODEV)) {
            self.add(format!("{whose}: no interface `{name}`"));
        }
    }
}

/// What the caller may not see is not said to be missing.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
