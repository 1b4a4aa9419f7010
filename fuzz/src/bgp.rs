//! Any bytes as a stream of BGP and as single messages: no panic; the same messages however the stream is cut into
//! pieces; what an UPDATE lists is what its verdict says; what was read is written back and reads the same; every fault
//! makes a NOTIFICATION that the other side can read.

use tern::wire::bgp::{
    AttributeType, Codec, FAULT_DATA_MAX, Families, Family, Fault, MESSAGE_MAX, Message, Notification, Open,
    Prefix, Reason, Update, Verdict, decode, frame, write,
};

const HEADER_LEN: usize = 19;

/// Checks `data` behind its first byte; that byte says what the session has agreed on and how the stream is cut.
pub fn check(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let codec = Codec {
        four_octet: mode & 1 != 0,
        families: Families { ipv4: mode & 2 != 0, ipv6: mode & 4 != 0 },
        internal: mode & 8 != 0,
    };
    check_stream(data, usize::from(mode >> 4) + 1);
    check_message(data, &codec);
    // Most inputs are no message; the same bytes as the body of one are.
    if let Some((kind, body)) = data.split_first() {
        check_message(&framed(kind % 6, body), &codec);
    }
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let body = body.get(..MESSAGE_MAX - HEADER_LEN).unwrap_or(body);
    let length = u16::try_from(HEADER_LEN + body.len()).expect("cut to a message's length");
    let mut message = vec![0xFF; 16];
    message.extend(length.to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

/// A stream is the same messages, and ends with the same fault, whether it comes at once or in pieces.
fn check_stream(stream: &[u8], step: usize) {
    let (whole, fault) = cut(stream, stream.len().max(1));
    let (pieces, fault_of_pieces) = cut(stream, step);
    assert_eq!(whole, pieces);
    // A fault may be seen before all of its message is there, never another one.
    assert_eq!(fault, fault_of_pieces);
}

fn cut(stream: &[u8], step: usize) -> (Vec<usize>, Option<Fault>) {
    let (mut lengths, mut start, mut there) = (Vec::new(), 0, 0);
    loop {
        match frame(stream.get(start..there).unwrap_or_default()) {
            Ok(Some(length)) => {
                assert!((HEADER_LEN..=MESSAGE_MAX).contains(&length) && start + length <= there);
                lengths.push(length);
                start += length;
            }
            Ok(None) if there == stream.len() => return (lengths, None),
            Ok(None) => {
                assert!(there - start < MESSAGE_MAX, "more than the longest message is waited for");
                there = stream.len().min(there + step);
            }
            Err(fault) => return (lengths, Some(fault)),
        }
    }
}

fn check_message(bytes: &[u8], codec: &Codec) {
    match (frame(bytes), decode(bytes, codec)) {
        (Ok(Some(length)), decoded) if length == bytes.len() => match decoded {
            Ok(Message::Open(open)) => check_open(&open),
            Ok(Message::Update(update)) => check_update(&update, codec),
            Ok(Message::Notification(notification)) => check_notification(&notification),
            Ok(Message::Keepalive | Message::RouteRefresh { .. }) => {}
            Err(fault) => check_fault(&fault),
        },
        (framing, decoded) => {
            let fault = decoded.expect_err("what is no message is not read");
            assert_eq!(framing.err().unwrap_or(Reason::BAD_MESSAGE_LENGTH.into()), fault);
            check_fault(&fault);
        }
    }
}

fn read<'a>(bytes: &'a [u8], codec: &Codec) -> Message<'a> {
    assert_eq!(frame(bytes), Ok(Some(bytes.len())));
    decode(bytes, codec).expect("written by us")
}

/// What a fault says is named, bounded, and reads the same at the other side.
fn check_fault(fault: &Fault) {
    assert!(Reason::NAMED.contains(&fault.reason()), "{fault:?}");
    assert!(fault.data().len() <= FAULT_DATA_MAX);
    let mut bytes = Vec::new();
    write::notification(&mut bytes, fault.reason(), fault.data());
    let Message::Notification(read) = read(&bytes, &Codec::default()) else { panic!("no notification") };
    assert_eq!((read.reason, read.data), (fault.reason(), fault.data()));
    check_notification(&read);
    assert_eq!(read.to_string(), fault.to_string());
}

/// Whatever the data, the words are short and cannot write to a terminal.
fn check_notification(notification: &Notification<'_>) {
    let words = notification.to_string();
    assert!(!words.is_empty() && words.len() < 4096);
    assert!(!words.chars().any(char::is_control), "{words:?}");
    if let Some(text) = notification.text() {
        let mut bytes = Vec::new();
        write::shutdown(&mut bytes, notification.reason, text);
        let Message::Notification(again) = read(&bytes, &Codec::default()) else { panic!("no notification") };
        assert_eq!(again.text(), Some(text));
    }
}

