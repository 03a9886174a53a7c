//! The command line: one command and two switches, so that no argument parser has to be compiled first.

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Command {
    /// Everything that has to hold before a change lands.
    Ci,
    /// What can be known in a minute.
    Quick,
    /// All tests.
    Test,
    /// The dependency rules.
    Layers,
    /// The shape of files, manifests and documents.
    Tidy,
    /// Who may call what is dangerous.
    Permits,
    /// The document of error codes.
    Codes,
    /// The committed schemas.
    Schema,
    /// Each crate on its own.
    Isolate,
    /// The program against real model servers.
    Real,
    /// The verifiers of logs against each other.
    VerifyDiff,
    /// Generated attempts against the gateway.
    Attack,
    /// The readers of foreign bytes under libFuzzer.
    Fuzz,
    /// What a call costs.
    Bench,
    /// Whether the tests notice what is changed.
    Mutants,
    /// The list of commands.
    Help,
}

/// Every command with its name and one line for `help`. The one table of them.
pub(crate) const COMMANDS: &[(Command, &str, &str)] = &[
    (
        Command::Ci,
        "ci",
        "every step of continuous integration, in order, until the first that fails",
    ),
    (
        Command::Quick,
        "quick",
        "format, layers, tidy, permits and a type check: under a minute when warm",
    ),
    (
        Command::Test,
        "test",
        "all tests of the workspace, documentation examples included",
    ),
    (
        Command::Layers,
        "layers",
        "who may depend on what, and who may open a socket or start a process",
    ),
    (
        Command::Tidy,
        "tidy",
        "the shape of files, manifests, documents and test names",
    ),
    (
        Command::Permits,
        "permits",
        "which files may build a gate, a clearance, or expose a secret",
    ),
    (
        Command::Codes,
        "codes",
        "docs/codes.md equals what the code says (--write writes it)",
    ),
    (
        Command::Schema,
        "schema",
        "schemas/*.json equal what the types say (--write writes them)",
    ),
    (
        Command::Isolate,
        "isolate",
        "each published crate compiles alone, without and with all features",
    ),
    (
        Command::Real,
        "real",
        "the program against a llama.cpp server and an Ollama daemon on this machine",
    ),
    (
        Command::VerifyDiff,
        "verify-diff",
        "two verifiers of logs agree on broken logs and random edits (--all: 100,000 of them)",
    ),
    (
        Command::Attack,
        "attack",
        "250,000 attempts, 2,000 kills, 1,000 guesses, 10,000 canaries, 100,000 steps: an hour or two",
    ),
    (
        Command::Fuzz,
        "fuzz",
        "readers of foreign bytes under libFuzzer, a minute each (--all: half an hour)",
    ),
    (
        Command::Bench,
        "bench",
        "what a call costs, next to a proxy that only passes bytes on (bench --help)",
    ),
    (
        Command::Mutants,
        "mutants",
        "changes gate, consent, ledger and queue, each time in one place: do the tests notice (--shard k/n)",
    ),
    (Command::Help, "help", "this text"),
];

impl Command {
    /// The word on the command line.
    pub(crate) fn name(self) -> &'static str {
        COMMANDS
            .iter()
            .find(|(command, _, _)| *command == self)
            .map_or("?", |(_, name, _)| name)
    }

    /// Whether what stands after it belongs to the program that it starts.
    fn hands_on(self) -> bool {
        matches!(self, Self::Bench | Self::Mutants)
    }

    fn writes(self) -> bool {
        matches!(self, Self::Codes | Self::Schema)
    }
}

/// A parsed command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Cli {
    /// What to do.
    pub(crate) command: Command,
    /// One JSON object on stdout instead of lines for people.
    pub(crate) json: bool,
    /// Write the generated files instead of comparing them.
    pub(crate) write: bool,
    /// All cases instead of the short form.
    pub(crate) all: bool,
    /// What stands after `bench` or `mutants`, for the program that measures or changes.
    pub(crate) rest: Vec<String>,
}

impl Cli {
    /// Reads the arguments after the program's name. The error is a message for a person.
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut command, mut json, mut write, mut all) = (None, false, false, false);
        let mut rest = Vec::new();
        for arg in args {
            match arg.as_str() {
                _ if command.is_some_and(Command::hands_on) => rest.push(arg),
                "--json" => json = true,
                "--write" => write = true,
                "--all" => all = true,
                "--help" | "-h" => command = command.or(Some(Command::Help)),
                flag if flag.starts_with('-') => return Err(format!("unknown switch `{flag}`")),
                word if command.is_some() => {
                    return Err(format!("one command at a time, not also `{word}`"));
                }
                word => {
                    let known = COMMANDS.iter().find(|(_, name, _)| *name == word);
                    command = Some(known.ok_or_else(|| format!("unknown command `{word}`"))?.0);
                }
            }
        }
        let command = command.ok_or_else(|| "which command?".to_owned())?;
        if write && !command.writes() {
            return Err(format!(
                "`{}` writes nothing, `--write` belongs to `codes` and `schema`",
                command.name()
            ));
        }
        if all && !matches!(command, Command::VerifyDiff | Command::Fuzz) {
            return Err(format!(
                "`{}` has one form, `--all` belongs to `verify-diff` and `fuzz`",
                command.name()
            ));
        }
        Ok(Self {
            command,
            json,
            write,
            all,
            rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, String> {
        Cli::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_command_parses_back_from_its_name() {
        for (command, name, _) in COMMANDS {
            assert_eq!(parse(name).expect(name).command, *command);
            assert_eq!(command.name(), *name);
        }
    }

    #[test]
    fn switches_stand_anywhere() {
        let cli = parse("--json schema --write").expect("parses");
        assert_eq!(
            cli,
            Cli {
                command: Command::Schema,
                json: true,
                write: true,
                all: false,
                rest: Vec::new(),
            }
        );
    }

    #[test]
    fn what_follows_bench_or_mutants_belongs_to_the_program_behind_it() {
        let cli = parse("mutants --shard 1/8").expect("parses");
        assert_eq!((cli.command, cli.rest.len()), (Command::Mutants, 2));
        let cli = parse("bench --json out.json --rounds 3").expect("parses");
        assert_eq!((cli.command, cli.json), (Command::Bench, false));
        assert_eq!(cli.rest, ["--json", "out.json", "--rounds", "3"]);
        assert_eq!(parse("layers").expect("parses").rest, [] as [&str; 0]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "--json",
            "laeyrs",
            "layers tidy",
            "layers --fix",
            "layers --write",
            "layers --all",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
