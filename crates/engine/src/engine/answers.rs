//! What an operator is answered about a wish.

use std::collections::BTreeSet;

use ipvs::DestinationKey;

use super::Engine;
use crate::operator::{Action, Hold, Override, ServerName};
use crate::policy::Condition;
use config::VirtualServer;

/// What became of a wish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The servers that the wish concerns, as virtual server and address. After wishes were taken
    /// back: those of which nothing is asked any more.
    pub servers: Vec<String>,
    /// After wishes were taken back: the servers of which something is still asked, with what that
    /// is and how it ends.
    pub held: Vec<String>,
    /// What else the operator should know.
    pub notes: Vec<String>,
}

impl Engine {
    /// The real servers that `server` names, as virtual server and address.
    pub fn named<'a>(
        &'a self,
        server: &'a ServerName,
    ) -> impl Iterator<Item = (&'a str, DestinationKey)> {
        self.virtual_servers.iter().flat_map(move |virtual_server| {
            let name = virtual_server.name.as_str();
            let keys = virtual_server.real_servers.iter().map(|one| one.destination.key);
            keys.filter(move |key| server.matches(name, key)).map(move |key| (name, key))
        })
    }

    /// The wishes that [`Input::Clear`](super::Input::Clear) with this name takes back.
    pub fn taken_back_by<'a>(
        &'a self,
        server: &'a ServerName,
    ) -> impl Iterator<Item = &'a Override> {
        self.overrides.covered_by(server)
    }

    /// The answer to an [`Input::Override`](super::Input::Override) that was taken. Where the last
    /// healthy server is taken out, the operator hears it at once.
    pub fn answer_override(&self, server: &ServerName) -> Answer {
        let mut notes = Vec::new();
        for (name, key) in self.named(server) {
            let wish = self.overrides.find(name, &key).map(|wish| wish.action);
            if let (Some(Action::Weight(_)), Some(hold @ Hold::File(..))) =
                (wish, self.hold(name, &key))
            {
                notes.push(format!("{name} {key}: {hold}, whatever its weight"));
            }
        }
        let names: BTreeSet<&str> = self.named(server).map(|(name, _)| name).collect();
        let concerned = self.virtual_servers.iter().filter(|one| names.contains(one.name.as_str()));
        notes.extend(concerned.filter_map(|one| {
            let condition = self.conditions.get(&one.name)?;
            (condition.quorum == Some(false)).then(|| shortage(one, condition))
        }));
        let servers = self.named(server).map(|(name, key)| format!("{name} {key}")).collect();
        Answer { servers, held: Vec::new(), notes }
    }

    /// The answer to an [`Input::Clear`](super::Input::Clear) that has taken back these wishes;
    /// `None` if the name fits nothing.
    pub fn answer_clear(&self, server: &ServerName, taken: &[Override]) -> Option<Answer> {
        let mut answer = Answer::default();
        for (name, key) in self.named(server) {
            match self.hold(name, &key) {
                None => answer.servers.push(format!("{name} {key}")),
                Some(hold) => {
                    answer.held.push(format!("{name} {key}: {hold}; {}", hold.remedy()));
                }
            }
        }
        let is_named = self.named(server).next().is_some();
        if taken.is_empty() && is_named {
            answer.notes.push(format!("nothing had been asked for {server}"));
        }
        for wish in taken.iter().filter(|wish| self.named(&wish.server).next().is_none()) {
            let words = format!("taken back: {wish}, for {}, which no file defines", wish.server);
            answer.notes.push(words);
        }
        (is_named || !taken.is_empty()).then_some(answer)
    }
}

/// What it means that a virtual server has no quorum.
fn shortage(virtual_server: &VirtualServer, condition: &Condition) -> String {
    let who = match &condition.panic {
        Some(reason) => format!("the panic policy is in force, {reason}"),
        None if !virtual_server.sorry_servers.is_empty() => "the sorry servers answer".to_owned(),
        None if condition.live_weight == 0 => {
            "there is no sorry server: nobody takes new connections".to_owned()
        }
        None => "there is no sorry server: the rest answers".to_owned(),
    };
    format!(
        "virtual server {} is without quorum, live weight {} of {}; {who}",
        virtual_server.name, condition.live_weight, virtual_server.quorum
    )
}
