//! Health checks of real servers: probes, and the pure judgement over their results.
//!
//! This crate knows nothing of IPVS or VRRP. [`spec`] says what is checked and how often;
//! [`judge`] turns results into a verdict with reasons (pure); `probe` performs one check;
//! `runner` performs many of them, when they are due.

pub mod spec;

pub use spec::{
    Check, Connect, Header, HttpGet, Kind, MiscCheck, Monitor, StatusRange, TcpCheck, Timing, Tls,
};
