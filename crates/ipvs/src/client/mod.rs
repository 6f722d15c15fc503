//! The client: one socket, used by one caller at a time.

mod frame;
mod link;
mod transport;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use netlink_packet_core::NlasIterator;
use netlink_packet_generic::constants::{CTRL_ATTR_FAMILY_ID, GENL_ID_CTRL};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use nix::errno::Errno;

use self::link::{Failure, Link};
pub use self::transport::{ANSWER_TIMEOUT, NetlinkSocket, Transport, Wait};
use crate::codec::{Command, DecodeError, Message, Place};
use crate::error::Error;
use crate::kernel::Kernel;
use crate::model::{
    Daemon, DestinationEntry, Info, Operation, ServiceEntry, ServiceKey, Table, TableService,
    Timeouts,
};

/// A connection to the kernel's table.
///
/// All calls block until the kernel has answered, which it does within the call; after
/// [`ANSWER_TIMEOUT`] without an answer they fail.
#[derive(Debug)]
pub struct Client<T = NetlinkSocket> {
    link: Link<T>,
    /// Number of the family in this kernel.
    family: u16,
}

impl Client {
    /// Connects to the table of the calling thread's network namespace.
    ///
    /// Asking for the family makes the kernel load `ip_vs`.
    ///
    /// # Errors
    /// [`Error::NoIpvs`] where there is none, [`Error::NotPermitted`] without CAP_NET_ADMIN,
    /// [`Error::Socket`] where no netlink socket can be had.
    pub fn open() -> Result<Self, Error> {
        let transport = NetlinkSocket::open().map_err(|errno| Error::Socket {
            request: "opening".to_owned(),
            errno: errno as i32,
        })?;
        Self::over(transport)
    }
}

impl<T: Transport> Client<T> {
    /// A client over another transport; the errors are those of [`Client::open`].
    pub fn over(transport: T) -> Result<Self, Error> {
        let mut link = Link::new(transport);
        let family = resolve(&mut link)?;
        let mut client = Self { link, family };
        // The look-up is free to everybody; this is where a lack of privileges shows.
        client.info()?;
        Ok(client)
    }

    /// Version and size of the connection table.
    pub fn info(&mut self) -> Result<Info, Error> {
        let message = self.get(Message::get_info(), "GET_INFO")?;
        intelligible(message.info(), "GET_INFO")
    }

    /// The whole table; `ipvsadm -L`.
    ///
    /// It is read service by service: what others change meanwhile may or may not be in it.
    pub fn table(&mut self) -> Result<Table, Error> {
        let mut table = Table::default();
        for entry in self.services()? {
            let destinations = self.destinations(&entry.service.key)?;
            table.services.push(TableService { entry, destinations });
        }
        Ok(table)
    }

