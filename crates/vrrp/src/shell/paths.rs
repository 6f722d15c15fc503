//! The second heartbeat paths: their interfaces and sockets.

use std::net::IpAddr;
use std::time::Instant;

use super::socket::{AdvertSender, Packet};
use super::worker::{PAUSE, Place, Worker};
use crate::instance::Input;
use crate::spec::{Family, Heartbeat, InstanceSpec};

/// What one path of an instance needs.
#[derive(Debug)]
pub(super) struct PathRunner {
    sender: Option<AdvertSender>,
    /// What the instance was last told of its interface.
    readiness: Result<(u32, IpAddr), String>,
}

/// Where an instance listens besides its own interface.
pub(super) fn places(spec: &InstanceSpec) -> impl Iterator<Item = Place> {
    let place = |path: &Heartbeat| (path.interface.clone(), Family::of(path.peer));
    spec.heartbeats.iter().map(place)
}

impl Worker {
    /// Opens and closes the sockets of an instance's paths, and tells it.
    pub(super) fn look_at_paths(&mut self, at: usize) {
        let wanted = self.runners[at].instance.spec().heartbeats.clone();
        self.runners[at].paths.retain(|path, _| wanted.contains(path));
        for path in wanted {
            let mut readiness = self.interfaces.path(&path, |own| self.is_virtual(own));
            if self.runners[at].paths.get(&path).is_some_and(|one| one.readiness == readiness) {
                continue;
            }
            let mut sender = None;
            if let Ok((index, source)) = readiness {
                let opened = self
                    .listen((path.interface.clone(), Family::of(path.peer)), index)
                    .and_then(|()| AdvertSender::open(&path.interface, source));
                match opened {
                    Ok(opened) => sender = Some(opened),
                    Err(error) => {
                        readiness = Err(error.to_string());
                        self.look_again_at = Some(Instant::now() + PAUSE);
                    }
                }
            }
            let input = match &readiness {
                Ok((_, source)) => Input::PathUp(path.clone(), *source),
                Err(reason) => Input::PathDown(path.clone(), reason.clone()),
            };
            self.runners[at].paths.insert(path, PathRunner { sender, readiness });
            self.handle(at, input);
        }
    }

    /// Gives a packet to the instance whose path this is. `false`: it is nobody's.
    pub(super) fn path_packet(&mut self, place: &Place, packet: &Packet) -> bool {
        let Some(header) = packet.header else { return false };
        let found = self.with_vrid_of(packet).iter().find_map(|&at| {
            let heartbeats = &self.runners[at].instance.spec().heartbeats;
            let is = |path: &&Heartbeat| path.interface == place.0 && path.peer == header.source;
            heartbeats.iter().find(is).map(|path| (at, path.clone()))
        });
        let Some((at, path)) = found else { return false };
        self.handle(at, Input::PathPacket(path, header, packet.payload.clone()));
        true
    }

    pub(super) fn send_over(&self, at: usize, path: &Heartbeat, payload: &[u8]) {
        let Some(runner) = self.runners[at].paths.get(path) else { return };
        if let Some(sender) = &runner.sender {
            // A peer that is away is what the other paths are for; a link that is gone is in the
            // kernel's news.
            let _ = sender.send(path.peer, payload);
        }
    }
}
