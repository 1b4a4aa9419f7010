use super::*;

fn sample(seconds: u64) -> Sample {
    let at = Time::from_secs(seconds);
    Sample {
        at,
        unix_nanos: 1_800_000_000_000_000_000 + at.as_nanos(),
        busy: vec![0, 0],
        ..Sample::default()
    }
}

#[test]
fn loss_is_judged_by_its_share_of_more_than_a_few_packets() {
    let last = Sample { received: u64::MAX - 50, lost: 7, ..sample(1) };
    let with = |received: u64, lost: u64| Sample {
        received: last.received.wrapping_add(received),
        lost: last.lost + lost,
        ..sample(2)
    };
    for (received, lost, verdict) in [
        (990, 10, Verdict::Bad),
        (991, 9, Verdict::Good),
        (0, 99, Verdict::Good),
        (0, 100, Verdict::Bad),
        (0, 0, Verdict::Good),
    ] {
        assert_eq!(judge_loss(&last, &with(received, lost), 1).verdict, verdict, "{lost} of {received}");
    }
    assert_eq!(
        &*judge_loss(&last, &with(990, 10), 1).detail,
        "1.00 % of 1000 packets were lost in our own queues"
    );
}

#[test]
fn the_busiest_worker_speaks_for_all() {
    let last = Sample { busy: vec![5, u64::MAX - 3], ..sample(1) };
    let after = |one: u64, other: u64| Sample {
        busy: vec![5 + one, (u64::MAX - 3).wrapping_add(other)],
        ..sample(2)
    };
    let report = judge_busy(&last, &after(100_000_000, 900_000_000), 90);
    assert_eq!((report.verdict, &*report.detail), (Verdict::Bad, "worker 1 was busy for 90 % of its time"));
    assert_eq!(judge_busy(&last, &after(100_000_000, 899_000_000), 90).verdict, Verdict::Good);
    // A turn that began before the last look.
    let report = judge_busy(&last, &after(7_000_000_000, 0), 90);
    assert_eq!(&*report.detail, "worker 0 was busy for 100 % of its time");
}

#[test]
fn packets_are_held_against_what_is_configured() {
    let last = sample(1);
    let after = |received| Sample { received, ..sample(3) };
    assert_eq!(judge_packets(&last, &after(200_000), 100_000).verdict, Verdict::Bad);
    assert_eq!(judge_packets(&last, &after(199_998), 100_000).verdict, Verdict::Good);
}

#[test]
fn bad_voices_are_judged_by_their_share_among_enough_calls() {
    let last = Sample { voices: (100.0, 1_000.0), ..sample(1) };
    let after = |below, all, calls| Sample { voices: (100.0 + below, 1_000.0 + all), calls, ..sample(2) };
    let judge = |now: &Sample| judge_quality(&last, now, 310, 50, 20);
    assert_eq!(judge(&after(600.0, 600.0, 19)).verdict, Verdict::Good);
    assert_eq!(judge(&after(0.0, 0.0, 20)).verdict, Verdict::Good);
    assert_eq!(judge(&after(299.0, 600.0, 20)).verdict, Verdict::Good);
    let report = judge(&after(300.0, 600.0, 20));
    assert_eq!(
        (report.verdict, &*report.detail),
        (Verdict::Bad, "50 % of 600 seconds of voices were below a MOS of 3.10")
    );
}

#[test]
fn a_jump_of_the_clock_is_told_for_a_while_and_a_slew_is_not() {
    let most = Duration::from_millis(500);
    let mut jumped = None;
    let mut at = |second: u64, ahead: i64, last: &Sample| {
        let mut now = sample(second);
        now.unix_nanos = now.unix_nanos.saturating_add_signed(ahead);
        let report = judge_clock(last, &now, most, &mut jumped);
        (report, now)
    };
    // Half a second and a thousandth of what has passed is no jump.
    let (report, last) = at(2, 501_000_000, &sample(1));
    assert_eq!(report.verdict, Verdict::Good);
    let (report, last) = at(3, 501_000_000 - 502_000_000, &last);
    assert_eq!(report.verdict, Verdict::Bad);
    assert_eq!(&*report.detail, "the clock has jumped back by 0.5 s: credentials and nonces may be refused");
    let (report, last) = at(13, -1_000_000, &last);
    assert_eq!(report.verdict, Verdict::Bad, "ten seconds later");
    let (report, last) = at(14, -1_000_000, &last);
    assert_eq!(report.verdict, Verdict::Good);
    let (report, _) = at(15, 3_600_000_000_000, &last);
    assert!(report.detail.contains("ahead by 3600.0 s"), "{}", report.detail);
}

#[test]
fn years_that_cannot_be_are_no_time() {
    for (unix, verdict) in [
        (0, Verdict::Bad),
        (1_735_689_599, Verdict::Bad),
        (1_735_689_600, Verdict::Good),
        (4_102_444_800, Verdict::Bad),
    ] {
        assert_eq!(judge_year(UnixTime(unix)).verdict, verdict, "{unix}");
    }
    assert!(judge_year(UnixTime(0)).detail.starts_with("the clock says 1970-01-01T00:00:00Z: "));
}

#[test]
fn ports_and_allocations_are_judged_by_what_is_left() {
    let room = |free_ports, held| Room { ports: 1_000, free_ports, allocations: Some(200), held };
    assert_eq!(judge_ports(room(100, 0), 10).verdict, Verdict::Good);
    assert_eq!(judge_ports(room(99, 0), 10).verdict, Verdict::Bad);
    assert_eq!(judge_ports(Room::default(), 0).verdict, Verdict::Bad, "no address at all");
    assert_eq!(judge_quota(room(0, 180), 10).verdict, Verdict::Good);
    assert_eq!(judge_quota(room(0, 181), 10).verdict, Verdict::Bad);
    assert_eq!(judge_quota(room(0, 300), 10).verdict, Verdict::Bad, "more than a reload has left");
    assert_eq!(judge_quota(Room { allocations: None, held: 9, ..room(0, 0) }, 10).verdict, Verdict::Good);
}

#[test]
fn the_certificate_that_is_worst_speaks_for_all() {
    let store = |from: i32, until: i32| {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["relay".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let made = params.self_signed(&key).unwrap();
        CertStore::from_pem(made.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    };
    // Noon of 21 December 2026: ten days and a half are left of the first.
    let now = UnixTime(1_797_854_400);
    let (short, long, old, new) =
        (store(2026, 2027), store(2026, 2030), store(2024, 2026), store(2027, 2030));
    for (stores, days, verdict, told) in [
        (vec![&long, &short], 10, Verdict::Good, ""),
        (vec![&long, &short], 11, Verdict::Poor, "the certificate expires in 10 days; renew it"),
        (vec![&old, &short], 11, Verdict::Bad, "the certificate has expired; renew it"),
        (vec![&short, &new], 11, Verdict::Bad, "the certificate is not valid yet; check the clock"),
        (vec![], 11, Verdict::Good, ""),
    ] {
        let stores: Vec<_> = stores.into_iter().map(Arc::clone).collect();
        let report = judge_certificates(&stores, days, now);
        assert_eq!((report.verdict, &*report.detail), (verdict, told));
    }
}
