//! The identifier octets (X.690 section 8.1.2) in use.
#![expect(missing_docs, reason = "each is named as its type in ASN.1")]

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const NULL: u8 = 0x05;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const ENUMERATED: u8 = 0x0a;
pub const UTF8_STRING: u8 = 0x0c;
pub const PRINTABLE_STRING: u8 = 0x13;
pub const IA5_STRING: u8 = 0x16;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;
pub const CONTEXT_0: u8 = 0x80;
pub const CONTEXT_0_CONSTRUCTED: u8 = 0xa0;
pub const CONTEXT_1_CONSTRUCTED: u8 = 0xa1;
pub const CONTEXT_3_CONSTRUCTED: u8 = 0xa3;
pub const CONTEXT_2_CONSTRUCTED: u8 = 0xa2;
