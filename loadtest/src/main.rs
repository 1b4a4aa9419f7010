//! The load-test client that ships with Tern.

fn main() -> std::process::ExitCode {
    tern_loadtest::app::main()
}
