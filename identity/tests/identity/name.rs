//! Names of devices and principals (R-AR-03).

use identity::{DeviceId, DeviceIdError, DeviceSerial, Principal, PrincipalName, Product};
use proptest::prelude::any;
use proptest::{prop_assert_eq, proptest};

#[test]
fn a_device_serial_number_has_1_to_64_characters() {
    for length in [1, 64] {
        assert!("S".repeat(length).parse::<DeviceSerial>().is_ok(), "{length}");
    }
    for length in [0, 65] {
        assert_eq!(
            "S".repeat(length).parse::<DeviceSerial>(),
            Err(DeviceIdError::SerialLength { characters: length })
        );
    }
}

#[test]
fn a_device_serial_number_outside_printable_string_is_refused_not_turned_into_utf8() {
    for character in ['_', '@', '*', '&', '\0', '\n', 'é', '🔑', '"', '%', '{', '\u{7f}'] {
        let text = format!("SN{character}1");
        assert_eq!(text.parse::<DeviceSerial>(), Err(DeviceIdError::SerialCharacter { character }));
    }
    assert!("Az09 '()+,-./:=?z".parse::<DeviceSerial>().is_ok());
    for text in [" SN1", "SN1 "] {
        assert_eq!(text.parse::<DeviceSerial>(), Err(DeviceIdError::SerialSpace));
    }
}

#[test]
fn a_refused_character_is_named_with_those_that_an_order_allows() {
    for character in ['?', '_'] {
        let said = DeviceIdError::SerialCharacter { character }.to_string();
        let allowed = "a device serial number has only A-Z a-z 0-9 space and '()+,-./:=, not ";
        assert_eq!(said, format!("{allowed}{character:?}"));
    }
}

#[test]
fn a_product_is_lower_case_and_short() {
    for good in ["c", "cam-2", &"p".repeat(32)] {
        assert!(good.parse::<Product>().is_ok(), "{good}");
    }
    for bad in ["", "-cam", "cam-", "Cam", "cam_2", "cam/2", "cam 2", "käse", &"p".repeat(33)] {
        assert!(bad.parse::<Product>().is_err(), "{bad}");
    }
}

#[test]
fn a_device_is_product_slash_serial_and_the_serial_may_hold_slashes() {
    let device: DeviceId = "cam-2/A/B".parse().unwrap();
    assert_eq!((device.product.as_str(), device.serial.as_str()), ("cam-2", "A/B"));
    assert_eq!(device.to_string(), "cam-2/A/B");
    for bad in ["cam-2", "/SN1", "cam-2/", ""] {
        assert!(bad.parse::<DeviceId>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_principal_is_role_colon_name() {
    for text in
        ["station:line-3", "operator:alice", "relying-party:broker.eu", "service:ca", "device:cam-2/SN1"]
    {
        assert_eq!(text.parse::<Principal>().unwrap().to_string(), text);
    }
    for bad in ["", "line-3", "root:x", "station:", "station:-x", "station:X", "device:cam-2", "station:a b"]
    {
        assert!(bad.parse::<Principal>().is_err(), "{bad:?}");
    }
    assert!("n".repeat(48).parse::<PrincipalName>().is_ok());
    assert!("n".repeat(49).parse::<PrincipalName>().is_err());
}

proptest! {
    #[test]
    fn whatever_parses_prints_the_same_text_again(text in any::<String>(), shaped in "[a-z-]{0,4}/[ -~]{0,70}") {
        for text in [text, shaped] {
            if let Ok(device) = text.parse::<DeviceId>() {
                prop_assert_eq!(device.to_string(), text);
            }
        }
    }
}
