//! `lvsctl real-server`: the real server's side of direct routing.
//!
//! A director in direct-routing mode passes packets on unchanged, still addressed to the VIP. The
//! real server has to accept them, so it holds the VIP; but it must never tell the network so,
//! since the director alone answers for it. Hence the address on `lo` and, for IPv4, the settings
//! for ARP.

mod state;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use netif::{Netlink, NewAddress, sysctl};

use crate::columns::columns;
use state::{ARP_SETTINGS, ArpSetting, State, host_prefix};

/// The interface that holds the VIPs.
const LOOPBACK: &str = "lo";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take up VIPs on `lo`, and keep silent about them
    ///
    /// Sets arp_ignore to 1 and arp_announce to 2 in net.ipv4.conf.all and net.ipv4.conf.lo, then
    /// adds each VIP with its host prefix (/32, /128) to `lo`. Done again it changes nothing. Does
    /// not survive a restart of the host: run it from a unit at boot. Needs root. Exit status: 0
    /// all done, 1 something failed.
    Start {
        /// The virtual servers' addresses
        #[arg(required = true, value_name = "VIP", value_parser = vip)]
        vips: Vec<IpAddr>,
    },
    /// Give up VIPs
    ///
    /// When no other IPv4 VIP (a /32 outside 127.0.0.0/8) is left on `lo`, the settings that
    /// `start` makes go back to 0, the kernel's default. Needs root. Exit status: 0 all done, 1
    /// something failed.
    Stop {
        /// The virtual servers' addresses
        #[arg(required = true, value_name = "VIP", value_parser = vip)]
        vips: Vec<IpAddr>,
    },
    /// Show whether VIPs are set up right, and what to do if not
    ///
    /// Exit status: 0 everything is right, 1 something is not.
    Status {
        /// The virtual servers' addresses; without any, all VIPs on `lo`
        #[arg(value_name = "VIP", value_parser = vip)]
        vips: Vec<IpAddr>,
    },
}

/// An address that can be a VIP.
fn vip(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "not an IP address".to_owned())?;
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
        return Err("no client can reach that address".to_owned());
    }
    Ok(address)
}

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let mut netlink = Netlink::open()?;
    let right = match command {
        Command::Start { vips } => start(&mut netlink, &unique(vips))?,
        Command::Stop { vips } => stop(&mut netlink, &unique(vips))?,
        Command::Status { vips } => status(&mut netlink, &unique(vips))?,
    };
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn unique(vips: &[IpAddr]) -> BTreeSet<IpAddr> {
    vips.iter().copied().collect()
}

fn read_state(netlink: &mut Netlink) -> anyhow::Result<State> {
    let links = netlink.links()?;
    State::new(links, netlink.addresses()?).context("this network namespace has no `lo`")
}

/// Whether all went well; what did not is on standard error.
fn start(netlink: &mut Netlink, vips: &BTreeSet<IpAddr>) -> anyhow::Result<bool> {
    // First, since an address without them is announced at once: the real server would take the
    // director's clients away.
    let silent = !vips.iter().any(IpAddr::is_ipv4)
        || set_arp(|setting, value| (!setting.suffices(value)).then_some(setting.started));
    let mut right = silent;
    for &vip in vips {
        if vip.is_ipv4() && !silent {
            eprintln!("lvsctl: {vip}: not added, since this host would answer ARP for it");
            continue;
        }
        let label = vip.is_ipv4().then(|| read_state(netlink)).transpose()?.map(|s| s.free_label());
        match netlink.add_address(&on_loopback(vip, label.as_deref())) {
            Ok(true) => crate::print(&format!("{vip}: added to lo\n"))?,
            Ok(false) => crate::print(&format!("{vip}: on lo already\n"))?,
            Err(error) => {
                eprintln!("lvsctl: {vip}: {error}");
                right = false;
            }
        }
    }
    Ok(right)
}

/// Whether all went well; what did not is on standard error.
fn stop(netlink: &mut Netlink, vips: &BTreeSet<IpAddr>) -> anyhow::Result<bool> {
    let mut right = true;
    for &vip in vips {
        match netlink.delete_address(&on_loopback(vip, None)) {
            Ok(true) => crate::print(&format!("{vip}: removed from lo\n"))?,
            Ok(false) => crate::print(&format!("{vip}: not on lo\n"))?,
            Err(error) => {
                eprintln!("lvsctl: {vip}: {error}");
                right = false;
            }
        }
    }
    let still_needed = read_state(netlink)?.vips().any(|vip| vip.is_ipv4());
    if vips.iter().any(IpAddr::is_ipv4) && !still_needed {
        right &= set_arp(|setting, value| (value == setting.started).then_some("0"));
    }
    Ok(right)
}

/// The VIP as an address of `lo`.
///
/// With the host prefix: any shorter one would make all its neighbours local too. The script of
/// old also adds a host route to `lo`; the kernel makes one by itself, in the table `local`, with
/// the address.
fn on_loopback(vip: IpAddr, label: Option<&str>) -> NewAddress<'_> {
    NewAddress { label, ..NewAddress::new(LOOPBACK, vip, host_prefix(vip)) }
}

/// Gives each ARP setting the value that `change` names for it, if any; whether that went well.
///
/// IPv6 needs none of this: a host answers neighbour solicitations only for addresses of the very
/// interface they come in on (RFC 4861 section 7.2.3), so never for one on `lo`.
fn set_arp<'a>(change: impl Fn(&'a ArpSetting, &str) -> Option<&'a str>) -> bool {
    let mut right = true;
    for setting in &ARP_SETTINGS {
        let done = sysctl::read(setting.key).and_then(|value| {
            change(setting, &value).map_or(Ok(()), |value| sysctl::write(setting.key, value))
        });
        if let Err(error) = done {
            eprintln!("lvsctl: {error}");
            right = false;
        }
    }
    right
}

/// Whether everything is set up right.
fn status(netlink: &mut Netlink, asked: &BTreeSet<IpAddr>) -> anyhow::Result<bool> {
    let state = read_state(netlink)?;
    let vips = if asked.is_empty() { state.vips().collect() } else { asked.clone() };
    if vips.is_empty() {
        crate::print("no VIP on lo: `lvsctl real-server start VIP` adds one\n")?;
    }
    let mut right = !vips.is_empty();
    let mut rows = Vec::new();
    for &vip in &vips {
        let fault = state.fault(vip);
        right &= fault.is_none();
        rows.push(vec![vip.to_string(), fault.unwrap_or_else(|| "OK, on lo".to_owned())]);
    }
    let arp_matters = vips.iter().any(IpAddr::is_ipv4);
    for setting in &ARP_SETTINGS {
        let value = sysctl::read(setting.key)?;
        let wrong = arp_matters && !setting.suffices(&value);
        right &= !wrong;
        let verdict = match wrong {
            true => setting.fault(),
            false if arp_matters => "OK".to_owned(),
            false => "not needed: no IPv4 VIP".to_owned(),
        };
        rows.push(vec![format!("{} = {value}", setting.name()), verdict]);
    }
    crate::print(&columns(0, &rows))?;
    Ok(right)
}
