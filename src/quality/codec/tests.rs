use super::*;

#[test]
fn static_payload_types_are_those_of_rfc_3551() {
    let codecs = Codecs::default();
    let clock = |payload_type| codecs.codec(payload_type).and_then(|codec| codec.clock_rate);
    for (payload_type, rate) in
        [(0, 8_000), (8, 8_000), (9, 8_000), (6, 16_000), (10, 44_100), (14, 90_000), (34, 90_000)]
    {
        assert_eq!(clock(payload_type), Some(rate), "{payload_type}");
    }
    for reserved in [1, 2, 19, 24, 35, 72, 76, 95] {
        assert_eq!(codecs.codec(reserved), None, "{reserved}");
    }
}

#[test]
fn what_browsers_offer_is_known() {
    let codecs = Codecs::default();
    let opus = codecs.codec(111).unwrap();
    assert_eq!((&*opus.name, opus.clock_rate), ("opus", Some(48_000)));
    assert_eq!(opus.frame + opus.lookahead, Duration::from_micros(26_500));
    assert_eq!(opus.impairment.map(|figures| figures.basis), Some(Basis::Proxy));
    assert_eq!(codecs.id(109), codecs.id(111));
    assert_eq!(codecs.codec(63).map(|codec| codec.role), Some(Role::Redundant));
    assert_eq!(codecs.codec(110).and_then(|codec| codec.clock_rate), Some(48_000));
    assert_eq!(codecs.codec(126).and_then(|codec| codec.clock_rate), Some(8_000));
    assert_eq!(codecs.codec(96).map(|codec| codec.media), Some(Media::Video));
    assert_eq!(codecs.codec(97).map(|codec| codec.role), Some(Role::Retransmission));
}

#[test]
fn every_usual_number_has_a_known_codec_and_stands_once() {
    let codecs = Codecs::default();
    for (index, (payload_type, name, _)) in numbers::USUAL.iter().enumerate() {
        assert_eq!(codecs.codec(*payload_type).map(|codec| &*codec.name), Some(*name));
        assert!(
            numbers::USUAL.iter().skip(index + 1).all(|other| other.0 != *payload_type),
            "{payload_type}"
        );
    }
}

#[test]
fn names_are_unique_and_fit_a_label() {
    let names: Vec<_> = Codec::known_names().collect();
    for (index, name) in names.iter().enumerate() {
        assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c)));
        assert!(!names[..index].contains(name), "{name} stands twice");
    }
}

#[test]
fn figures_of_the_itu_are_those_that_were_published() {
    let figures = |name: &str| {
        let Impairment { model, basis, ie, bpl } = Codec::known(name)?.impairment?;
        Some((model.name(), basis.name(), ie, bpl))
    };
    assert_eq!(figures("pcma"), Some(("g107", "itu", 0.0, 25.1)));
    assert_eq!(figures("g729"), Some(("g107", "itu", 11.0, 19.0)));
    assert_eq!(figures("gsm-efr"), Some(("g107", "itu", 5.0, 10.0)));
    assert_eq!(figures("evs-swb-24.4"), Some(("g107.2", "itu", 7.2, 11.4)));
    assert_eq!(figures("opus"), Some(("g107.2", "proxy", 10.2, 10.0)));
    assert_eq!(figures("g722"), None);
    assert_eq!(figures("vp8"), None);
}

#[test]
fn the_operator_wins_over_the_usual_numbers() {
    let mut own = Codec::known("opus").unwrap();
    own.clock_rate = None;
    let codecs = Codecs::with([(107, own.clone()), (0, own.clone()), (111, own.clone()), (200, own.clone())]);
    for payload_type in [107, 0, 111] {
        assert_eq!(codecs.codec(payload_type), Some(&own));
    }
    assert_eq!(codecs.id(107), codecs.id(0));
    assert_eq!(codecs.codec(8).map(|codec| &*codec.name), Some("pcma"));
    assert_eq!(codecs.codec(200), None);
}

#[test]
fn every_payload_type_can_have_a_codec_of_its_own() {
    let own = |payload_type: u8| {
        let mut codec = Codec::known("opus").unwrap();
        codec.name = format!("own-{payload_type}").into();
        (payload_type, codec)
    };
    let codecs = Codecs::with((0..128).map(own));
    for payload_type in 0..128 {
        assert_eq!(codecs.codec(payload_type), Some(&own(payload_type).1));
        assert_eq!(codecs.get(codecs.id(payload_type).unwrap()), codecs.codec(payload_type));
    }
    assert!(codecs.iter().count() >= 128);
}
