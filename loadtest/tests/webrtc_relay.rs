//! Two peer connections of the `webrtc` crate, relay-only on both sides, through a development relay as `tern run --dev`
//! starts it, with the credentials that it prints.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that it did not expect"
)]

#[expect(dead_code, reason = "the load test itself is run by other tests")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use support::Relay;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use webrtc::api::APIBuilder;
use webrtc::api::media_engine::MediaEngine;
use webrtc::data_channel::RTCDataChannel;
use webrtc::data_channel::data_channel_init::RTCDataChannelInit;
use webrtc::data_channel::data_channel_message::DataChannelMessage;
use webrtc::ice_transport::ice_candidate_type::RTCIceCandidateType;
use webrtc::ice_transport::ice_server::RTCIceServer;
use webrtc::peer_connection::RTCPeerConnection;
use webrtc::peer_connection::configuration::RTCConfiguration;
use webrtc::peer_connection::policy::ice_transport_policy::RTCIceTransportPolicy;

/// Generous: nothing here takes a second on an idle machine.
const LIMIT: Duration = Duration::from_secs(60);
const MESSAGES: usize = 500;

/// A peer connection with one negotiated channel and what arrives on it.
struct End {
    connection: RTCPeerConnection,
    channel: Arc<RTCDataChannel>,
    open: Receiver<()>,
    messages: Receiver<Vec<u8>>,
}

impl End {
    async fn new(server: RTCIceServer) -> Self {
        let mut media = MediaEngine::default();
        media.register_default_codecs().unwrap();
        let api = APIBuilder::new().with_media_engine(media).build();
        let configuration = RTCConfiguration {
            ice_servers: vec![server],
            ice_transport_policy: RTCIceTransportPolicy::Relay,
            ..RTCConfiguration::default()
        };
        let connection = api.new_peer_connection(configuration).await.unwrap();
        let init = RTCDataChannelInit { negotiated: Some(0), ..RTCDataChannelInit::default() };
        let data = connection.create_data_channel("sequence", Some(init)).await.unwrap();
        let (opened, open) = channel(1);
        data.on_open(Box::new(move || {
            Box::pin(async move {
                let _ = opened.send(()).await;
            })
        }));
        let (arrived, messages) = channel(MESSAGES);
        data.on_message(Box::new(move |message: DataChannelMessage| {
            let arrived = arrived.clone();
            Box::pin(async move {
                let _ = arrived.send(message.data.to_vec()).await;
            })
        }));
        Self { connection, channel: data, open, messages }
    }

    /// Waits until all candidates are in the local description.
    async fn gather(&self, mut done: Receiver<()>) {
        timeout(LIMIT, done.recv()).await.expect("gathering ends");
        let description = self.connection.local_description().await.unwrap();
        let candidates: Vec<_> = description.sdp.lines().filter(|line| line.contains("candidate:")).collect();
        assert!(!candidates.is_empty(), "no relayed address: {}", description.sdp);
        assert!(candidates.iter().all(|line| line.contains("typ relay")), "{candidates:?}");
    }

    async fn receive_all(&mut self) {
        for number in 0..MESSAGES {
            let message = timeout(LIMIT, self.messages.recv()).await.expect("a message arrives").unwrap();
            assert_eq!(message, payload(number));
        }
    }

    async fn assert_relayed(&self) {
        let pair = self.connection.sctp().transport().ice_transport().get_selected_candidate_pair().await;
        let text = pair.expect("a pair is selected").to_string();
        let relayed = text.matches(&RTCIceCandidateType::Relay.to_string()).count();
        assert_eq!(relayed, 2, "{text}");
    }
}

fn payload(number: usize) -> Vec<u8> {
    let mut bytes = format!("{number} ").into_bytes();
    bytes.resize(1_000, b'x');
    bytes
}

async fn send_all(channel: &RTCDataChannel) {
    for number in 0..MESSAGES {
        channel.send(&payload(number).into()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webrtc_connects_through_a_development_relay() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().expect("it is the first");
    let relay = Relay::start(&[]);
    let server = RTCIceServer {
        urls: vec![relay.url.clone()],
        username: relay.user.clone(),
        credential: relay.password.clone(),
    };
    let (mut one, mut other) = (End::new(server.clone()).await, End::new(server).await);

    let offer = one.connection.create_offer(None).await.unwrap();
    let gathered = one.connection.gathering_complete_promise().await;
    one.connection.set_local_description(offer).await.unwrap();
    one.gather(gathered).await;
    other.connection.set_remote_description(one.connection.local_description().await.unwrap()).await.unwrap();
    let answer = other.connection.create_answer(None).await.unwrap();
    let gathered = other.connection.gathering_complete_promise().await;
    other.connection.set_local_description(answer).await.unwrap();
    other.gather(gathered).await;
    one.connection.set_remote_description(other.connection.local_description().await.unwrap()).await.unwrap();

    for end in [&mut one, &mut other] {
        timeout(LIMIT, end.open.recv()).await.expect("the channel opens").unwrap();
    }
    let (here, there) = (Arc::clone(&one.channel), Arc::clone(&other.channel));
    tokio::join!(send_all(&here), send_all(&there), one.receive_all(), other.receive_all());
    one.assert_relayed().await;
    other.assert_relayed().await;
    // Whichever closes second may find its association gone with the first, which the crate calls an error.
    let _ = tokio::join!(one.connection.close(), other.connection.close());
}
