//! The kinds of values that attributes carry.

use netlink_packet_core::{
    NLA_ALIGNTO, NLA_F_NESTED, NLA_HEADER_SIZE, Nla, NlaBuffer, NlasIterator,
};

use super::error::{DecodeError, Place};

/// One kind of value.
pub(super) trait Value: Sized {
    /// Reads the value of `nla`; `place` names it in errors.
    fn read(nla: &NlaBuffer<&[u8]>, place: Place) -> Result<Self, DecodeError>;
    /// Number of bytes without padding.
    fn length(&self) -> usize;
    /// Fills `buffer`, which has exactly [`Value::length`] bytes.
    fn write(&self, buffer: &mut [u8]);
    /// Flags in the attribute's type field.
    fn flags(&self) -> u16 {
        0
    }
}

macro_rules! native_integers {
    ($($integer:ty),+) => {$(
        impl Value for $integer {
            fn read(nla: &NlaBuffer<&[u8]>, place: Place) -> Result<Self, DecodeError> {
                Value::read(nla, place).map(Self::from_ne_bytes)
            }
            fn length(&self) -> usize {
                size_of::<Self>()
            }
            fn write(&self, buffer: &mut [u8]) {
                buffer.copy_from_slice(&self.to_ne_bytes());
            }
        }
    )+};
}

native_integers!(u8, u16, u32, u64);

impl<const N: usize> Value for [u8; N] {
    fn read(nla: &NlaBuffer<&[u8]>, place: Place) -> Result<Self, DecodeError> {
        let received = nla.value().len();
        nla.value().try_into().map_err(|_| DecodeError::Length { place, expected: N, received })
    }
    fn length(&self) -> usize {
        N
    }
    fn write(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self);
    }
}

/// Bytes of any number.
impl Value for Vec<u8> {
    fn read(nla: &NlaBuffer<&[u8]>, _: Place) -> Result<Self, DecodeError> {
        Ok(nla.value().to_vec())
    }
    fn length(&self) -> usize {
        self.len()
    }
    fn write(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self);
    }
}

/// A text that ends with NUL on the wire.
impl Value for String {
    fn read(nla: &NlaBuffer<&[u8]>, place: Place) -> Result<Self, DecodeError> {
        let text = nla.value().split(|&byte| byte == 0).next().unwrap_or_default();
        Self::from_utf8(text.to_vec()).map_err(|_| DecodeError::Text(place))
    }
    fn length(&self) -> usize {
        self.len() + 1
    }
    fn write(&self, buffer: &mut [u8]) {
        let (text, end) = buffer.split_at_mut(self.len());
        text.copy_from_slice(self.as_bytes());
        end.fill(0);
    }
}

/// A port: 16 bits in network order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port(pub u16);

impl Value for Port {
    fn read(nla: &NlaBuffer<&[u8]>, place: Place) -> Result<Self, DecodeError> {
        Value::read(nla, place).map(|bytes| Self(u16::from_be_bytes(bytes)))
    }
    fn length(&self) -> usize {
        2
    }
    fn write(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0.to_be_bytes());
    }
}

/// `struct ip_vs_flags`: only the bits of `mask` count in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskedFlags {
    /// The flags.
    pub flags: u32,
    /// Which of them are meant.
    pub mask: u32,
}

impl Value for MaskedFlags {
    fn read(nla: &NlaBuffer<&[u8]>, place: Place) -> Result<Self, DecodeError> {
        let [a, b, c, d, e, f, g, h] = Value::read(nla, place)?;
        let flags = u32::from_ne_bytes([a, b, c, d]);
        Ok(Self { flags, mask: u32::from_ne_bytes([e, f, g, h]) })
    }
    fn length(&self) -> usize {
        8
    }
    fn write(&self, buffer: &mut [u8]) {
        let (flags, mask) = buffer.split_at_mut(4);
        flags.copy_from_slice(&self.flags.to_ne_bytes());
        mask.copy_from_slice(&self.mask.to_ne_bytes());
    }
}

