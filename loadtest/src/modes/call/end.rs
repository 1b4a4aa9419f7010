//! One end of a call: a peer connection of the `webrtc` crate that may use relayed candidates only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use webrtc::api::APIBuilder;
use webrtc::api::interceptor_registry::configure_rtcp_reports;
use webrtc::api::media_engine::{MIME_TYPE_OPUS, MediaEngine};
use webrtc::api::setting_engine::SettingEngine;
use webrtc::data_channel::RTCDataChannel;
use webrtc::data_channel::data_channel_init::RTCDataChannelInit;
use webrtc::data_channel::data_channel_message::DataChannelMessage;
use webrtc::ice::network_type::NetworkType;
use webrtc::ice_transport::ice_server::RTCIceServer;
use webrtc::interceptor::registry::Registry;
use webrtc::media::Sample;
use webrtc::peer_connection::RTCPeerConnection;
use webrtc::peer_connection::configuration::RTCConfiguration;
use webrtc::peer_connection::policy::ice_transport_policy::RTCIceTransportPolicy;
use webrtc::rtcp::receiver_report::ReceiverReport;
use webrtc::rtp_transceiver::rtp_codec::RTCRtpCodecCapability;
use webrtc::rtp_transceiver::rtp_sender::RTCRtpSender;
use webrtc::track::track_local::TrackLocal;
use webrtc::track::track_local::track_local_static_sample::TrackLocalStaticSample;

use super::heard::{Heard, frame};

/// One packet of Opus.
pub(super) const FRAME: Duration = Duration::from_millis(20);
/// Between two messages on the data channel.
const MESSAGE_EVERY: Duration = Duration::from_millis(100);
const MESSAGE_SIZE: usize = 200;
const OPUS_CLOCK: u32 = 48_000;

/// What all ends of all calls share.
pub(super) struct Shared {
    /// Audio that came.
    pub(super) audio: Heard,
    /// Messages that came.
    pub(super) data: Heard,
    /// Messages that were sent.
    pub(super) messages: AtomicU64,
    /// Frames that were sent.
    pub(super) frames: AtomicU64,
    /// Whether the ends have to fall silent.
    pub(super) is_over: AtomicBool,
}

/// Why a call did not come about.
#[derive(Debug)]
pub(super) enum Why {
    /// No relayed candidate: the server gave none.
    NoRelay,
    /// The ends did not reach one another in time.
    NotConnected,
    /// The stack's own words.
    Stack(String),
}

impl From<webrtc::Error> for Why {
    fn from(error: webrtc::Error) -> Self {
        Self::Stack(error.to_string())
    }
}

/// One end.
pub(super) struct End {
    pub(super) connection: RTCPeerConnection,
    track: Arc<TrackLocalStaticSample>,
    channel: Arc<RTCDataChannel>,
    open: Receiver<()>,
    /// What the other end says of the jitter of what it hears: the last and the highest, in units of the clock.
    pub(super) jitter: Arc<(AtomicU64, AtomicU64)>,
}

