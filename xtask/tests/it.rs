//! The program as its callers see it: exit codes, one JSON object, the files it writes.

mod it {
    mod command_line;
    mod workspace;
}
