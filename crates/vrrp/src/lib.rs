//! VRRP, versions 2 (RFC 3768) and 3 (RFC 9568): codec, pure state machine, and the shell that
//! does its I/O.

pub mod spec;

pub use spec::{
    Announce, Authentication, Centiseconds, InstanceSpec, Priority, Version, VirtualAddress, Vrid,
};