impl End {
    pub(super) async fn new(server: RTCIceServer, shared: &Arc<Shared>) -> Result<Self, Why> {
        let connection = connection(server).await?;
        hear_audio(&connection, shared);
        let codec = RTCRtpCodecCapability {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: OPUS_CLOCK,
            channels: 2,
            ..RTCRtpCodecCapability::default()
        };
        let track = Arc::new(TrackLocalStaticSample::new(codec, "audio".to_owned(), "call".to_owned()));
        let sender = connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal + Send + Sync>).await?;
        let jitter = Arc::default();
        tokio::spawn(read_reports(sender, Arc::clone(&jitter)));
        let init = RTCDataChannelInit { negotiated: Some(0), ..RTCDataChannelInit::default() };
        let data = connection.create_data_channel("loadtest", Some(init)).await?;
        let (opened, open) = channel(1);
        data.on_open(Box::new(move || {
            Box::pin(async move {
                let _ = opened.send(()).await;
            })
        }));
        let heard = Arc::clone(shared);
        data.on_message(Box::new(move |message: DataChannelMessage| {
            heard.data.hear(&message.data);
            Box::pin(async {})
        }));
        Ok(Self { connection, track, channel: data, open, jitter })
    }

    /// Waits until all candidates are in the local description; there has to be one.
    pub(super) async fn gather(&self, mut done: Receiver<()>, limit: Duration) -> Result<(), Why> {
        // No end of gathering within the limit is judged like an empty one.
        let _ = timeout(limit, done.recv()).await;
        let description = self.connection.local_description().await.ok_or(Why::NoRelay)?;
        if description.sdp.contains("typ relay") { Ok(()) } else { Err(Why::NoRelay) }
    }

    /// Waits for the data channel, which opens last.
    pub(super) async fn wait_open(&mut self, limit: Duration) -> Result<(), Why> {
        match timeout(limit, self.open.recv()).await {
            Ok(Some(())) => Ok(()),
            Ok(None) | Err(_) => Err(Why::NotConnected),
        }
    }

    /// Sends a frame each 20 ms until the calls are over.
    pub(super) fn speak(
        &self,
        size: usize,
        offset: Duration,
        shared: &Arc<Shared>,
    ) -> tokio::task::JoinHandle<()> {
        let (track, shared) = (Arc::clone(&self.track), Arc::clone(shared));
        tokio::spawn(async move {
            tokio::time::sleep(offset).await;
            let mut tick = tokio::time::interval(FRAME);
            let mut sequence = 0u32;
            while !shared.is_over.load(Ordering::Relaxed) {
                tick.tick().await;
                sequence = sequence.wrapping_add(1);
                let sample =
                    Sample { data: frame(size, sequence).into(), duration: FRAME, ..Sample::default() };
                if track.write_sample(&sample).await.is_ok() {
                    shared.frames.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    }

    /// Sends a message ten times a second until the calls are over.
    pub(super) fn write(&self, offset: Duration, shared: &Arc<Shared>) -> tokio::task::JoinHandle<()> {
        let (channel, shared) = (Arc::clone(&self.channel), Arc::clone(shared));
        tokio::spawn(async move {
            tokio::time::sleep(offset).await;
            let mut tick = tokio::time::interval(MESSAGE_EVERY);
            let mut sequence = 0u32;
            while !shared.is_over.load(Ordering::Relaxed) {
                tick.tick().await;
                sequence = sequence.wrapping_add(1);
                if channel.send(&frame(MESSAGE_SIZE, sequence).into()).await.is_ok() {
                    shared.messages.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    }
}

async fn connection(server: RTCIceServer) -> Result<RTCPeerConnection, Why> {
    let mut media = MediaEngine::default();
    media.register_default_codecs()?;
    let mut settings = SettingEngine::default();
    // The crate relays over UDP and IPv4 only; other networks would cost time in gathering.
    settings.set_network_types(vec![NetworkType::Udp4]);
    let api = APIBuilder::new()
        .with_media_engine(media)
        .with_interceptor_registry(configure_rtcp_reports(Registry::new()))
        .with_setting_engine(settings)
        .build();
    let configuration = RTCConfiguration {
        ice_servers: vec![server],
        ice_transport_policy: RTCIceTransportPolicy::Relay,
        ..RTCConfiguration::default()
    };
    Ok(api.new_peer_connection(configuration).await?)
}

fn hear_audio(connection: &RTCPeerConnection, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    connection.on_track(Box::new(move |track, _, _| {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((packet, _)) = track.read_rtp().await {
                shared.audio.hear(&packet.payload);
            }
        });
        Box::pin(async {})
    }));
}

/// Reads what the other end reports until the connection closes; the stack's statistics live on this, too.
async fn read_reports(sender: Arc<RTCRtpSender>, jitter: Arc<(AtomicU64, AtomicU64)>) {
    while let Ok((packets, _)) = sender.read_rtcp().await {
        for packet in packets {
            let Some(report) = packet.as_any().downcast_ref::<ReceiverReport>() else { continue };
            for block in &report.reports {
                jitter.0.store(block.jitter.into(), Ordering::Relaxed);
                jitter.1.fetch_max(block.jitter.into(), Ordering::Relaxed);
            }
        }
    }
}

/// Jitter in microseconds.
pub(super) fn micros(jitter: u64) -> f64 {
    let units = jitter as f64;
    units * 1e6 / f64::from(OPUS_CLOCK)
}
