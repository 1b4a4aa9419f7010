//! Doing something in another network namespace: sockets stay in the one in which they were opened.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::failure::Failure;

/// Runs `what` with this thread in the namespace at `path`, or where it is.
pub(crate) fn within<T>(
    path: Option<&Path>,
    what: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(path) = path else { return what() };
    let open = |path: &Path| {
        File::open(path)
            .map_err(|error| Failure::machine(&format!("network namespace {}", path.display()), &error))
    };
    let here = open(Path::new("/proc/thread-self/ns/net"))?;
    enter(&open(path)?, path)?;
    let result = what();
    enter(&here, path)?;
    result
}

fn enter(namespace: &File, path: &Path) -> Result<(), Failure> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|error| {
        let what = format!("cannot enter network namespace {} (root may)", path.display());
        Failure::machine(&what, &error)
    })
}
