//! Compares the wire of today with the wire that was released: names every change that an older program would
//! not understand.

use std::collections::BTreeMap;
use std::ops::Range;

use protox::prost_reflect::prost_types::field_descriptor_proto::Label;
use protox::prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
};

/// Every breaking change, one sentence each. Additions break nothing.
pub(crate) fn breaking_changes(released: &FileDescriptorSet, today: &FileDescriptorSet) -> Vec<String> {
    let (released, today) = (Wire::of(released), Wire::of(today));
    let mut found = Vec::new();
    for (name, message) in &released.messages {
        match today.messages.get(name) {
            None => found.push(format!("message {name} was removed")),
            Some(now) => compare_messages(name, message, now, &mut found),
        }
    }
    for (name, released) in &released.enums {
        match today.enums.get(name) {
            None => found.push(format!("enum {name} was removed")),
            Some(now) => compare_enums(name, released, now, &mut found),
        }
    }
    for (name, method) in &released.methods {
        match today.methods.get(name) {
            None => found.push(format!("RPC {name} was removed")),
            Some(now) if signature(method) != signature(now) => {
                found.push(format!("RPC {name} was `{}` and is `{}`", signature(method), signature(now)));
            }
            Some(_) => {}
        }
    }
    found
}

/// What `released` would forget if `today` took its place: numbers and names that are neither used nor
/// reserved. They must be reserved first, so that nobody uses them again.
pub(crate) fn unreserved(released: &FileDescriptorSet, today: &FileDescriptorSet) -> Vec<String> {
    let (released, today) = (Wire::of(released), Wire::of(today));
    let mut found = Vec::new();
    for (name, message) in &released.messages {
        let Some(now) = today.messages.get(name) else { continue };
        let used = |number| now.field.iter().any(|field| field.number() == number);
        for field in &message.field {
            if !used(field.number()) && !contains(&reserved_fields(now), field.number()) {
                found.push(format!("message {name}: reserve {}", field.number()));
            }
        }
    }
    for (name, released) in &released.enums {
        let Some(now) = today.enums.get(name) else { continue };
        let used = |number| now.value.iter().any(|value| value.number() == number);
        for value in &released.value {
            if !used(value.number()) && !contains(&reserved_values(now), value.number()) {
                found.push(format!("enum {name}: reserve {}", value.number()));
            }
        }
    }
    found
}

/// The messages, enums and RPCs of all files, by their full names.
#[derive(Default)]
struct Wire<'a> {
    messages: BTreeMap<String, &'a DescriptorProto>,
    enums: BTreeMap<String, &'a EnumDescriptorProto>,
    methods: BTreeMap<String, &'a MethodDescriptorProto>,
}

impl<'a> Wire<'a> {
    fn of(set: &'a FileDescriptorSet) -> Self {
        let mut wire = Self::default();
        for file in &set.file {
            let package = file.package();
            for message in &file.message_type {
                wire.add_message(package, message);
            }
            for listed in &file.enum_type {
                wire.enums.insert(format!("{package}.{}", listed.name()), listed);
            }
            for service in &file.service {
                for method in &service.method {
                    wire.methods.insert(format!("{package}.{}/{}", service.name(), method.name()), method);
                }
            }
        }
        wire
    }

    fn add_message(&mut self, scope: &str, message: &'a DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        for nested in &message.nested_type {
            self.add_message(&name, nested);
        }
        for listed in &message.enum_type {
            self.enums.insert(format!("{name}.{}", listed.name()), listed);
        }
        self.messages.insert(name, message);
    }
}

fn compare_messages(
    name: &str,
    released: &DescriptorProto,
    today: &DescriptorProto,
    found: &mut Vec<String>,
) {
    for field in &released.field {
        let number = field.number();
        match today.field.iter().find(|other| other.number() == number) {
            None => found.push(format!("field {name}.{} = {number} was removed or renumbered", field.name())),
            Some(now) => {
                let (was, is) = (declaration(released, field), declaration(today, now));
                if was != is {
                    found.push(format!("field {name} = {number} was `{was}` and is `{is}`"));
                }
            }
        }
    }
    let (before, now) = (reserved_fields(released), reserved_fields(today));
    for number in before.iter().cloned().flatten().filter(|number| !contains(&now, *number)) {
        found.push(format!("message {name}: the reserved number {number} was used again or released"));
    }
    for reserved in released.reserved_name.iter().filter(|name| !today.reserved_name.contains(name)) {
        found.push(format!("message {name}: the reserved name {reserved} was used again or released"));
    }
}

