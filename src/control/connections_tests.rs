use std::net::SocketAddr;

use axum::Extension;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A relay of two paths: `/` is for anybody, `/in` for somebody who is known.
async fn serve(head: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let known = |Extension(admission): Extension<Admission>| async move { admission.grant() };
    let router = Router::new().route("/", get(|| async {})).route("/in", get(known));
    let bounded = Bounded { head, ..Bounded::new(listener) };
    tokio::spawn(bounded.serve(router, |_| ()));
    address
}

/// The status that `path` is answered with; none if the connection has ended.
async fn ask(stream: &mut TcpStream, path: &str) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&answer[9..12]).into_owned())
}

async fn ends(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn whoever_floods_takes_his_own_places_and_nobody_elses() {
    let address = serve(PATIENCE).await;
    let mut known = TcpStream::connect(address).await.unwrap();
    assert_eq!(ask(&mut known, "/in").await.as_deref(), Some("200"));
    let mut strangers = Vec::new();
    for _ in 0..STRANGERS {
        let mut stranger = TcpStream::connect(address).await.unwrap();
        assert_eq!(ask(&mut stranger, "/").await.as_deref(), Some("200"));
        strangers.push(stranger);
    }
    let mut late = TcpStream::connect(address).await.unwrap();
    assert_eq!(ask(&mut late, "/").await.as_deref(), Some("200"), "there is room for whoever comes");
    assert!(ends(&mut strangers[0]).await, "the oldest stranger has left");
    assert_eq!(ask(&mut strangers[1], "/").await.as_deref(), Some("200"));
    assert_eq!(ask(&mut known, "/").await.as_deref(), Some("200"), "whoever is known stays");
}

#[tokio::test]
async fn whoever_does_not_say_what_he_wants_is_not_waited_for() {
    let address = serve(Duration::from_millis(50)).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert!(ends(&mut silent).await);
    // A byte now and then is no request either.
    let mut slow = TcpStream::connect(address).await.unwrap();
    let dripping = async {
        while slow.write_all(b"G").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, dripping).await.is_ok());
}

fn network(number: u8) -> Source {
    Source::of([192, 0, 2, number].into())
}

fn sources(house: &House) -> Vec<Source> {
    house.guests().iter().map(|guest| guest.source).collect()
}

#[test]
fn where_there_is_no_room_the_oldest_stranger_of_the_most_crowded_source_leaves() {
    let house = Arc::<House>::default();
    let mut places = Vec::new();
    for number in 0..8 {
        places.extend((0..7).map(|_| house.enter(network(number))));
    }
    places.extend((0..8).map(|_| house.enter(network(100))));
    assert_eq!(house.guests().len(), CONNECTIONS);
    let oldest = places[56].number;
    let newcomer = house.enter(network(200));
    assert_eq!(house.guests().len(), CONNECTIONS);
    assert!(house.guests().iter().all(|guest| guest.number != oldest), "{:?}", sources(&house));
    assert!(house.guests().iter().any(|guest| guest.number == newcomer.number));
    // Those that are known leave last.
    places.iter().for_each(|place| place.admission.grant());
    let next = house.enter(network(201));
    assert!(!sources(&house).contains(&network(200)) && sources(&house).contains(&network(201)));
    next.admission.grant();
    let _last = house.enter(network(202));
    assert_eq!(house.guests().len(), CONNECTIONS, "and even they leave in the end");
    assert!(sources(&house).contains(&network(202)));
}

#[test]
fn a_place_is_free_when_its_connection_has_ended() {
    let house = Arc::<House>::default();
    let places: Vec<_> = (0..10).map(|_| house.enter(network(1))).collect();
    assert_eq!(house.guests().len(), 10);
    drop(places);
    assert_eq!(house.guests().len(), 0);
}

#[test]
fn one_ipv6_network_is_one_source() {
    let of = |text: &str| Source::of(text.parse().unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:192.0.2.1"), network(1));
}

#[tokio::test]
async fn a_silent_connection_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut bounded = Bounded { silence: Duration::from_millis(1), ..Bounded::new(listener) };
    let _client = TcpStream::connect(address).await.unwrap();
    let mut served = bounded.accept().await;
    assert_eq!(served.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_connection_whose_place_is_taken_says_so_however_often_it_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut bounded = Bounded::new(listener);
    let _client = TcpStream::connect(address).await.unwrap();
    let mut served = bounded.accept().await;
    served.place.house.guests().clear();
    // It is read, flushed and closed after that.
    for _ in 0..2 {
        assert_eq!(served.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
    let _ = served.shutdown().await;
}
