//! `turn-crate-server ADDRESS:PORT REALM USER PASSWORD LISTENERS`: the `turn` crate's server with one user, until SIGTERM.
//!
//! The crate serves each socket that it is given on a task of its own, so one per core makes use of the cores.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::signal::unix::{SignalKind, signal};
use turn::auth::{AuthHandler, generate_auth_key};
use turn::relay::relay_static::RelayAddressGeneratorStatic;
use turn::server::Server;
use turn::server::config::{ConnConfig, ServerConfig};
use webrtc_util::vnet::net::Net;

struct OneUser {
    name: String,
    key: Vec<u8>,
}

impl AuthHandler for OneUser {
    fn auth_handle(&self, name: &str, _realm: &str, _from: SocketAddr) -> Result<Vec<u8>, turn::Error> {
        if name == self.name { Ok(self.key.clone()) } else { Err(turn::Error::ErrFakeErr) }
    }
}

fn listen(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, realm, name, password, listeners] = arguments.as_slice() else {
        return Err("turn-crate-server ADDRESS:PORT REALM USER PASSWORD LISTENERS".into());
    };
    let address: SocketAddr = address.parse()?;
    let mut conn_configs = Vec::new();
    for _ in 0..listeners.parse::<usize>()? {
        let relay_addr_generator = Box::new(RelayAddressGeneratorStatic {
            relay_address: address.ip(),
            address: address.ip().to_string(),
            net: Arc::new(Net::new(None)),
        });
        conn_configs.push(ConnConfig { conn: Arc::new(listen(address)?), relay_addr_generator });
    }
    let key = generate_auth_key(name, realm, password);
    let server = Server::new(ServerConfig {
        conn_configs,
        realm: realm.clone(),
        auth_handler: Arc::new(OneUser { name: name.clone(), key }),
        channel_bind_timeout: Duration::ZERO,
        alloc_close_notify: None,
    })
    .await?;
    signal(SignalKind::terminate())?.recv().await;
    server.close().await?;
    Ok(())
}