/// An attribute of one attribute space.
pub(super) trait Attribute: Nla + Sized {
    /// Name of the space in errors.
    const SPACE: &'static str;
    /// Reads one attribute.
    fn read(nla: &NlaBuffer<&[u8]>) -> Result<Self, DecodeError>;
}

/// Reads attributes up to the end of `bytes`.
pub(super) fn read_all<A: Attribute>(bytes: &[u8]) -> Result<Vec<A>, DecodeError> {
    // Counted first: dumps of large tables spent a quarter of their time in growing vectors.
    let mut attributes = Vec::with_capacity(NlasIterator::new(bytes).count());
    for nla in NlasIterator::new(bytes) {
        let nla = nla.ok().filter(|nla| !(nla.nested_flag() && nla.network_byte_order_flag()));
        attributes.push(A::read(&nla.ok_or(DecodeError::Malformed { space: A::SPACE })?)?);
    }
    Ok(attributes)
}

/// Number of bytes that attributes take, with their headers and padding.
///
/// This and [`write_all`] stand in for the `Emitable` of slices, which asks every attribute for
/// its length six times, and that once more for every level of nesting.
pub(super) fn length_of<A: Nla>(attributes: &[A]) -> usize {
    attributes.iter().map(|nla| padded(nla.value_len())).sum()
}

/// Writes attributes one after the other.
pub(super) fn write_all<A: Nla>(attributes: &[A], buffer: &mut [u8]) {
    let mut rest = buffer;
    for nla in attributes {
        let length = nla.value_len();
        let (own, others) = rest.split_at_mut(padded(length));
        let (header, value) = own.split_at_mut(NLA_HEADER_SIZE);
        let (value, padding) = value.split_at_mut(length);
        // `struct nlattr`. No attribute of this family comes near the 64 KiB that it can tell.
        let total = u16::try_from(NLA_HEADER_SIZE + length).unwrap_or(u16::MAX);
        header[..2].copy_from_slice(&total.to_ne_bytes());
        header[2..].copy_from_slice(&nla.kind().to_ne_bytes());
        nla.emit_value(value);
        padding.fill(0);
        rest = others;
    }
}

/// Appends an attribute.
pub(super) fn append<A: Nla>(nla: &A, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    buffer.resize(start + padded(nla.value_len()), 0);
    write_all(std::slice::from_ref(nla), &mut buffer[start..]);
}

/// Makes all that follows the attribute at `start` a part of it. Each that follows is padded.
pub(super) fn set_length(buffer: &mut [u8], start: usize) {
    let own = &mut buffer[start..];
    // As in `write_all`.
    let total = u16::try_from(own.len()).unwrap_or(u16::MAX);
    own[..2].copy_from_slice(&total.to_ne_bytes());
}

/// Number of bytes of an attribute whose value has `length` bytes.
fn padded(length: usize) -> usize {
    NLA_HEADER_SIZE + length.next_multiple_of(NLA_ALIGNTO)
}

/// Attributes inside an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nest<A> {
    /// Whether the type field says that this is a nest (`NLA_F_NESTED`). The IPVS family does not
    /// say so in its replies.
    pub flagged: bool,
    /// The attributes.
    pub attributes: Vec<A>,
}

impl<A: Attribute> Value for Nest<A> {
    fn read(nla: &NlaBuffer<&[u8]>, _: Place) -> Result<Self, DecodeError> {
        Ok(Self { flagged: nla.nested_flag(), attributes: read_all(nla.value())? })
    }
    fn length(&self) -> usize {
        length_of(&self.attributes)
    }
    fn write(&self, buffer: &mut [u8]) {
        write_all(&self.attributes, buffer);
    }
    fn flags(&self) -> u16 {
        if self.flagged { NLA_F_NESTED } else { 0 }
    }
}
