//! What workers count by: reasons and ways, each with the name that it is exported under.

/// Declares an enum with the names that its values are exported under.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$item_doc])* $item,)* }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$item,)*];

            /// The name it is exported under.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$item => $text,)* }
            }
        }
    };
}

named! {
    /// Why a packet or a connection went nowhere.
    Loss {
        /// First byte of no protocol that is spoken here.
        UnknownProtocol = "unknown_protocol",
        /// A protocol that this listener does not speak.
        NotSpoken = "not_spoken",
        /// ChannelData with a wrong length or number.
        ChannelData = "malformed_channel_data",
        /// A Send indication that does not hold what it must.
        SendIndication = "malformed_send",
        /// Media of a five-tuple without allocation.
        NoAllocation = "no_allocation",
        /// Media on a channel that was not bound.
        NoChannel = "no_channel",
        /// Media to a peer without permission.
        NoPermission = "no_permission",
        /// Media to a peer that the policy denies on this port.
        PeerDenied = "peer_denied",
        /// A packet from a peer without permission.
        PeerNotPermitted = "peer_not_permitted",
        /// It had no hop left.
        HopLimit = "hop_limit",
        /// Over the rate of its allocation.
        SessionRate = "session_rate",
        /// Over the rate of its user.
        OwnerRate = "owner_rate",
        /// Larger than the way to its receiver takes.
        TooBig = "too_big",
        /// The system's send buffer was full.
        SendBufferFull = "send_buffer_full",
        /// No way to the receiver.
        Unreachable = "unreachable",
        /// The system refused to send.
        SendFailed = "send_failed",
        /// The kernel dropped it before it was read.
        ReceiveOverflow = "receive_overflow",
        /// Media that waited too long for a slow reader, or found its queue full.
        SlowReader = "slow_reader",
        /// A connection whose reader left even control messages unread.
        StuckReader = "stuck_reader",
        /// A stream that lost its framing.
        Misframed = "misframed",
        /// A proxy's connection without a well-formed PROXY header.
        ProxyHeader = "proxy_header",
        /// More connections than this worker takes.
        ConnectionLimit = "connection_limit",
        /// More idle connections than one source may hold.
        SourceLimit = "source_limit",
        /// No whole message, or no end of the handshake, in time.
        HandshakeTimeout = "handshake_timeout",
        /// Silent for too long, and without an allocation.
        Idle = "idle",
        /// TLS refused by either side.
        Tls = "tls",
        /// DTLS refused by either side.
        Dtls = "dtls",
        /// More DTLS sessions or handshakes than this worker takes.
        DtlsLimit = "dtls_limit",
        /// A message that named a worker which does not know it either.
        Misrouted = "misrouted",
        /// Another worker's mailbox was full.
        MailboxFull = "mailbox_full",
        /// A peer's TCP connection that nobody bound in time, or that came without permission.
        PeerUnclaimed = "peer_unclaimed",
        /// A connection could not be accepted or registered.
        AcceptFailed = "accept_failed",
    }
}

impl Loss {
    /// Whether a connection or a session was lost rather than a packet.
    #[must_use]
    pub const fn is_of_connection(self) -> bool {
        match self {
            Self::StuckReader
            | Self::Misframed
            | Self::ProxyHeader
            | Self::ConnectionLimit
            | Self::SourceLimit
            | Self::HandshakeTimeout
            | Self::Idle
            | Self::Tls
            | Self::Dtls
            | Self::DtlsLimit
            | Self::PeerUnclaimed
            | Self::AcceptFailed => true,
            Self::UnknownProtocol
            | Self::NotSpoken
            | Self::ChannelData
            | Self::SendIndication
            | Self::NoAllocation
            | Self::NoChannel
            | Self::NoPermission
            | Self::PeerDenied
            | Self::PeerNotPermitted
            | Self::HopLimit
            | Self::SessionRate
            | Self::OwnerRate
            | Self::TooBig
            | Self::SendBufferFull
            | Self::Unreachable
            | Self::SendFailed
            | Self::ReceiveOverflow
            | Self::SlowReader
            | Self::Misrouted
            | Self::MailboxFull => false,
        }
    }
}

named! {
    /// Ways of a packet.
    Path {
        /// From clients, all protocols.
        FromClient = "from_client",
        /// To clients.
        ToClient = "to_client",
        /// From peers.
        FromPeer = "from_peer",
        /// To peers.
        ToPeer = "to_peer",
    }
}

named! {
    /// System calls for datagrams, and what they carried.
    Traffic {
        /// Received on listeners.
        FromClients = "from_clients",
        /// Received on relays.
        FromPeers = "from_peers",
        /// Sent, media and all else.
        Sent = "sent",
    }
}