fn compare_enums(
    name: &str,
    released: &EnumDescriptorProto,
    today: &EnumDescriptorProto,
    found: &mut Vec<String>,
) {
    for value in &released.value {
        match today.value.iter().find(|other| other.number() == value.number()) {
            Some(now) if now.name() == value.name() => {}
            _ => found.push(format!(
                "value {name}.{} = {} was removed, renumbered or renamed",
                value.name(),
                value.number()
            )),
        }
    }
    let (before, now) = (reserved_values(released), reserved_values(today));
    for number in before.iter().cloned().flatten().filter(|number| !contains(&now, *number)) {
        found.push(format!("enum {name}: the reserved number {number} was used again or released"));
    }
    for reserved in released.reserved_name.iter().filter(|name| !today.reserved_name.contains(name)) {
        found.push(format!("enum {name}: the reserved name {reserved} was used again or released"));
    }
}

/// A field without its number: cardinality, type, name, and the oneof that it belongs to.
fn declaration(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let cardinality = match field.label() {
        Label::Repeated => "repeated ",
        Label::Required => "required ",
        Label::Optional if field.proto3_optional() => "optional ",
        Label::Optional => "",
    };
    let kind = match field.type_name() {
        "" => field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase(),
        name => name.to_owned(),
    };
    let group = field.oneof_index.filter(|_| !field.proto3_optional());
    let group = group.and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?));
    let group = group.map(|group| format!(" in oneof {}", group.name())).unwrap_or_default();
    format!("{cardinality}{kind} {}{group}", field.name())
}

/// Request and response types, and which of the two are streams.
fn signature(method: &MethodDescriptorProto) -> String {
    let stream = |streams| if streams { "stream " } else { "" };
    format!(
        "({}{}) returns ({}{})",
        stream(method.client_streaming()),
        method.input_type(),
        stream(method.server_streaming()),
        method.output_type()
    )
}

/// Reserved numbers of a message; descriptors give the end exclusively.
fn reserved_fields(message: &DescriptorProto) -> Vec<Range<i32>> {
    message.reserved_range.iter().map(|range| range.start()..range.end()).collect()
}

/// Reserved numbers of an enum; descriptors give the end inclusively.
fn reserved_values(listed: &EnumDescriptorProto) -> Vec<Range<i32>> {
    listed.reserved_range.iter().map(|range| range.start()..range.end().saturating_add(1)).collect()
}

fn contains(ranges: &[Range<i32>], number: i32) -> bool {
    ranges.iter().any(|range| range.contains(&number))
}

#[cfg(test)]
mod tests {
    use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

    use super::*;

    const RELEASED: &str = "
        message Unit {
          reserved 4, 6 to 8;
          reserved \"color\";
          string serial = 1;
          optional uint32 slot = 2;
          repeated string notes = 3;
          oneof place { string rack = 9; string box = 10; }
          message Part { bytes key = 1; }
        }
        enum State { reserved 3; STATE_UNSPECIFIED = 0; STATE_NEW = 1; STATE_OLD = 2; }
        service Units { rpc Get(Unit) returns (Unit); rpc Watch(Unit) returns (stream Unit); }";

    /// Resolves the one file `t.proto`.
    struct Text(String);

