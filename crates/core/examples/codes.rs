//! Prints the one table of error codes as Markdown.
//!
//! `cargo run -p handshake-core --example codes`
#![allow(
    clippy::print_stdout,
    reason = "an example is a program; printing is what it does"
)]

use handshake_core::code::{ErrorClass, ErrorCode};

fn main() {
    println!("# Error codes\n");
    println!(
        "A code is never reused and never changes its meaning. This file is generated; do not edit it.\n"
    );
    println!("| code | class | HTTP | what happened | what to do |");
    println!("|---|---|---|---|---|");
    for code in ErrorCode::ALL {
        println!(
            "| `{code}` | {} | {} | {} | {} |",
            class(code.class()),
            code.http_status(),
            cell(code.title()),
            cell(code.next_step()),
        );
    }
    println!(
        "\nAliases from older documents: `CX-MM-CONSENT-MISSING` is `{}`, `CX-MM-001` is `{}`.",
        ErrorCode::CloudConsentRequired,
        ErrorCode::NotReady
    );
}

fn class(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Transient => "transient",
        ErrorClass::Permanent => "permanent",
        ErrorClass::Policy => "policy",
        ErrorClass::Protocol => "protocol",
        ErrorClass::Capability => "capability",
        ErrorClass::Cancelled => "cancelled",
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
