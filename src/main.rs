//! The `stockhold` command: flags in, exit code out.

fn main() -> std::process::ExitCode {
    stockhold::cli::main()
}
