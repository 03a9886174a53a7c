//! The text of `cargo xtask help`, made from the table of commands.

use std::fmt::Write as _;

use crate::cli::COMMANDS;

/// The list of commands, switches and exit codes.
pub(crate) fn text() -> String {
    let mut text = String::from(
        "usage: cargo xtask <command> [--json] [--write]\n       cargo xtask verify-diff [--all]\n       cargo xtask fuzz [--all]\n       cargo xtask bench [--help | options]\n       cargo xtask mutants [--shard k/n | options]\n\n",
    );
    for (_, name, what) in COMMANDS {
        let _infallible = writeln!(text, "  {name:<12}{what}");
    }
    text.push_str(
        "\nexit codes: 0 all well, 1 something was found, 2 usage, or the check could not run\n",
    );
    text.push_str("example: cargo xtask layers --json\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_named() {
        let text = text();
        for (_, name, _) in COMMANDS {
            assert!(
                text.lines().any(|line| line.trim_start().starts_with(name)),
                "{name}"
            );
        }
    }
}
