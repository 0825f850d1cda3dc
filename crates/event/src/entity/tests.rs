use super::*;

#[test]
fn only_plain_addresses_are_addresses() {
    for bad in [
        "127.1",
        "0177.0.0.1",
        "192.030.0.6",
        "fe80::1%eth0",
        " 10.0.0.1",
        "10.0.0.1; reboot",
        "",
    ] {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
}

#[test]
fn a_mapped_address_is_the_address() {
    let mapped: Address = "::ffff:10.1.2.3".parse().unwrap();
    assert_eq!(mapped, "10.1.2.3".parse().unwrap());
    assert!(mapped.is_internal());
}

#[test]
fn an_entity_is_flat_in_json() {
    let entity = EntityRef::new(Role::Source, Entity::Ip("203.0.113.7".parse().unwrap()));
    let json = serde_json::to_string(&entity).unwrap();
    assert_eq!(
        json,
        r#"{"role":"source","kind":"ip","value":"203.0.113.7"}"#
    );
    assert_eq!(serde_json::from_str::<EntityRef>(&json).unwrap(), entity);
}

#[test]
fn a_name_is_cut_on_a_character_border() {
    let name = Name::new(&"ä".repeat(1000));
    assert_eq!(name.as_str().len(), NAME_BYTES_MAX);
}
