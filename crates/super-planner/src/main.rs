//! The program `super-planner`. All of it is in the library, so that tests and embedders reach it too.

fn main() -> std::process::ExitCode {
    super_planner::program::main(std::env::args_os())
}
