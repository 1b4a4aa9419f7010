//! The load-test client that ships with Tern.

fn main() {}
