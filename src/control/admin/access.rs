//! Who may use the admin socket: root, the relay's own user, and one group. The file's mode says the same; this holds
//! even where the file was made in a folder that forgives more, or the mode was changed.

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use tokio::net::{UnixListener, UnixStream};

use super::routes::refuse;
use crate::control::connections::Bounded;
use crate::net::local::peer_groups;

/// The user and groups of a process that connected, as the kernel says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Its user, if the kernel knows.
    pub uid: Option<u32>,
    /// All its groups.
    pub groups: Vec<u32>,
    /// Its number, for the log.
    pub pid: Option<i32>,
}

impl Caller {
    fn of(socket: &UnixStream) -> Self {
        let Ok(credentials) = socket.peer_cred() else { return Self::default() };
        let mut groups = peer_groups(socket).unwrap_or_default();
        groups.push(credentials.gid());
        Self { uid: Some(credentials.uid()), groups, pid: credentials.pid() }
    }
}

impl Connected<IncomingStream<'_, Bounded<UnixListener>>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Bounded<UnixListener>>) -> Self {
        Self::of(stream.io().socket())
    }
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The user that the relay runs as.
    pub own: u32,
    /// A group of operators.
    pub group: Option<u32>,
}

impl Access {
    /// Root and the user of this process, and `group`.
    #[must_use]
    pub fn with_group(group: Option<u32>) -> Self {
        Self { own: rustix::process::geteuid().as_raw(), group }
    }

    /// Whether `caller` is one of them.
    #[must_use]
    pub fn admits(&self, caller: &Caller) -> bool {
        let by_user = caller.uid.is_some_and(|uid| uid == 0 || uid == self.own);
        by_user || self.group.is_some_and(|group| caller.groups.contains(&group))
    }
}

/// Turns others away, and notes who changes something.
pub(super) async fn guard(
    State(access): State<Access>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Request,
    next: Next,
) -> Response {
    if !access.admits(&caller) {
        return refuse(
            axum::http::StatusCode::FORBIDDEN,
            "forbidden",
            "only root, the relay's own user and the members of admin.group may do this",
        );
    }
    let changes = (!request.method().is_safe()).then(|| request.uri().path().to_owned());
    let response = next.run(request).await;
    if let Some(path) = changes {
        let status = response.status().as_u16();
        tracing::info!(path, status, uid = caller.uid, pid = caller.pid, "an operator asked for a change");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_own_user_and_the_group_are_admitted_and_nobody_else() {
        let access = Access { own: 998, group: Some(27) };
        let caller = |uid, groups: &[u32]| Caller { uid: Some(uid), groups: groups.to_vec(), pid: None };
        assert!(access.admits(&caller(0, &[])));
        assert!(access.admits(&caller(998, &[998])));
        assert!(access.admits(&caller(1000, &[1000, 27])));
        assert!(!access.admits(&caller(1000, &[1000, 28])));
        assert!(!access.admits(&Caller::default()));
        assert!(!Access { own: 998, group: None }.admits(&caller(1000, &[0, 27])));
    }

    #[tokio::test]
    async fn the_kernel_says_who_is_at_the_other_end() {
        let (one, _other) = UnixStream::pair().unwrap();
        let caller = Caller::of(&one);
        assert_eq!(caller.uid, Some(rustix::process::geteuid().as_raw()));
        assert!(caller.groups.contains(&rustix::process::getegid().as_raw()));
        assert!(Access::with_group(None).admits(&caller));
    }
}
