//! What the kernel says of this machine, in files below `/proc` and `/sys`.

use std::path::{Path, PathBuf};

/// Where the files are.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    root: PathBuf,
}

impl Machine {
    pub(super) fn this() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// One whose files are below `root`.
    #[cfg(test)]
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// A file's text without its end; none if there is no such file or it may not be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.path(path)).ok()?;
        Some(text.trim_end().to_owned())
    }

    /// A setting of the kernel, by its name in `sysctl`.
    pub(super) fn sysctl(&self, name: &str) -> Option<String> {
        self.read(&format!("proc/sys/{}", name.replace('.', "/")))
    }

    /// The numbers of a setting.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<u64>> {
        self.sysctl(name)?.split_whitespace().map(|number| number.parse().ok()).collect()
    }

    /// The names in a folder, sorted.
    pub(super) fn list(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// Where a link leads.
    pub(super) fn link(&self, path: &str) -> Option<PathBuf> {
        std::fs::read_link(self.path(path)).ok()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A machine with these files.
    pub(in crate::cli::doctor) fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let machine = Machine::at(dir.path());
        (dir, machine)
    }

    #[test]
    fn settings_are_read_by_their_names() {
        let (_dir, machine) =
            machine(&[("proc/sys/net/core/rmem_max", "212992\n"), ("proc/sys/net/a", "1\t2\n")]);
        assert_eq!(machine.numbers("net.core.rmem_max"), Some(vec![212_992]));
        assert_eq!(machine.numbers("net.a"), Some(vec![1, 2]));
        assert_eq!(machine.numbers("net.b"), None);
        assert_eq!(machine.list("proc/sys/net"), ["a", "core"]);
    }
}
