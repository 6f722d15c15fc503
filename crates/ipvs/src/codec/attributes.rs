//! The attribute spaces of the family, number by number as in `linux/ip_vs.h`.

use netlink_packet_core::{DefaultNla, Nla, NlaBuffer, Parseable};

use super::error::{DecodeError, Place};
use super::value::{Attribute, MaskedFlags, Nest, Port, Value};

/// Writes an attribute space once: its enum, reader and writer.
macro_rules! attribute_space {
    (
        $(#[$doc:meta])*
        $space:ident = $name:literal {
            $($number:literal $variant:ident($value:ty) $constant:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $space {
            $(
                #[doc = concat!("`", $constant, "`")]
                $variant($value),
            )+
            /// An attribute that this crate does not know, as it came.
            Other(DefaultNla),
        }

        impl Nla for $space {
            fn kind(&self) -> u16 {
                match self {
                    $(Self::$variant(value) => $number | value.flags(),)+
                    Self::Other(nla) => nla.kind(),
                }
            }
            fn value_len(&self) -> usize {
                match self {
                    $(Self::$variant(value) => value.length(),)+
                    Self::Other(nla) => nla.value_len(),
                }
            }
            fn emit_value(&self, buffer: &mut [u8]) {
                match self {
                    $(Self::$variant(value) => value.write(buffer),)+
                    Self::Other(nla) => nla.emit_value(buffer),
                }
            }
        }

        impl Attribute for $space {
            const SPACE: &'static str = $name;

            fn read(nla: &NlaBuffer<&[u8]>) -> Result<Self, DecodeError> {
                let place = |attribute| Place { space: $name, attribute };
                match nla.kind() {
                    $($number => Value::read(nla, place(stringify!($variant))).map(Self::$variant),)+
                    _ => DefaultNla::parse(nla)
                        .map(Self::Other)
                        .map_err(|_| DecodeError::Malformed { space: $name }),
                }
            }
        }
    };
}

attribute_space! {
    /// First level of every command but `SET_INFO` (`IPVS_CMD_ATTR_*`).
    CommandAttribute = "command" {
        1 Service(Nest<ServiceAttribute>) "IPVS_CMD_ATTR_SERVICE",
        2 Destination(Nest<DestinationAttribute>) "IPVS_CMD_ATTR_DEST",
        3 Daemon(Nest<DaemonAttribute>) "IPVS_CMD_ATTR_DAEMON",
        4 TimeoutTcp(u32) "IPVS_CMD_ATTR_TIMEOUT_TCP",
        5 TimeoutTcpFin(u32) "IPVS_CMD_ATTR_TIMEOUT_TCP_FIN",
        6 TimeoutUdp(u32) "IPVS_CMD_ATTR_TIMEOUT_UDP",
    }
}

attribute_space! {
    /// First level of `SET_INFO`, the reply to `GET_INFO` (`IPVS_INFO_ATTR_*`).
    InfoAttribute = "info" {
        1 Version(u32) "IPVS_INFO_ATTR_VERSION",
        2 ConnectionTableSize(u32) "IPVS_INFO_ATTR_CONN_TAB_SIZE",
    }
}

attribute_space! {
    /// A service (`IPVS_SVC_ATTR_*`).
    ServiceAttribute = "service" {
        1 Family(u16) "IPVS_SVC_ATTR_AF",
        2 Protocol(u16) "IPVS_SVC_ATTR_PROTOCOL",
        3 Address([u8; 16]) "IPVS_SVC_ATTR_ADDR",
        4 Port(Port) "IPVS_SVC_ATTR_PORT",
        5 Fwmark(u32) "IPVS_SVC_ATTR_FWMARK",
        6 Scheduler(String) "IPVS_SVC_ATTR_SCHED_NAME",
        7 Flags(MaskedFlags) "IPVS_SVC_ATTR_FLAGS",
        8 Timeout(u32) "IPVS_SVC_ATTR_TIMEOUT",
        9 Netmask([u8; 4]) "IPVS_SVC_ATTR_NETMASK",
        10 Stats(Nest<StatsAttribute>) "IPVS_SVC_ATTR_STATS",
        11 PersistenceEngine(String) "IPVS_SVC_ATTR_PE_NAME",
        12 Stats64(Nest<Stats64Attribute>) "IPVS_SVC_ATTR_STATS64",
    }
}

attribute_space! {
    /// A destination (`IPVS_DEST_ATTR_*`).
    DestinationAttribute = "destination" {
        1 Address([u8; 16]) "IPVS_DEST_ATTR_ADDR",
        2 Port(Port) "IPVS_DEST_ATTR_PORT",
        3 ForwardMethod(u32) "IPVS_DEST_ATTR_FWD_METHOD",
        4 Weight(u32) "IPVS_DEST_ATTR_WEIGHT",
        5 UpperThreshold(u32) "IPVS_DEST_ATTR_U_THRESH",
        6 LowerThreshold(u32) "IPVS_DEST_ATTR_L_THRESH",
        7 ActiveConnections(u32) "IPVS_DEST_ATTR_ACTIVE_CONNS",
        8 InactiveConnections(u32) "IPVS_DEST_ATTR_INACT_CONNS",
        9 PersistentConnections(u32) "IPVS_DEST_ATTR_PERSIST_CONNS",
        10 Stats(Nest<StatsAttribute>) "IPVS_DEST_ATTR_STATS",
        11 Family(u16) "IPVS_DEST_ATTR_ADDR_FAMILY",
        12 Stats64(Nest<Stats64Attribute>) "IPVS_DEST_ATTR_STATS64",
        13 TunnelType(u8) "IPVS_DEST_ATTR_TUN_TYPE",
        14 TunnelPort(Port) "IPVS_DEST_ATTR_TUN_PORT",
        15 TunnelFlags(u16) "IPVS_DEST_ATTR_TUN_FLAGS",
    }
}

attribute_space! {
    /// A sync daemon (`IPVS_DAEMON_ATTR_*`).
    DaemonAttribute = "daemon" {
        1 State(u32) "IPVS_DAEMON_ATTR_STATE",
        2 Interface(String) "IPVS_DAEMON_ATTR_MCAST_IFN",
        3 SyncId(u32) "IPVS_DAEMON_ATTR_SYNC_ID",
        4 MaxLength(u16) "IPVS_DAEMON_ATTR_SYNC_MAXLEN",
        5 Group([u8; 4]) "IPVS_DAEMON_ATTR_MCAST_GROUP",
        6 Group6([u8; 16]) "IPVS_DAEMON_ATTR_MCAST_GROUP6",
        7 Port(u16) "IPVS_DAEMON_ATTR_MCAST_PORT",
        8 Ttl(u8) "IPVS_DAEMON_ATTR_MCAST_TTL",
    }
}

attribute_space! {
    /// Statistics with 32-bit packet counters and rates (`IPVS_STATS_ATTR_*`).
    StatsAttribute = "statistics" {
        1 Connections(u32) "IPVS_STATS_ATTR_CONNS",
        2 PacketsIn(u32) "IPVS_STATS_ATTR_INPKTS",
        3 PacketsOut(u32) "IPVS_STATS_ATTR_OUTPKTS",
        4 BytesIn(u64) "IPVS_STATS_ATTR_INBYTES",
        5 BytesOut(u64) "IPVS_STATS_ATTR_OUTBYTES",
        6 ConnectionRate(u32) "IPVS_STATS_ATTR_CPS",
        7 PacketRateIn(u32) "IPVS_STATS_ATTR_INPPS",
        8 PacketRateOut(u32) "IPVS_STATS_ATTR_OUTPPS",
        9 ByteRateIn(u32) "IPVS_STATS_ATTR_INBPS",
        10 ByteRateOut(u32) "IPVS_STATS_ATTR_OUTBPS",
        11 Pad(Vec<u8>) "IPVS_STATS_ATTR_PAD",
    }
}

attribute_space! {
    /// Statistics in 64 bits, since Linux 4.1 (`IPVS_STATS_ATTR_*`).
    Stats64Attribute = "statistics" {
        1 Connections(u64) "IPVS_STATS_ATTR_CONNS",
        2 PacketsIn(u64) "IPVS_STATS_ATTR_INPKTS",
        3 PacketsOut(u64) "IPVS_STATS_ATTR_OUTPKTS",
        4 BytesIn(u64) "IPVS_STATS_ATTR_INBYTES",
        5 BytesOut(u64) "IPVS_STATS_ATTR_OUTBYTES",
        6 ConnectionRate(u64) "IPVS_STATS_ATTR_CPS",
        7 PacketRateIn(u64) "IPVS_STATS_ATTR_INPPS",
        8 PacketRateOut(u64) "IPVS_STATS_ATTR_OUTPPS",
        9 ByteRateIn(u64) "IPVS_STATS_ATTR_INBPS",
        10 ByteRateOut(u64) "IPVS_STATS_ATTR_OUTBPS",
        11 Pad(Vec<u8>) "IPVS_STATS_ATTR_PAD",
    }
}