fn check_open(open: &Open<'_>) {
    assert!(open.id.0 != 0 && open.asn.0 != 0 && !matches!(open.hold, 1 | 2));
    for capability in open.capabilities() {
        assert!(!capability.to_string().is_empty());
    }
    let known = open.role.is_none_or(|role| tern::wire::bgp::Role::from_code(role).is_some());
    // What we write says all that we read, if it names at least one family and a role that has a name.
    if open.families.is_empty() || !known {
        return;
    }
    let settings = write::OpenSettings {
        asn: open.asn,
        hold: open.hold,
        id: open.id,
        families: open.families,
        role: open.role.and_then(tern::wire::bgp::Role::from_code),
        graceful_restart: open.graceful_restart,
    };
    let mut bytes = Vec::new();
    write::open(&mut bytes, &settings);
    let Message::Open(again) = read(&bytes, &Codec::default()) else { panic!("no open") };
    assert_eq!((again.asn, again.hold, again.id), (open.asn, open.hold, open.id));
    assert_eq!((again.families, again.role), (open.families, open.role));
    assert_eq!(again.graceful_restart, open.graceful_restart);
    assert!(again.four_octet && again.route_refresh);
}

fn check_update(update: &Update<'_>, codec: &Codec) {
    let announced: Vec<Prefix> = update.announced().collect();
    let withdrawn: Vec<Prefix> = update.withdrawn().collect();
    assert!(announced.len() + withdrawn.len() <= MESSAGE_MAX);
    for prefix in announced.iter().chain(&withdrawn) {
        assert!(codec.families.contains(prefix.family()));
        assert_eq!(Prefix::new(prefix.address(), prefix.bits()), Ok(*prefix));
        assert_eq!(prefix.to_string().parse(), Ok(*prefix));
    }
    if update.end_of_rib().is_some() {
        assert_eq!((announced.len(), withdrawn.len(), update.verdict()), (0, 0, Verdict::Accept));
    }
    match update.verdict() {
        Verdict::Accept => check_accepted(update, &announced, codec),
        Verdict::Discard(flaw) => assert!(!flaw.to_string().is_empty()),
        Verdict::TreatAsWithdraw(flaw) => {
            assert!(announced.is_empty() && Reason::NAMED.contains(&flaw.reason()), "{flaw}");
        }
    }
    for family in Family::ALL {
        check_withdrawal(family, &withdrawn);
    }
}

/// A good announcement that we write with what was read of it reads the same.
fn check_accepted(update: &Update<'_>, announced: &[Prefix], codec: &Codec) {
    for family in Family::ALL {
        let prefixes: Vec<Prefix> =
            announced.iter().filter(|prefix| prefix.family() == family).copied().collect();
        let (Some(next_hop), Some(path)) = (update.next_hop(family), update.as_path()) else { continue };
        let path: Vec<_> = path.collect();
        let (communities, large): (Vec<_>, Vec<_>) =
            (update.communities().collect(), update.large_communities().collect());
        let route = write::Route {
            prefixes: &prefixes,
            as_path: &path,
            next_hop,
            med: update.med(),
            local_pref: update.local_pref(),
            communities: &communities,
            large_communities: &large,
            only_to_customer: update.only_to_customer(),
        };
        let mut bytes = Vec::new();
        match write::announce(&mut bytes, &route, codec) {
            Ok(0) => assert!(prefixes.is_empty() && bytes.is_empty()),
            Ok(count) => assert_eq!(check_written(&bytes, &route, family, codec), count),
            Err(write::RouteError::NotCarried(not)) => assert!(not == family && prefixes.is_empty()),
            Err(error) => assert_eq!((error, bytes.len()), (write::RouteError::TooLong, 0)),
        }
    }
}

fn check_written(mut bytes: &[u8], route: &write::Route<'_>, family: Family, codec: &Codec) -> usize {
    let (mut count, mut listed) = (0, Vec::new());
    while let Some(length) = frame(bytes).expect("written by us") {
        let (message, rest) = bytes.split_at(length);
        let Message::Update(update) = read(message, codec) else { panic!("no update") };
        // All that was read is good, save a next hop by MP_REACH_NLRI that NEXT_HOP could not have.
        assert!(update.verdict() == Verdict::Accept || update.find(AttributeType::NEXT_HOP).is_some());
        assert_eq!(update.next_hop(family), Some(route.next_hop));
        assert!(update.as_path().is_some_and(|path| path.eq(route.as_path.iter().copied())));
        assert_eq!((update.med(), update.local_pref()), (route.med, route.local_pref));
        assert_eq!(update.only_to_customer(), route.only_to_customer);
        assert!(update.communities().eq(route.communities.iter().copied()));
        assert!(update.large_communities().eq(route.large_communities.iter().copied()));
        if update.verdict() == Verdict::Accept {
            listed.extend(update.announced());
        } else {
            listed.extend(update.withdrawn());
        }
        (bytes, count) = (rest, count + 1);
    }
    assert_eq!(listed, route.prefixes);
    count
}

fn check_withdrawal(family: Family, withdrawn: &[Prefix]) {
    let mut bytes = Vec::new();
    let count = write::withdraw(&mut bytes, family, withdrawn);
    let codec = Codec { four_octet: true, families: Families::BOTH, internal: false };
    let (mut rest, mut seen, mut listed) = (bytes.as_slice(), 0, Vec::new());
    while let Some(length) = frame(rest).expect("written by us") {
        let (message, after) = rest.split_at(length);
        let Message::Update(update) = read(message, &codec) else { panic!("no update") };
        assert_eq!(update.verdict(), Verdict::Accept);
        listed.extend(update.withdrawn());
        (rest, seen) = (after, seen + 1);
    }
    assert_eq!(seen, count);
    assert!(listed.iter().eq(withdrawn.iter().filter(|prefix| prefix.family() == family)));
}