    impl FileResolver for Text {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            match name {
                "t.proto" => File::from_source(name, &self.0),
                _ => Err(protox::Error::file_not_found(name)),
            }
        }
    }

    fn compile(body: &str) -> FileDescriptorSet {
        let mut resolver = ChainFileResolver::new();
        resolver.add(GoogleFileResolver::new());
        resolver.add(Text(format!("syntax = \"proto3\"; package t; {body}")));
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.open_file("t.proto").unwrap();
        compiler.file_descriptor_set()
    }

    /// The breaking changes when `old` is replaced by `new` in the released text.
    fn after(old: &str, new: &str) -> Vec<String> {
        assert!(RELEASED.contains(old), "{old}");
        breaking_changes(&compile(RELEASED), &compile(&RELEASED.replace(old, new)))
    }

    #[test]
    fn additions_break_nothing() {
        assert_eq!(after("string serial = 1;", "string serial = 1; bytes more = 11;"), [""; 0]);
        assert_eq!(after("STATE_OLD = 2;", "STATE_OLD = 2; STATE_LOST = 4;"), [""; 0]);
        assert_eq!(after("service Units {", "message M {} service Units { rpc New(M) returns (M);"), [""; 0]);
        assert_eq!(after("reserved 4,", "reserved 4, 5,"), [""; 0]);
    }

    #[test]
    fn a_removed_field_is_told_even_if_its_number_is_reserved() {
        for new in ["", "reserved 1;"] {
            assert_eq!(
                after("string serial = 1;", new),
                ["field t.Unit.serial = 1 was removed or renumbered"]
            );
        }
    }

    #[test]
    fn a_renumbered_field_is_told() {
        assert_eq!(
            after("serial = 1;", "serial = 5;"),
            ["field t.Unit.serial = 1 was removed or renumbered"]
        );
    }

    #[test]
    fn a_field_with_another_name_type_cardinality_or_oneof_is_told() {
        let cases = [
            ("string serial = 1", "string number = 1", "is `string number`"),
            ("string serial = 1", "bytes serial = 1", "is `bytes serial`"),
            ("optional uint32 slot", "uint32 slot", "was `optional uint32 slot` and is `uint32 slot`"),
            ("repeated string notes", "string notes", "was `repeated string notes` and is `string notes`"),
            ("oneof place", "oneof where", " in oneof where`"),
        ];
        for (old, new, told) in cases {
            let found = after(old, new);
            assert!(!found.is_empty() && found.iter().all(|it| it.ends_with(told)), "{found:?}");
        }
    }

    #[test]
    fn a_removed_or_renamed_message_or_enum_is_told() {
        assert_eq!(after("message Part", "message Piece"), ["message t.Unit.Part was removed"]);
        assert_eq!(after("enum State", "enum Status"), ["enum t.State was removed"]);
    }

    #[test]
    fn a_removed_renumbered_or_renamed_enum_value_is_told() {
        for new in ["", "STATE_OLD = 5;", "STATE_AGED = 2;"] {
            assert_eq!(
                after("STATE_OLD = 2;", new),
                ["value t.State.STATE_OLD = 2 was removed, renumbered or renamed"]
            );
        }
    }

    #[test]
    fn a_removed_rpc_is_told() {
        assert_eq!(after("rpc Get(Unit) returns (Unit);", ""), ["RPC t.Units/Get was removed"]);
        assert_eq!(after("service Units", "service Things").len(), 2);
    }

    #[test]
    fn an_rpc_with_other_streams_or_types_is_told() {
        assert_eq!(
            after("rpc Get(Unit)", "rpc Get(stream Unit)"),
            ["RPC t.Units/Get was `(.t.Unit) returns (.t.Unit)` and is `(stream .t.Unit) returns (.t.Unit)`"]
        );
        assert_eq!(after("returns (stream Unit)", "returns (Unit)").len(), 1);
        assert_eq!(after("rpc Get(Unit)", "rpc Get(Unit.Part)").len(), 1);
    }

    #[test]
    fn a_reserved_number_or_name_that_is_used_again_is_told() {
        assert_eq!(
            after("reserved 4, 6 to 8;", "reserved 4, 6, 8; string again = 7;"),
            ["message t.Unit: the reserved number 7 was used again or released"]
        );
        assert_eq!(
            after("reserved \"color\";", "string color = 11;"),
            ["message t.Unit: the reserved name color was used again or released"]
        );
        assert_eq!(
            after("reserved 3;", ""),
            ["enum t.State: the reserved number 3 was used again or released"]
        );
    }

    #[test]
    fn what_is_removed_must_be_reserved_before_the_released_wire_is_renewed() {
        let missing = |old, new| unreserved(&compile(RELEASED), &compile(&RELEASED.replace(old, new)));
        assert_eq!(missing("string serial = 1;", ""), ["message t.Unit: reserve 1"]);
        assert_eq!(missing("string serial = 1;", "reserved 1;"), [""; 0]);
        assert_eq!(missing("STATE_OLD = 2;", ""), ["enum t.State: reserve 2"]);
        assert_eq!(
            missing(
                "reserved 3; STATE_UNSPECIFIED = 0; STATE_NEW = 1; STATE_OLD = 2;",
                "reserved 2, 3; STATE_UNSPECIFIED = 0; STATE_NEW = 1;"
            ),
            [""; 0]
        );
    }
}
