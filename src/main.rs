//! The `tern` binary: arguments, configuration, server, exit code.

fn main() {}
