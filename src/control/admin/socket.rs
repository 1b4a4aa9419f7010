//! The socket's file: made with its mode and group before anybody can see it, in place of one that a dead relay has left
//! behind, and removed at the end.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Its user and its group may connect.
const MODE: u32 = 0o660;
/// Everybody may: where there is a group of those who only read, two groups must come in, and a file has one. Who may ask
/// is up to what the kernel says of the other end.
const OPEN_MODE: u32 = 0o666;

/// A listening socket and its file.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket.
#[derive(Clone, Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Its device and number, to know it again.
    identity: (u64, u64),
}

impl SocketFile {
    /// Lets everybody connect from now on, or its user and group alone.
    ///
    /// # Errors
    /// What the machine said.
    pub fn open_to_all(&self, is_open: bool) -> io::Result<()> {
        if !self.is_there() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the admin socket's file is not the relay's any more",
            ));
        }
        std::fs::set_permissions(&self.path, PermissionsExt::from_mode(mode(is_open)))
    }

    /// A successor may have put its own there, or somebody else a file that has got the same number.
    fn is_there(&self) -> bool {
        let is_socket = std::fs::symlink_metadata(&self.path).is_ok_and(|file| file.file_type().is_socket());
        is_socket && identity(&self.path).is_ok_and(|found| found == self.identity)
    }
}

const fn mode(is_open: bool) -> u32 {
    if is_open { OPEN_MODE } else { MODE }
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
    pub fn bind(path: &Path, group: Option<u32>, is_open: bool) -> Result<Self, SocketFault> {
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
        let made = prepare(&new, group, is_open).and_then(|identity| {
            std::fs::rename(&new, path).map_err(fail)?;
            Ok(SocketFile { path: path.to_owned(), identity })
        });
        match made {
            Ok(file) => Ok(Self { listener, file }),
            Err(fault) => {
                // The first fault is the one to tell.
                let _ = remove(&new);
                Err(fault)
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn file(&self) -> &SocketFile {
        &self.file
    }

    /// The socket, for a runtime.
    pub(super) fn listener(&self) -> io::Result<UnixListener> {
        self.listener.set_nonblocking(true)?;
        self.listener.try_clone()
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if self.file.is_there() {
            let _ = remove(&self.file.path);
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

fn prepare(new: &Path, group: Option<u32>, is_open: bool) -> Result<(u64, u64), SocketFault> {
    let fail = |source| SocketFault::Io { path: new.to_owned(), source };
    if let Some(group) = group {
        chown(new, None, Some(group)).map_err(|source| SocketFault::Group { group, source })?;
    }
    std::fs::set_permissions(new, PermissionsExt::from_mode(mode(is_open))).map_err(fail)?;
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
        let socket = AdminSocket::bind(&path, Some(own), false).unwrap();
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
        let living = AdminSocket::bind(&path, None, false).unwrap();
        assert!(matches!(AdminSocket::bind(&path, None, false), Err(SocketFault::Taken(_))));
        UnixStream::connect(&path).unwrap();
        drop(living);
    }

    #[test]
    fn a_successors_socket_stays_when_its_predecessor_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tern.sock");
        let first = AdminSocket::bind(&path, None, false).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = AdminSocket::bind(&path, None, false).unwrap();
        drop(first);
        UnixStream::connect(&second.file().path).unwrap();
    }

    #[test]
    fn whoever_only_reads_comes_in_as_soon_as_there_is_such_a_group() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tern.sock");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let socket = AdminSocket::bind(&path, None, true).unwrap();
        assert_eq!(mode(), 0o666);
        let file = socket.file().clone();
        file.open_to_all(false).unwrap();
        assert_eq!(mode(), 0o660);
        file.open_to_all(true).unwrap();
        assert_eq!(mode(), 0o666);
        drop(socket);
        std::fs::write(&path, "somebody else's").unwrap();
        let before = mode();
        assert!(file.open_to_all(true).is_err());
        assert_eq!(mode(), before);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tern.sock");
        std::fs::write(&path, "mine").unwrap();
        let fault = AdminSocket::bind(&path, None, false).unwrap_err();
        assert!(matches!(fault, SocketFault::NoSocket(_)), "{fault}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let fault = AdminSocket::bind(&folder.path().join("a/b/tern.sock"), None, false).unwrap_err();
        assert!(fault.to_string().contains("its folder must be there"), "{fault}");
    }
}
