//! The captured messages.

use ipvs::codec::Message;

/// One captured message.
pub(crate) struct Vector {
    /// `request` or `reply`.
    pub(crate) direction: &'static str,
    /// The command's name, such as `NEW_SERVICE`.
    pub(crate) command: &'static str,
    /// From the `genlmsghdr` on.
    pub(crate) bytes: Vec<u8>,
}

impl Vector {
    pub(crate) fn message(&self) -> Message {
        Message::decode(&self.bytes).unwrap()
    }
}

/// Every captured message.
pub(crate) fn vectors() -> Vec<Vector> {
    include_str!("../vectors/ipvs-netlink.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let &[direction, command, _flags, hex] = words.as_slice() else {
                panic!("four columns: {line}");
            };
            Vector { direction, command, bytes: bytes(hex) }
        })
        .collect()
}

/// The captured messages of one direction and command.
pub(crate) fn messages(direction: &str, command: &str) -> Vec<Message> {
    let wanted = |v: &Vector| v.direction == direction && v.command == command;
    vectors().iter().filter(|v| wanted(v)).map(Vector::message).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}
