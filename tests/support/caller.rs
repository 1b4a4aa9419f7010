//! A client that has an allocation and wants no more.

use std::net::UdpSocket;
use std::time::Duration;

use tern::wire::stun::{AttributeType, Class, Message, Method, TransactionId, Writer, long_term_key_md5};

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client with an allocation, for as long as that lasts without a refresh.
pub(crate) struct Caller {
    pub(crate) socket: UdpSocket,
}

impl Caller {
    /// Of a relay on loopback.
    pub(crate) fn allocate(port: u16, username: &str, password: &str) -> Self {
        const REALM: &str = "tern";
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let ask = |nonce: Option<&[u8]>| {
            let mut bytes = Vec::new();
            let id = TransactionId([u8::from(nonce.is_some()); 12]);
            let mut writer = Writer::new(&mut bytes, Class::Request, Method::ALLOCATE, id);
            writer.requested_transport(17);
            if let Some(nonce) = nonce {
                writer.attribute(AttributeType::USERNAME, username.as_bytes());
                writer.attribute(AttributeType::REALM, REALM.as_bytes());
                writer.attribute(AttributeType::NONCE, nonce);
                writer.integrity(&long_term_key_md5(
                    username.as_bytes(),
                    REALM.as_bytes(),
                    password.as_bytes(),
                ));
            }
            writer.finish().unwrap();
            socket.send(&bytes).unwrap();
            let mut answer = vec![0; 2048];
            let count = socket.recv(&mut answer).unwrap();
            answer.truncate(count);
            answer
        };
        let challenge = ask(None);
        let nonce = Message::parse(&challenge).unwrap().nonce().unwrap().to_vec();
        let answer = ask(Some(&nonce));
        assert_eq!(Message::parse(&answer).unwrap().class(), Class::Success);
        Self { socket }
    }
}
