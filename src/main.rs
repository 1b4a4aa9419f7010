//! The `tern` binary: arguments, configuration, server, exit code.

fn main() -> std::process::ExitCode {
    tern::cli::main()
}
