//! The identifier octets (X.690 section 8.1.2) in use.

/// BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// NULL.
pub const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER.
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// UTF8String.
pub const UTF8_STRING: u8 = 0x0c;
/// PrintableString.
pub const PRINTABLE_STRING: u8 = 0x13;
/// IA5String.
pub const IA5_STRING: u8 = 0x16;
/// UTCTime.
pub const UTC_TIME: u8 = 0x17;
/// GeneralizedTime.
pub const GENERALIZED_TIME: u8 = 0x18;
/// SEQUENCE and SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;
/// SET and SET OF.
pub const SET: u8 = 0x31;
/// `[0]`, primitive.
pub const CONTEXT_0: u8 = 0x80;
/// `[0]`, constructed.
pub const CONTEXT_0_CONSTRUCTED: u8 = 0xa0;
/// `[1]`, constructed.
pub const CONTEXT_1_CONSTRUCTED: u8 = 0xa1;
/// `[3]`, constructed.
pub const CONTEXT_3_CONSTRUCTED: u8 = 0xa3;
/// `[2]`, constructed.
pub const CONTEXT_2_CONSTRUCTED: u8 = 0xa2;
