//! The socket's file: made with its mode and group before anybody can see it, in place of one that a dead relay has left
//! behind, and removed at the end.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Its user and its group may connect.
const MODE: u32 = 0o660;

/// A listening socket and its file.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    /// The device and number of the file, to know it again.
    file: (u64, u64),
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    /// Another relay has it.
    #[error("another relay answers on {}; give this one an admin.socket of its own", .0.display())]
    Taken(PathBuf),
    /// The name belongs to something else.
    #[error("{} is there and is no socket; remove it, or name another admin.socket", .0.display())]
    NoSocket(PathBuf),
    /// The machine says no.
    #[error("cannot make the admin socket {}: {source}; its folder must be there and the relay's own (systemd: RuntimeDirectory=tern)", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The group cannot be given to it.
    #[error(
        "cannot give the admin socket to the group {group}: {source}; the relay's user must be a member of it"
    )]
    Group {
        /// The group's number.
        group: u32,
        /// What the machine said.
        source: io::Error,
    },
}

impl AdminSocket {
    /// Makes the socket at `path`, and the folder it is in if that is missing.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn bind(path: &Path, group: Option<u32>) -> Result<Self, SocketFault> {
        let fail = |source| SocketFault::Io { path: path.to_owned(), source };
        if let Some(folder) =
            path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        {
            std::fs::create_dir(folder).map_err(fail)?;
        }
        refuse_living(path)?;
        // Nobody connects to a name that nobody knows. The rename replaces what a dead relay has left.
        let new = path.with_extension(format!("new{}", std::process::id()));
        let listener = remove(&new).and_then(|()| UnixListener::bind(&new)).map_err(fail)?;
        let made = prepare(&new, group).and_then(|file| {
            std::fs::rename(&new, path).map_err(fail)?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(Self { listener, path: path.to_owned(), file }),
            Err(fault) => {
                // The first fault is the one to tell.
                let _ = remove(&new);
                Err(fault)
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket, for a runtime.
    pub(super) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.set_nonblocking(true)?;
        self.listener.try_clone()
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // A successor may have put its own there.
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = remove(&self.path);
        }
    }
}

fn refuse_living(path: &Path) -> Result<(), SocketFault> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(SocketFault::NoSocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(_) | Err(_) => Err(SocketFault::Taken(path.to_owned())),
    }
}

fn prepare(new: &Path, group: Option<u32>) -> Result<(u64, u64), SocketFault> {
    let fail = |source| SocketFault::Io { path: new.to_owned(), source };
    if let Some(group) = group {
        chown(new, None, Some(group)).map_err(|source| SocketFault::Group { group, source })?;
    }
    std::fs::set_permissions(new, PermissionsExt::from_mode(MODE)).map_err(fail)?;
    identity(new).map_err(fail)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_its_users_and_its_groups_and_goes_with_the_relay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/tern.sock");
        let own = rustix::process::getegid().as_raw();
        let socket = AdminSocket::bind(&path, Some(own)).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!((metadata.permissions().mode() & 0o777, metadata.gid()), (0o660, own));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        UnixStream::connect(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_relays_socket_is_replaced_and_a_living_ones_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tern.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let living = AdminSocket::bind(&path, None).unwrap();
        assert!(matches!(AdminSocket::bind(&path, None), Err(SocketFault::Taken(_))));
        UnixStream::connect(&path).unwrap();
        drop(living);
    }

    #[test]
    fn a_successors_socket_stays_when_its_predecessor_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tern.sock");
        let first = AdminSocket::bind(&path, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = AdminSocket::bind(&path, None).unwrap();
        drop(first);
        UnixStream::connect(second.path()).unwrap();
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tern.sock");
        std::fs::write(&path, "mine").unwrap();
        let fault = AdminSocket::bind(&path, None).unwrap_err();
        assert!(matches!(fault, SocketFault::NoSocket(_)), "{fault}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let fault = AdminSocket::bind(&folder.path().join("a/b/tern.sock"), None).unwrap_err();
        assert!(fault.to_string().contains("its folder must be there"), "{fault}");
    }
}
