//! Two virtual routers on one LAN, each played by lvsd or by keepalived, and a client who watches
//! the address that moves between them.

mod definition;
mod keepalived;
mod pair;
mod pings;

use std::net::IpAddr;

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use definition::{Authentication, Definition};
pub use keepalived::Keepalived;
pub use pair::Pair;
pub use pings::Pings;

use crate::director::Lvsd;
use crate::host::Host;
use crate::process::Process;
use crate::wait::FAR;

/// Who plays a virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// This project.
    Lvsd,
    /// Debian's keepalived.
    Keepalived,
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Lvsd => "lvsd",
            Self::Keepalived => "keepalived",
        })
    }
}

/// A running virtual router. Killed when dropped.
#[derive(Debug)]
pub enum Router {
    /// Played by lvsd.
    Lvsd(Lvsd),
    /// Played by keepalived.
    Keepalived(Keepalived),
}

impl Router {
    /// Starts `program` on `host` with these instances. It need not have settled on a state.
    ///
    /// # Errors
    /// When it cannot be started or refuses its configuration.
    pub fn start(program: Program, host: &Host, instances: &[Definition]) -> Result<Self> {
        Ok(match program {
            Program::Lvsd => Self::Lvsd(Lvsd::start(host, &definition::lvsd(instances))?),
            Program::Keepalived => {
                Self::Keepalived(Keepalived::start(host, &definition::keepalived(instances))?)
            }
        })
    }

    /// Starts it anew with the configuration that `host` has from an earlier start.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(program: Program, host: &Host) -> Result<Self> {
        Ok(match program {
            Program::Lvsd => Self::Lvsd(Lvsd::start_again(host)?),
            Program::Keepalived => Self::Keepalived(Keepalived::start_again(host)?),
        })
    }

    /// Stops it with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(self) -> Result<()> {
        match self {
            Self::Lvsd(lvsd) => lvsd.stop().map(drop),
            Self::Keepalived(keepalived) => keepalived.stop(),
        }
    }

    /// The process that was started.
    ///
    /// # Errors
    /// Never: process ids fit.
    pub fn main(&mut self) -> Result<Pid> {
        let id = self.process().id();
        Ok(Pid::from_raw(i32::try_from(id)?))
    }

    /// Waits for its end, which somebody asked for.
    ///
    /// # Errors
    /// When it does not end.
    pub fn wait_ended(&mut self) -> Result<()> {
        self.process().wait(FAR).map(drop)
    }

    fn process(&mut self) -> &mut Process {
        match self {
            Self::Lvsd(lvsd) => lvsd.process(),
            Self::Keepalived(keepalived) => keepalived.process(),
        }
    }

    /// The process that speaks VRRP, a child of the one that was started.
    ///
    /// # Errors
    /// When it is not there.
    pub fn worker(&self) -> Result<Pid> {
        match self {
            Self::Lvsd(lvsd) => lvsd.worker(),
            Self::Keepalived(keepalived) => keepalived.worker(),
        }
    }

    /// Ends every process on the host with SIGKILL and takes the addresses away, as if its power
    /// had failed: nothing there says good-bye.
    ///
    /// # Errors
    /// When the host's processes cannot be listed, or the addresses not removed.
    pub fn cut_power(self, addresses: &[IpAddr]) -> Result<()> {
        let host = match &self {
            Self::Lvsd(lvsd) => lvsd.host(),
            Self::Keepalived(keepalived) => keepalived.host(),
        };
        // Frozen first: a parent must not start anew what was killed before it.
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for (process, _) in host.namespace().processes()? {
                // An error means that it has ended by itself.
                let _ = kill(process, signal);
            }
        }
        for address in addresses {
            host.exec(&format!("ip address flush to {address}"))?;
        }
        Ok(())
    }
}