    /// Every service, in the kernel's order.
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        let mut services = self.dump(Message::get_services(), "GET_SERVICE", Message::service)?;
        // A dump goes on by index, so that it can show an entry twice when another is added.
        let mut seen = BTreeSet::new();
        services.retain(|entry| seen.insert(entry.service.key));
        Ok(services)
    }

    /// The destinations of a service, in the kernel's order; none where there is no such service.
    pub fn destinations(&mut self, key: &ServiceKey) -> Result<Vec<DestinationEntry>, Error> {
        let request = format!("GET_DEST {key}");
        let read = |message: &Message| message.destination(key.family());
        let mut entries = self.dump(Message::get_destinations(key), &request, read)?;
        let mut seen = BTreeSet::new();
        entries.retain(|entry| seen.insert(entry.destination.key));
        Ok(entries)
    }

    /// One service, if it exists.
    pub fn service(&mut self, key: &ServiceKey) -> Result<Option<ServiceEntry>, Error> {
        let request = format!("GET_SERVICE {key}");
        match self.get(Message::get_service(key), &request) {
            Ok(message) => intelligible(message.service(), &request).map(Some),
            Err(Error::Refused { errno, .. }) if errno == Errno::ESRCH as i32 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The sync daemons that run; `ipvsadm -L --daemon`.
    pub fn daemons(&mut self) -> Result<Vec<Daemon>, Error> {
        self.dump(Message::get_daemons(), "GET_DAEMON", Message::daemon)
    }

    /// The timeouts; `ipvsadm -L --timeout`.
    pub fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let message = self.get(Message::get_timeouts(), "GET_CONFIG")?;
        intelligible(message.timeouts(), "GET_CONFIG")
    }

    /// Carries out the operations in order, many to a datagram. Each has its own result: one that
    /// fails does not stop those after it.
    pub fn execute<O: AsRef<Operation>>(&mut self, operations: &[O]) -> Vec<Result<(), Error>> {
        let append =
            |operation: &O, buffer: &mut Vec<u8>| operation.as_ref().append_request(buffer);
        let results = self.link.execute(self.family, operations, append);
        let failed = |(operation, result): (&O, Result<(), Failure>)| {
            let operation = operation.as_ref();
            result.map_err(|failure| match failure {
                Failure::Refused(refusal) => {
                    Error::refused_operation(operation, refusal.errno, refusal.words)
                }
                failure => error(operation.command(), operation.to_string(), failure),
            })
        };
        operations.iter().zip(results).map(failed).collect()
    }

    /// Asks for one message.
    fn get(&mut self, message: Message, request: &str) -> Result<Message, Error> {
        let command = message.command();
        let payloads = self
            .link
            .get(self.family, message)
            .map_err(|failure| error(command, request.to_owned(), failure))?;
        match payloads.first() {
            Some(payload) => intelligible(Message::decode(payload), request),
            None => Err(error(command, request.to_owned(), Failure::AnswerLost)),
        }
    }

    /// Asks for many messages and reads each.
    fn dump<R>(
        &mut self,
        message: Message,
        request: &str,
        read: impl Fn(&Message) -> Result<R, DecodeError>,
    ) -> Result<Vec<R>, Error> {
        let command = message.command();
        let payloads = self
            .link
            .dump(self.family, message)
            .map_err(|failure| error(command, request.to_owned(), failure))?;
        payloads
            .iter()
            .map(|payload| {
                intelligible(Message::decode(payload).and_then(|reply| read(&reply)), request)
            })
            .collect()
    }
}

impl<T: Transport> Kernel for Client<T> {
    fn table(&mut self) -> Result<Table, Error> {
        Self::table(self)
    }

    fn execute(&mut self, operations: &[Operation]) -> Vec<Result<(), Error>> {
        Self::execute(self, operations)
    }
}

/// Asks for the number of the family.
fn resolve<T: Transport>(link: &mut Link<T>) -> Result<u16, Error> {
    let request = || "GETFAMILY IPVS".to_owned();
    let question = GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName(Message::FAMILY.to_owned())],
    };
    let payloads = link.get(GENL_ID_CTRL, question).map_err(|failure| match failure {
        Failure::Refused(refusal) if refusal.errno == Errno::ENOENT as i32 => Error::NoIpvs,
        failure => error(Command::GetInfo, request(), failure),
    })?;
    // Only this attribute is read: newer kernels add others to this reply.
    let attributes = payloads.first().and_then(|payload| payload.get(4..)).unwrap_or_default();
    NlasIterator::new(attributes)
        .flatten()
        .find(|nla| nla.kind() == CTRL_ATTR_FAMILY_ID)
        .and_then(|nla| nla.value().try_into().ok())
        .map(u16::from_ne_bytes)
        .ok_or_else(|| Error::Unintelligible {
            request: request(),
            source: DecodeError::Missing(Place { space: "family", attribute: "FamilyId" }),
        })
}

fn error(command: Command, request: String, failure: Failure) -> Error {
    match failure {
        Failure::Refused(refusal) => Error::refused(command, request, refusal.errno, refusal.words),
        Failure::AnswerLost => Error::AnswerLost { request },
        Failure::NoAnswer => Error::NoAnswer { request, after: ANSWER_TIMEOUT },
        Failure::Socket(errno) => Error::Socket { request, errno: errno as i32 },
    }
}

fn intelligible<R>(result: Result<R, DecodeError>, request: &str) -> Result<R, Error> {
    result.map_err(|source| Error::Unintelligible { request: request.to_owned(), source })
}
