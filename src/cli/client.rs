//! The way to a running relay: HTTP over its admin socket. One question, one answer, one connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;

use super::exit::{Exit, Failure};
use crate::config::DEFAULT_SOCKET;

/// Longer than every check of the relay may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Some thousand routes with their reasons.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// Which relay is meant, and for whom the answer is.
#[derive(Clone, Debug, Args)]
pub(super) struct RelayArgs {
    /// The admin socket of the relay: admin.socket of its configuration.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// For programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// What a relay answered.
pub(super) struct Answer {
    text: String,
}

impl Answer {
    /// The answer as it came, for programs.
    pub(super) fn json(&self) -> String {
        format!("{}\n", self.text)
    }

    /// The answer as what it is expected to be.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.text).map_err(|error| {
            let text =
                format!("tern: the relay's answer is not understood: {error}; is it of another version?");
            Failure::new(Exit::Failed, text)
        })
    }
}

impl RelayArgs {
    /// Asks for what is at `path`.
    pub(super) fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask(Method::GET, path, None)
    }

    /// Has the relay do what `path` stands for.
    pub(super) fn post(&self, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.ask(Method::POST, path, body)
    }

    /// Has the relay hold what `path` stands for.
    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.ask(Method::PUT, path, Some(body))
    }

    /// Has the relay end what `path` stands for.
    pub(super) fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.ask(Method::DELETE, path, None)
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Exit::Failed, format!("tern: cannot start: {error}")))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "tern")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))
            .map_err(|error| Failure::new(Exit::Failed, format!("tern: {error}")))?;
        let asked =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange(&self.socket, request)).await });
        let (status, text) = asked.unwrap_or_else(|_| {
            let text =
                format!("tern: the relay at {} does not answer; its log may say why", self.socket.display());
            Err(Failure::new(Exit::Unreachable, text))
        })?;
        if status.is_success() { Ok(Answer { text }) } else { Err(self.refused(status, &text)) }
    }

    fn refused(&self, status: StatusCode, text: &str) -> Failure {
        let exit = if status == StatusCode::SERVICE_UNAVAILABLE { Exit::Retry } else { Exit::Failed };
        if self.json {
            // Whoever reads JSON gets it, whatever it says.
            return match super::exit::print(&format!("{text}\n")) {
                Ok(()) => Failure::silent(exit),
                Err(failure) => failure,
            };
        }
        let answer: Value = serde_json::from_str(text).unwrap_or_default();
        let text = answer.pointer("/error/text").and_then(Value::as_str);
        Failure::new(
            exit,
            text.map_or_else(|| format!("tern: the relay says {status}"), |text| format!("tern: {text}")),
        )
    }
}

async fn exchange(socket: &Path, request: Request<Full<Bytes>>) -> Result<(StatusCode, String), Failure> {
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
    let lost = |error: &dyn std::fmt::Display| {
        let text = format!("tern: the relay at {} broke off: {error}", socket.display());
        Failure::new(Exit::Unreachable, text)
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
    // It ends with the answer, or with an error that the answer's reader meets as well.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await.map_err(|error| lost(&error))?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}

fn unreachable(socket: &Path, error: &std::io::Error) -> Failure {
    let socket = socket.display();
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        let text =
            format!("tern: {socket}: {error}; be root or the relay's user, or join the group of admin.group");
        return Failure::new(Exit::Failed, text);
    }
    let text = format!(
        "tern: no relay answers at {socket}: {error}; is it running? --socket names another, as admin.socket of its configuration does"
    );
    Failure::new(Exit::Unreachable, text)
}
